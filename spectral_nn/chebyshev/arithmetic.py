"""Arithmetic of piecewise Chebyshev series: on common pieces, then coefficient by coefficient."""

from __future__ import annotations

from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from .construct import EPS, adaptive
from .grid import Array, points
from .transform import coefficients_to_values, values_to_coefficients

if TYPE_CHECKING:
    from .series import ChebSeries

# Zeros closer than this to a break point, relative to the domain, make no new break there.
SAME_BREAK = 1e-13


def add(u: ChebSeries, v: Any) -> Any:
    if _is_number(v):
        return type(u)(u.breakpoints, [np.concatenate([[c[0] + v], c[1:]]) for c in u.coefficients])
    if not _is_series(v):
        return NotImplemented
    breaks, pairs = _aligned(u, v)
    return type(u)(breaks, [_padded_sum(a, b) for a, b in pairs])


def multiply(u: ChebSeries, v: Any) -> Any:
    if _is_number(v):
        return type(u)(u.breakpoints, [c * v for c in u.coefficients])
    if not _is_series(v):
        return NotImplemented
    breaks, pairs = _aligned(u, v)
    return type(u)(breaks, trimmed([_product(a, b) for a, b in pairs], EPS))


def divide(u: Any, v: Any) -> Any:
    """u / v to rounding, by resolving the quotient adaptively on each piece."""
    if _is_number(v):
        if v == 0:
            raise ZeroDivisionError("division of a ChebSeries by zero")
        return multiply(u, 1 / v)
    if not _is_series(v) or not (_is_number(u) or _is_series(u)):
        return NotImplemented
    zeros = v.roots()
    if zeros.size or any(not np.any(c) for c in v.coefficients):
        place = f" at x = {zeros[0]:g}" if zeros.size else " on a whole piece"
        raise ZeroDivisionError(f"the divisor vanishes{place}")
    if _is_number(u):
        breaks = v.breakpoints
        return type(v)(breaks, adaptive(lambda x: u / v(x), breaks))
    breaks = _common_breaks(u, v)
    return type(v)(breaks, adaptive(lambda x: u(x) / v(x), breaks))


def power(u: ChebSeries, exponent: int) -> Any:
    if not isinstance(exponent, (int, np.integer)):
        raise TypeError(f"only whole powers of a ChebSeries are taken; got {exponent!r}; see from_function")
    if exponent < 0:
        return divide(1.0, power(u, -int(exponent)))
    result = type(u)(u.domain, [np.ones(1)])
    square = u
    k = int(exponent)
    while k:
        if k & 1:
            result = multiply(result, square)
        k >>= 1
        if k:
            square = multiply(square, square)
    return result


def absolute(u: ChebSeries) -> ChebSeries:
    if np.iscomplexobj(u.coefficients[0]):
        raise TypeError("abs needs a real series; resolve |u| of a complex one with ChebSeries.from_function")
    lo, hi = u.domain
    zeros = u.roots(jumps=False)
    far = np.abs(zeros[:, None] - u.breakpoints).min(axis=1, initial=np.inf) > SAME_BREAK * (hi - lo)
    breaks = np.union1d(u.breakpoints, zeros[far])
    middle = u(0.5 * (breaks[1:] + breaks[:-1]))
    return type(u)(breaks, [c if m >= 0 else -c for c, m in zip(on_pieces(u, breaks), middle, strict=True)])


def on_pieces(u: ChebSeries, breaks: Array) -> list[Array]:
    """Coefficients of u on pieces that each lie inside one piece of u."""
    owner = np.searchsorted(u.breakpoints, 0.5 * (breaks[1:] + breaks[:-1]), side="right") - 1
    old = u.coefficients
    out = []
    for e, o in enumerate(owner):
        a, b = breaks[e], breaks[e + 1]
        if a == u.breakpoints[o] and b == u.breakpoints[o + 1]:
            out.append(old[o])
            continue
        t = points(old[o].size, 1)
        out.append(values_to_coefficients(u(0.5 * (b * (1 + t) + a * (1 - t))), 1))
    return out


def trimmed(coefficients: list[Array], tol: float) -> list[Array]:
    """Each piece without its trailing coefficients below tol times the largest of all; at least one stays."""
    level = tol * max(float(np.abs(c).max()) for c in coefficients)
    out = []
    for c in coefficients:
        above = np.flatnonzero(np.abs(c) > level)
        out.append(c[: above[-1] + 1] if above.size else c[:1])
    return out


def _aligned(u: ChebSeries, v: ChebSeries) -> tuple[Array, list[tuple[Array, Array]]]:
    breaks = _common_breaks(u, v)
    return breaks, list(zip(on_pieces(u, breaks), on_pieces(v, breaks), strict=True))


def _common_breaks(u: ChebSeries, v: ChebSeries) -> Array:
    if u.domain != v.domain:
        raise ValueError(f"both series must live on the same domain; got {u.domain} and {v.domain}")
    if np.array_equal(u.breakpoints, v.breakpoints):
        return u.breakpoints
    return np.union1d(u.breakpoints, v.breakpoints)


def _padded_sum(a: Array, b: Array) -> Array:
    if a.size < b.size:
        a, b = b, a
    out = a.astype(np.result_type(a, b))
    out[: b.size] += b
    return out


def _product(a: Array, b: Array) -> Array:
    if min(a.size, b.size) == 1:
        return a * b
    n = a.size + b.size - 1
    values = [coefficients_to_values(np.concatenate([c, np.zeros(n - c.size)]), 2) for c in (a, b)]
    return values_to_coefficients(values[0] * values[1], 2)


def _is_number(v: object) -> bool:
    return isinstance(v, (Number, np.generic)) or (isinstance(v, np.ndarray) and v.ndim == 0)


def _is_series(v: object) -> bool:
    from .series import ChebSeries

    return isinstance(v, ChebSeries)
