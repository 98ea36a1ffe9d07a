"""Plain damped Newton for min ‖A x - b‖_p, many problems at once: what learned starts and steps are compared with.

The method that papers compare with, as benchmarks/learned_newton.py needs it: batches or one problem, any start, Armijo's
rule or exact line search, any direction. Each solve also yields a feasible point of the dual (max -b'y, A'y = 0, ‖y‖_q ≤ 1)
for nothing: the gradient y = D₁r moves with the step, y + D₂A dx, and then A'y = 0. A problem is done when its best point and
its best dual are within the relative gap. For p < 2 it is Newton on (r² + d²)^(p/2), with d falling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: H (B, n, n), g (B, n) to a step dx (B, n) that should solve H dx = -g.
Direction = Callable[[np.ndarray, np.ndarray], np.ndarray]

MAX_ITERATIONS = 200
#: Row weights below this share of the largest are raised to it; by trial, the fewest iterations from least squares.
LOWEST_WEIGHT = 1e-8
#: Smoothing for p < 2, of the largest residual: first, and its factor once Newton's decrement is below that share of the sum;
#: by trial, the fewest iterations from least squares.
SMOOTHING, FALL, DECREMENT, LEAST = 0.03, 0.3, 0.1, 1e-9
#: Exact line search ends where the slope has fallen to this share.
SLOPE = 0.1
#: Size of A'y, relative to |A|'|y|, above which y is no dual point.
FEASIBLE = 1e-9


@dataclass(frozen=True)
class Run:
    """Iterations (B,) to the gap (MAX_ITERATIONS where it was not reached), points (B, n), steps the direction refused."""

    nit: np.ndarray
    x: np.ndarray
    gap: np.ndarray
    refused: np.ndarray


def newton(
    A: np.ndarray,
    b: np.ndarray,
    p: float,
    x: np.ndarray,
    tol: float,
    *,
    exact: bool,
    direction: Direction | None = None,
    smoothing: float = SMOOTHING,
) -> Run:
    """Minimize from x (B, n). A (B, m, n), b (B, m).

    With `direction`, the step is what it says for (H, g), where that goes downhill, else the exact one ("refused"); the dual
    point is then the gradient, projected on A'y = 0 by the factors of least squares.
    """
    count = len(b)
    nit, refused = np.full(count, MAX_ITERATIONS), np.zeros(count, int)
    gaps, out = np.full(count, np.inf), x.copy()
    live = np.arange(count)
    r = residual(A, x, b)
    value, lower, d = norms(r, p), np.zeros(count), np.full(count, smoothing if p < 2 else 0.0)
    Q = np.linalg.qr(A)[0] if direction is not None else None
    for k in range(MAX_ITERATIONS):
        top = np.abs(r).max(axis=1, keepdims=True)
        u = r / top
        first, second = derivatives(u, p, d)
        H = np.swapaxes(A, 1, 2) @ (second[..., None] * A)
        g = times(A, first, transposed=True)
        if direction is None:
            dx = -np.linalg.solve(H, g[..., None])[..., 0]
            Adx = times(A, dx)
            y = first + second * Adx
        else:
            assert Q is not None
            dx = direction(H, g)
            uphill = ~(np.einsum("bn,bn->b", dx, g) < 0)
            if uphill.any():
                refused[live[uphill]] += 1
                dx[uphill] = -np.linalg.solve(H[uphill], g[uphill][..., None])[..., 0]
            Adx = times(A, dx)
            y = first - times(Q, times(Q, first, transposed=True))
        lower = np.maximum(lower, dual_value(A, r, y, p))
        decrement = -np.einsum("bn,bn->b", dx, g)
        t = exact_step(u, Adx, p, d) if exact else armijo(u, Adx, p, d)
        x = x + (t[:, None] * top) * dx
        r = residual(A, x, b)
        now = norms(r, p)
        out[live] = np.where((now < value)[:, None], x, out[live])
        value = np.minimum(value, now)
        if p < 2:
            total = ((u**2 + d[:, None] ** 2) ** (p / 2)).sum(axis=1)
            d = np.where(decrement < DECREMENT * total, np.maximum(FALL * d, LEAST), d)
        gaps[live] = (value - lower) / value
        done = gaps[live] <= tol
        nit[live[done]] = k + 1
        if done.all():
            break
        if done.any():
            keep = ~done
            live, A, b, x, r = live[keep], A[keep], b[keep], x[keep], r[keep]
            value, lower, d = value[keep], lower[keep], d[keep]
            Q = None if Q is None else Q[keep]
    return Run(nit, out, gaps, refused)


def residual(A: np.ndarray, x: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A x - b."""
    return times(A, x) - b


