"""Where a coefficient jumps or kinks: bisection on the operator itself, to the last digit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..chebyshev.grid import points
from ..chebyshev.transform import values_to_coefficients
from .problem import BVP

SAMPLES = 8
SMOOTH = 1e-9
"""Chebyshev tails below this, relative to the function, count as resolved by `SAMPLES` points."""


def find_break(problem: BVP, fields: Any, params: np.ndarray, rhs: Any, interval: tuple[float, float]) -> float | None:
    """The point in the interval where coefficients or right-hand sides are not smooth, or None.

    ``fields(j, k, x)`` gives the present solution at points x. Of the two halves the rougher one is kept, until both
    are smooth while the whole is not, or the interval is one rounding unit wide.
    """
    a, b = interval
    width = b - a
    whole = _roughness(problem, fields, params, rhs, a, b)
    for _ in range(60):
        middle = 0.5 * (a + b)
        if not a < middle < b:
            return b
        left = _roughness(problem, fields, params, rhs, a, middle)
        right = _roughness(problem, fields, params, rhs, middle, b)
        rougher = max(left, right)
        if rougher < SMOOTH:
            # A smooth function's tail falls gradually from one bisection to the next, a broken one's at once.
            sudden = whole > 1e3 * max(rougher, 1e-13) and (whole > 1e-5 or b - a < 1e-4 * width)
            return middle if sudden else None
        a, b = (a, middle) if left > right else (middle, b)
        whole = rougher
    return 0.5 * (a + b)


def _roughness(problem: BVP, fields: Any, params: np.ndarray, rhs: Any, a: float, b: float) -> float:
    """The largest relative Chebyshev tail of any coefficient or right-hand side on (a, b)."""
    x = a + (b - a) * (points(SAMPLES, 1) + 1.0) / 2.0
    with np.errstate(all="ignore"):
        lin = problem.trace(x, lambda j, k: fields(j, k, x), params, rhs)
    rows = [*lin.residual, *(e[3] for e in lin.entries), *(e[2] for e in lin.param_entries)]
    values = np.array([np.broadcast_to(r, x.shape) for r in rows])
    if not np.isfinite(values).all():
        return np.inf
    coefs = np.abs(values_to_coefficients(values, 1, 1))
    size = np.abs(values).max(axis=1)
    size = np.maximum(size, 1e-14 * size.max(initial=1e-300))
    return float((coefs[:, -3:].max(axis=1) / size).max())
