"""Where a coefficient jumps or kinks: bisection on the operator itself, to the last digit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebval

from ..chebyshev.grid import points
from ..chebyshev.transform import values_to_coefficients
from .problem import Problem

SAMPLES = 8
SUDDEN = 1e5
"""A smooth function's tail falls by some 2^8 from one bisection to the next, by more than this only across a break."""
SLOW = 0.1
"""The tail of a kink falls by 2 with each bisection, and does so down to rounding."""
ROUNDING = 2e-14


def find_break(
    problem: Problem, fields: Any, params: np.ndarray, rhs: Any, interval: tuple[float, float]
) -> float | None:
    """The point in the interval where coefficients or right-hand sides are not smooth, or None.

    ``fields(j, k, x)`` gives the present solution at points x. Of the two halves the rougher one is kept, until both
    are smooth while the whole is not (a jump or a kink in the middle), or the interval is one rounding unit wide (a
    jump), or a slowly falling tail has met rounding (a kink).
    """
    a, b = interval
    whole, slow = _roughness(problem, fields, params, rhs, a, b), False
    for _ in range(64):
        middle = 0.5 * (a + b)
        if not a < middle < b:
            return b
        left = _roughness(problem, fields, params, rhs, a, middle)
        right = _roughness(problem, fields, params, rhs, middle, b)
        rougher = max(left, right)
        if whole > SUDDEN * max(rougher, ROUNDING):
            return _sharpen(problem, fields, params, rhs, a, middle, b)  # smooth halves of a broken whole
        if rougher < ROUNDING:
            return middle if whole < 10.0 * ROUNDING and slow else None
        slow = rougher > SLOW * whole
        a, b = (a, middle) if left > right else (middle, b)
        whole = rougher
    return 0.5 * (a + b)


def _roughness(problem: Problem, fields: Any, params: np.ndarray, rhs: Any, a: float, b: float) -> float:
    """The largest relative Chebyshev tail of any coefficient or right-hand side on (a, b)."""
    x = a + (b - a) * (points(SAMPLES, 1) + 1.0) / 2.0
    values = _rows(problem, fields, params, rhs, x)
    if not np.isfinite(values).all():
        return np.inf
    coefs = np.abs(values_to_coefficients(values, 1, 1))
    size = np.abs(values).max(axis=1)
    size = np.maximum(size, 1e-14 * size.max(initial=1e-300))
    return float((coefs[:, -3:].max(axis=1) / size).max())


def _sharpen(
    problem: Problem, fields: Any, params: Any, rhs: Any, a: float, middle: float, b: float
) -> float:
    """The break between the outermost samples of two smooth halves: where values leave the left half's polynomial.

    Points of the first kind leave one per cent at the ends of each half unseen, and the break may lie there.
    """
    s = points(SAMPLES, 1)
    halves = ((a, middle), (middle, b))
    of_left, of_right = (
        values_to_coefficients(_rows(problem, fields, params, rhs, p + (q - p) * (s + 1.0) / 2.0), 1, 1).T
        for p, q in halves
    )
    low, high = a + (middle - a) * (s[-1] + 1.0) / 2.0, middle + (b - middle) * (s[0] + 1.0) / 2.0
    for _ in range(64):
        t = 0.5 * (low + high)
        if not low < t < high:
            break
        here = _rows(problem, fields, params, rhs, np.array([t]))[:, 0]
        from_left = chebval(2.0 * (t - a) / (middle - a) - 1.0, of_left)
        from_right = chebval(2.0 * (t - middle) / (b - middle) - 1.0, of_right)
        low, high = (
            (t, high) if np.abs(here - from_left).max() <= np.abs(here - from_right).max() else (low, t)
        )
    return high


def _rows(problem: Problem, fields: Any, params: Any, rhs: Any, x: np.ndarray) -> np.ndarray:
    """Every coefficient and right-hand side at points x (n,), as rows."""
    with np.errstate(all="ignore"):
        lin = problem.trace(x, lambda j, k: fields(j, k, x), params, rhs)
    rows = [*lin.residual, *(e[3] for e in lin.entries), *(e[2] for e in lin.param_entries)]
    return np.array([np.broadcast_to(r, x.shape) for r in rows])