def times(A: np.ndarray, v: np.ndarray, transposed: bool = False) -> np.ndarray:
    """A v or A'v, batched."""
    return ((v[:, None] @ A)[:, 0]) if transposed else (A @ v[..., None])[..., 0]


def norms(r: np.ndarray, p: float) -> np.ndarray:
    """‖r‖_p of the rows, without overflow."""
    top = np.abs(r).max(axis=1)
    return top * ((np.abs(r) / top[:, None]) ** p).sum(axis=1) ** (1 / p)


def derivatives(u: np.ndarray, p: float, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivatives of (u² + d²)^(p/2) / p, the second floored."""
    square = u * u + d[:, None] ** 2
    power = np.maximum(square, 1e-300) ** (p / 2 - 1)
    second = power * (1 + (p - 2) * u * u / np.maximum(square, 1e-300))
    return power * u, np.maximum(second, LOWEST_WEIGHT * second.max(axis=1, keepdims=True))


def dual_value(A: np.ndarray, r: np.ndarray, y: np.ndarray, p: float) -> np.ndarray:
    """The lower bound r'y / ‖y‖_q (= -b'y / ‖y‖_q) that y proves, 0 where A'y is not zero enough to prove one."""
    wrong = np.abs(times(A, y, transposed=True)).max(axis=1)
    size = times(np.abs(A), np.abs(y), transposed=True).max(axis=1)
    bound = np.einsum("bm,bm->b", r, y) / norms(y, p / (p - 1))
    return np.where(wrong <= FEASIBLE * size, bound, 0.0)


def exact_step(u: np.ndarray, v: np.ndarray, p: float, d: np.ndarray) -> np.ndarray:
    """t (B,) that minimizes Σ((u + t v)² + d²)^(p/2), to a tenth of the slope at 0: Newton's method inside a bracket."""
    t, low, high = np.ones(len(u)), np.zeros(len(u)), np.full(len(u), np.inf)
    at_zero = np.abs((derivatives(u, p, d)[0] * v).sum(axis=1))
    for _ in range(40):
        first, second = derivatives(u + t[:, None] * v, p, d)
        slope, curvature = (first * v).sum(axis=1), (second * v * v).sum(axis=1)
        if (np.abs(slope) <= SLOPE * at_zero).all():
            break
        low, high = np.where(slope < 0, t, low), np.where(slope > 0, t, high)
        tried = t - slope / curvature
        middle = np.where(np.isinf(high), 2 * t, 0.5 * (low + high))
        inside = (tried > low) & (tried < high) & (tried < 4 * t)
        t = np.where(np.abs(slope) <= SLOPE * at_zero, t, np.where(inside, tried, middle))
    return t


def armijo(u: np.ndarray, v: np.ndarray, p: float, d: np.ndarray) -> np.ndarray:
    """t (B,) by backtracking from 1 on the same sum."""

    def total(w: np.ndarray) -> np.ndarray:
        return ((w * w + d[:, None] ** 2) ** (p / 2)).sum(axis=1)

    t, start = np.ones(len(u)), total(u)
    slope = p * (derivatives(u, p, d)[0] * v).sum(axis=1)
    for _ in range(40):
        short = total(u + t[:, None] * v) > start + 1e-4 * t * slope
        if not short.any():
            break
        t = np.where(short, 0.5 * t, t)
    return t
