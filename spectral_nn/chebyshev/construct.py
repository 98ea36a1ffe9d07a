"""From a callable to the Chebyshev coefficients of its pieces, adaptively."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .grid import Array, from_reference, points
from .transform import chop, values_to_coefficients

EPS = float(np.finfo(float).eps)
MAX_DEGREE = 2**16
# Grids grow as 2^k + 1 points of the second kind, so that the smallest shows a plateau to `chop`.
FIRST_DEGREE = 16
# Rounding of x is believed as the reason why coefficients do not decay only up to this level.
COARSEST = 1e-9
# From this length on Numba's start-up is worth it.
KERNEL_FROM = 2000
# Off-grid points of the last check: irrational, so that no symmetry or period of f hides behind them.
PROBES = np.array([-0.357998918959666, 0.036785641195074, 0.8012367019])


def merge_breaks(domain: ArrayLike, breakpoints: ArrayLike) -> Array:
    """Ends and inner break points as one ascending array."""
    ends = np.asarray(domain, dtype=float)
    if ends.shape != (2,) or not np.isfinite(ends).all() or ends[0] >= ends[1]:
        raise ValueError(f"domain must be two finite numbers a < b; got {domain!r}")
    inner = np.asarray(breakpoints, dtype=float).reshape(-1)
    if not ((inner > ends[0]) & (inner < ends[1])).all():
        raise ValueError(f"breakpoints must lie strictly inside {tuple(ends)}; got {breakpoints!r}")
    return np.unique(np.concatenate([ends, inner]))


def adaptive(
    f: Callable[[Array], ArrayLike], breaks: Array, tol: float = EPS, max_degree: int = MAX_DEGREE
) -> list[Array]:
    """Coefficients of f on each piece, chopped where they reach `tol` relative to the largest value seen."""
    out: list[Array] = []
    scale = 0.0
    for a, b in zip(breaks[:-1], breaks[1:], strict=True):
        c, seen = _one_piece(f, (float(a), float(b)), tol, max_degree, scale)
        scale = max(scale, seen)
        out.append(c)
    return out


def _one_piece(
    f: Callable[[Array], ArrayLike], domain: tuple[float, float], tol: float, max_degree: int, scale: float
) -> tuple[Array, float]:
    degree = FIRST_DEGREE
    while True:
        t = points(degree + 1, 2)
        values = _sample(f, domain, t)
        seen = max(float(np.abs(values).max()), scale)
        if seen == 0.0:
            c, keep = np.zeros(1), 1
        else:
            c = values_to_coefficients(values, 2)
            # a piece small beside the others is resolved relative to them, not to itself
            own = float(np.abs(c).max())
            relative = max(tol * seen / own, tol) if own > 0 else 1.0
            keep = chop(c, relative) if relative < 0.5 else 1
            if keep == c.size:
                keep = chop(c, max(relative, min(_rounding(values, t, domain) / own, COARSEST)))
        if keep < c.size and _agrees(f, domain, c[:keep], tol, seen) or seen == 0.0:
            return c[:keep], seen
        degree *= 2
        if degree > max_degree:
            raise ValueError(
                f"f is not resolved by degree {degree // 2} on [{domain[0]:g}, {domain[1]:g}]: "
                "give its kinks and jumps as breakpoints=, or loosen tol="
            )


def _rounding(values: Array, t: Array, domain: tuple[float, float]) -> float:
    """What rounding of x makes of a steep function: eps |x| |f'|, from differences in the middle of the grid.

    cos(1e6 x) is known to 1e-10 only, and its coefficients never fall below that.
    """
    quarter = t.size // 4
    inner = slice(quarter, t.size - quarter)
    slope = np.abs(np.diff(values[inner])).max() / (t[quarter + 1] - t[quarter])
    return float(EPS * slope * 2 * max(abs(domain[0]), abs(domain[1])) / (domain[1] - domain[0]))


def _sample(f: Callable[[Array], ArrayLike], domain: tuple[float, float], t: Array) -> Array:
    x = from_reference(t, domain)
    # at a jump the given end belongs to the neighbour as much as to this piece: look from inside
    inside = x.copy()
    inside[0] = np.nextafter(max(x[0], domain[0]), domain[1]) if x[0] <= domain[0] else x[0]
    inside[-1] = np.nextafter(min(x[-1], domain[1]), domain[0]) if x[-1] >= domain[1] else x[-1]
    values = np.asarray(f(inside))
    if values.ndim == 0:
        values = np.full(x.shape, values)
    if values.shape != x.shape:
        raise ValueError(f"f must return one value per point: expected shape {x.shape}, got {values.shape}")
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(f"f must be finite on its domain; got {values[bad][0]} at x = {x[bad][0]:g}")
    return values.astype(complex if np.iscomplexobj(values) else float)


def _agrees(
    f: Callable[[Array], ArrayLike], domain: tuple[float, float], c: Array, tol: float, scale: float
) -> bool:
    """A plateau can be aliasing: compare with f between the points."""
    error = np.abs(_values(c) - _sample(f, domain, PROBES)).max()
    return bool(error <= max(np.sqrt(tol), 1e3 * tol) * scale)


def _values(c: Array) -> Array:
    """Values at the probes."""
    if c.size < KERNEL_FROM:
        return np.cos(np.multiply.outer(np.arccos(PROBES), np.arange(c.size))) @ c
    from .kernels import clenshaw

    out = np.empty(PROBES.size, c.dtype)
    clenshaw(np.array([-1.0, 1.0]), np.ascontiguousarray(c), np.array([0, c.size]), PROBES, out)
    return out
