"""Flexible GMRES with changing and learned-like preconditioners; what the Krylov solvers promise."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import gmres

from spectral_nn.linear import LinearStatus
from spectral_nn.linear.krylov import CG, FGMRES, GMRES, fgmres
from tests.linear.systems import Approximate, random_array, with_condition


def multiply(A: np.ndarray, V: np.ndarray) -> np.ndarray:
    return V @ A.T


def identity(V: np.ndarray) -> np.ndarray:
    return V


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_without_preconditioner_it_is_gmres(dtype: str) -> None:
    rng = np.random.default_rng(0)
    A = np.eye(50, dtype=dtype) + 0.1 * random_array(rng, 50, 50, dtype=dtype)
    b = random_array(rng, 50, dtype=dtype)
    for steps in (1, 4, 9):
        x, taken, _ = fgmres(lambda V: V @ A.T, identity, b[None], 1e-30, steps)
        reference, _ = gmres(A, b, rtol=1e-30, restart=steps, maxiter=1)
        assert taken == steps
        np.testing.assert_allclose(x[0], reference, rtol=1e-8, atol=1e-10)


def test_a_stack_of_systems_is_solved_as_each_alone() -> None:
    rng = np.random.default_rng(1)
    A = np.array([with_condition(rng, 15, 10.0**k) for k in range(4)])
    b = random_array(rng, 4, 15)
    X, steps, done = fgmres(lambda V: np.matmul(A, V[:, :, None])[:, :, 0], identity, b, 1e-11, 15)
    assert done.all() and steps <= 15
    for k in range(4):
        x, _, _ = fgmres(partial(multiply, A[k]), identity, b[k : k + 1], 1e-11, 15)
        np.testing.assert_allclose(A[k] @ X[k], b[k], atol=1e-9)
        np.testing.assert_allclose(X[k], x[0], rtol=1e-5, atol=1e-5)


def test_a_nonlinear_preconditioner_that_changes_from_step_to_step() -> None:
    rng = np.random.default_rng(2)
    A = with_condition(rng, 40, 100.0)
    inverse, calls = np.linalg.inv(A), [0]

    def wobbling(V: np.ndarray) -> np.ndarray:
        calls[0] += 1
        Z = V @ inverse.T
        return Z * (1 + 0.2 * np.sin(calls[0] + np.abs(Z)))

    b = random_array(rng, 1, 40)
    x, steps, done = fgmres(lambda V: V @ A.T, wobbling, b, 1e-10, 40)
    assert done.all() and steps <= 20
    np.testing.assert_allclose(A @ x[0], b[0], atol=1e-8)


def test_an_approximate_solver_as_preconditioner_saves_iterations() -> None:
    rng = np.random.default_rng(3)
    A, b = with_condition(rng, 60, 1e3), random_array(rng, 60)
    plain, preconditioned = FGMRES(), FGMRES(preconditioner=Approximate(0.003))
    alone, helped = (s.solve(s.factor(A), b) for s in (plain, preconditioned))
    assert helped.iterations <= 12 < alone.iterations
    assert np.abs(A @ helped.x - b).max() < 1e-9


def test_breakdown_free_on_exact_and_zero_right_hand_sides() -> None:
    b = np.array([[0.0, 0, 0], [1.0, 0, 0]])
    x, steps, done = fgmres(identity, identity, b, 1e-12, 3)
    assert done.all() and steps == 1
    np.testing.assert_array_equal(x, b)


def test_cg_counts_at_most_the_distinct_eigenvalues() -> None:
    rng = np.random.default_rng(4)
    Q, _ = np.linalg.qr(rng.standard_normal((30, 30)))
    A = (Q * np.repeat([1.0, 2.0, 5.0], 10)) @ Q.T
    answer = CG(rtol=1e-10).solve(CG().factor(A), random_array(rng, 30))
    assert answer.iterations <= 4


def test_cg_refuses_an_indefinite_matrix() -> None:
    solver = CG()
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        solver.solve(solver.factor(np.diag([1.0, -1.0])), np.array([0.0, 1.0]))


@pytest.mark.parametrize("make", [GMRES, FGMRES, CG])
def test_running_out_of_iterations_is_said(make: Any) -> None:
    rng = np.random.default_rng(5)
    A = with_condition(rng, 50, 1e8, spd=True)
    solver = make(max_iterations=3)
    assert solver.solve(solver.factor(A), random_array(rng, 50)).status is LinearStatus.NOT_CONVERGED
    with pytest.raises(ValueError, match="rtol"):
        make(rtol=0.0)
    with pytest.raises(ValueError, match="max_iterations"):
        make(max_iterations=0)
