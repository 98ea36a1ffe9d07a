"""Makers of test systems, and solvers that misbehave."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectral_nn.linear import LinearSolution, Traits, matrix_of


def random_array(rng: np.random.Generator, *shape: int, dtype: str = "float64") -> np.ndarray:
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if dtype == "complex128" else values


def with_condition(rng: np.random.Generator, n: int, condition: float, *, spd: bool = False) -> np.ndarray:
    """A random matrix with singular values (eigenvalues) spread evenly in the logarithm."""
    Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    P, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (Q * np.geomspace(1, 1 / condition, n)) @ (Q.T if spd else P.T)


def chebyshev_second_derivative(n: int) -> np.ndarray:
    """Collocation of u'' on (-1, 1) with Dirichlet rows at both ends: rows from size 1 to n⁴/3."""
    x = np.cos(np.pi * np.arange(n) / (n - 1))
    c = np.r_[2.0, np.ones(n - 2), 2.0] * (-1.0) ** np.arange(n)
    D = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(n))
    D -= np.diag(D.sum(axis=1))
    A = D @ D
    A[0], A[-1] = np.eye(n)[0], np.eye(n)[-1]
    return A


def backward_error(A: np.ndarray, x: np.ndarray, b: np.ndarray) -> float:
    """Normwise, recomputed independently, for one right-hand side."""
    norm = np.linalg.norm
    return float(norm(b - A @ x, np.inf) / (norm(A, np.inf) * norm(x, np.inf) + norm(b, np.inf)))


class Approximate:
    """A direct solver whose answers are wrong by a relative `error`, differently for each right-hand side."""

    name = "approximate"

    def __init__(self, error: float, **traits: Any) -> None:
        self.error = error
        self.traits = Traits(summary="right to a few digits", **traits)
        self.calls = 0

    def factor(self, A: Any) -> Any:
        return np.linalg.inv(matrix_of(A))

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        self.calls += 1
        x = state @ b if state.ndim == 2 else np.matmul(state, b[:, :, None])[:, :, 0]
        wobble = np.sin(1e3 * np.abs(x) / (np.abs(x).max() + 1e-300))
        return LinearSolution(x * (1 + self.error * wobble), solver=self.name)


class Raises:
    """Fails in `where` ("factor" or "solve")."""

    name = "raises"
    traits = Traits(summary="raises", batched=True)

    def __init__(self, where: str, error: Exception) -> None:
        self.where, self.error = where, error

    def factor(self, A: Any) -> Any:
        if self.where == "factor":
            raise self.error
        return A

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        raise self.error


class Returns:
    """Returns whatever it is told to."""

    name = "returns"
    traits = Traits(summary="returns what it is told", batched=True)

    def __init__(self, make: Any) -> None:
        self.make = make

    def factor(self, A: Any) -> Any:
        return matrix_of(A)

    def solve(self, state: Any, b: np.ndarray) -> Any:
        return self.make(state, b)
