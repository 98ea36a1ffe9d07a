"""Symmetric positive definite systems: of prescribed condition number, and the Hessians of l_p Newton steps.

Everything is scaled to largest eigenvalue about 1 and solutions of norm about 1, which is also what the solver does to
systems that users bring (`normalize`).
"""

from __future__ import annotations

import numpy as np

from .data import stream_key

#: Row weights below this share of the largest are raised to it.
LOWEST_WEIGHT = 1e-3
#: The largest eigenvalue is bounded by the norm of the 2^SQUARINGS-th power.
SQUARINGS = 5
#: The bound of the largest eigenvalue stays one in spite of rounding in its logarithm.
ROUNDING = 1e-12
#: Set in the key of these streams, which the streams of `data` and of noise leave clear.
_SPD_BIT = 1 << 62


def systems(
    seed: int,
    split: str,
    start: int,
    count: int,
    n: int,
    kappa: tuple[float, ...] = (),
    p: tuple[float, ...] = (),
    gradients: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A (B, n, n), b (B, n), x (B, n) of samples start … start + count - 1.

    With `p`, A = GᵀDG for Gaussian G (2n, n) and D = |r|^(p - 2) at the residuals of a point on the way from the
    least-squares solution to the optimum; a share `gradients` of the samples then has the gradient of ‖r‖_p^p there for
    b, and so the Newton step for x, the others a standard normal x. Without `p`, eigenvalues are log-uniform between 1/κ
    and 1 with both ends taken, κ log-uniform in `kappa`, eigenvectors Haar.
    """
    drawn, x = np.empty((count, n, n)), np.empty((count, n))
    rates, slopes = np.empty((count, n)), np.empty((count, n))
    along = np.zeros(count, dtype=bool)
    for i in range(count):
        key = stream_key(seed, split, start + i)
        key[0] |= np.uint64(_SPD_BIT)
        rng = np.random.Generator(np.random.Philox(key=key))
        if p:
            drawn[i], slopes[i] = _newton_system(*trajectory_point(rng, n, p))
        else:
            drawn[i], rates[i] = _directions_and_rates(rng, n, kappa or (10.0, 10.0))
        x[i] = rng.standard_normal(n)
        along[i] = bool(p) and rng.random() < gradients
    A = drawn if p else _prescribed(drawn, rates)
    A, _ = normalize(A)
    x[along] = np.linalg.solve(A[along], slopes[along][..., None])[..., 0]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return A, (A @ x[..., None])[..., 0], x


def trajectory_point(
    rng: np.random.Generator, n: int, p: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray, float]:
    """G (2n, n), the residual r (2n,) at a point up to three damped Newton steps from least squares, and its exponent."""
    exponent = p[int(rng.integers(len(p)))]
    G, b = rng.standard_normal((2 * n, n)), rng.standard_normal(2 * n)
    x = np.linalg.lstsq(G, b, rcond=None)[0]
    r = b - G @ x
    for _ in range(int(rng.integers(4))):
        w = _weights(r, exponent)
        x = x + np.linalg.solve(G.T @ (w[:, None] * G), G.T @ (w * r)) / max(exponent - 1, 1)
        r = b - G @ x
    return G, r, exponent


def lp_problems(
    seed: int, split: str, start: int, count: int, n: int, p: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Problems min ‖Ax - b‖_p: A (B, 2n, n), b (B, 2n), p (B,), and the minima (B,), by `minimize_lp`.

    A and b are standard normal; in a third of the problems a tenth of b is ten times larger.
    """
    from spectral_nn import minimize_lp

    A, b = np.empty((count, 2 * n, n)), np.empty((count, 2 * n))
    exponents, best = np.empty(count), np.empty(count)
    for i in range(count):
        key = stream_key(seed, split, start + i)
        key[0] |= np.uint64(_SPD_BIT)
        rng = np.random.Generator(np.random.Philox(key=key))
        A[i], b[i] = rng.standard_normal((2 * n, n)), rng.standard_normal(2 * n)
        if rng.random() < 1 / 3:
            b[i] *= np.where(rng.random(2 * n) < 0.1, 10.0, 1.0)
        b[i] /= np.abs(b[i]).max()
        exponents[i] = p[int(rng.integers(len(p)))]
        best[i] = minimize_lp(A[i], b[i], float(exponents[i]), tol=1e-7).fun
    return A, b, exponents, best


def normalize(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A over an upper bound of its largest eigenvalue, and the bound (B,).

    The bound is ‖A^m‖_F^(1/m), m = 2^SQUARINGS: never below, and above by N^(1/2m) at most, 7 % at N = 60; 0.3 % where
    eigenvalues are log-uniform between 1/10 and 1. A looser one would drift with N, and the spectrum shown to a network
    with it.
    """
    size = np.abs(A).max(axis=(-2, -1))
    size[size == 0] = 1.0
    power, log_bound = A / size[:, None, None], np.log(size)
    for k in range(SQUARINGS + 1):
        size = np.linalg.norm(power, axis=(-2, -1))
        size[size == 0] = 1.0
        log_bound += np.log(size) / 2**k
        if k < SQUARINGS:
            power = power / size[:, None, None]
            power = power @ power
    bound = np.exp(log_bound) * (1 + ROUNDING)
    return A / bound[..., None, None], bound


def _directions_and_rates(
    rng: np.random.Generator, n: int, kappa: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian matrix and the logarithms of the eigenvalues, below 0."""
    low, high = np.log(min(kappa)), np.log(max(kappa))
    log_kappa = rng.uniform(low, high) if high > low else low
    position = rng.random(n)
    position[: min(n, 2)] = (0.0, 1.0)[: min(n, 2)]
    return rng.standard_normal((n, n)), -log_kappa * position


def _prescribed(gaussian: np.ndarray, log_eigenvalues: np.ndarray) -> np.ndarray:
    """Matrices (B, n, n) with these eigenvalues and Haar eigenvectors."""
    Q, R = np.linalg.qr(gaussian)
    Q *= np.sign(np.einsum("bii->bi", R))[:, None]
    return (Q * np.exp(log_eigenvalues)[:, None]) @ np.swapaxes(Q, 1, 2)


def _newton_system(G: np.ndarray, r: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """GᵀDG (n, n), scaled to a unit diagonal, and Gᵀ(|r|^(p - 2) r) (n,) in the same unknowns, up to a factor."""
    w = _weights(r, p)
    scale = 1 / np.sqrt(np.einsum("ij,i,ij->j", G, w, G))
    size = np.abs(r) / np.abs(r).max()
    return scale[:, None] * (G.T @ (w[:, None] * G)) * scale, scale * (G.T @ (np.sign(r) * size ** (p - 1)))


def _weights(r: np.ndarray, p: float) -> np.ndarray:
    """|r|^(p - 2) relative to its largest, floored where the Hessian would be singular to rounding."""
    size = np.maximum(np.abs(r) / np.abs(r).max(), 1e-3)
    w = size ** (p - 2)
    return np.maximum(w / w.max(), LOWEST_WEIGHT)
