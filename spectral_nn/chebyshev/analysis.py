"""Zeros, extrema, norms and jumps of a piecewise Chebyshev series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial.chebyshev import chebcompanion, chebval

from .grid import Array, points, quadrature_weights
from .transform import coefficients_to_values, values_to_coefficients

if TYPE_CHECKING:
    from .series import ChebSeries

EPS = float(np.finfo(float).eps)
# Eigenvalues cost O(n^3): above this degree halve the interval (Boyd; 50 is Chebfun's figure).
SPLIT_ABOVE = 50
# Where to halve: off the middle, where zeros of odd functions sit (Chebfun's number).
SPLIT_AT = -0.004849834917525
# A double zero comes out as a pair this far off the real axis; what is kept is decided by the value there.
IMAGINARY = 1e-6
ZERO_VALUE = 1e3 * EPS


def roots(u: ChebSeries, jumps: bool) -> Array:
    found = [np.empty(0)]
    breaks = u.breakpoints
    for e, c in enumerate(u.coefficients):
        r = piece_roots(c)
        if r.size:
            a, b = breaks[e], breaks[e + 1]
            found.append(0.5 * (b * (1 + r) + a * (1 - r)))
    if jumps and not np.iscomplexobj(u.coefficients[0]):
        left, right = _one_sided(u)
        found.append(breaks[1:-1][np.sign(left) * np.sign(right) < 0])
    return _merge_across_breaks(np.sort(np.concatenate(found)), breaks)


def piece_roots(c: Array) -> Array:
    """Zeros in [-1, 1] of one Chebyshev series, ascending; none if it is identically zero."""
    size = np.abs(c)
    if size[0] > size[1:].sum() or size.max() == 0 or not np.isfinite(size).all():
        return np.empty(0)
    r = np.sort(_subdivided_roots(c, 0.0))
    return _merge_double(_polish(c, r), c)


def extrema(u: ChebSeries) -> tuple[Array, Array]:
    if np.iscomplexobj(u.coefficients[0]):
        raise TypeError("extrema need a real series; take abs(u), u.real or u.imag first")
    left, right = _one_sided(u)
    breaks = u.breakpoints
    ends = np.array([_left_end(u.coefficients[0]), u.coefficients[-1].sum()])
    inside = np.setdiff1d(u.diff().roots(jumps=False), breaks)
    x = np.concatenate([breaks[:1], breaks[1:-1], breaks[1:-1], inside, breaks[-1:]])
    v = np.concatenate([ends[:1], left, right, u(inside), ends[1:]])
    order = np.argsort(x, kind="stable")
    x, v = x[order], v[order]
    same = np.concatenate([[False], (np.diff(x) == 0) & (np.diff(v) == 0)])
    return x[~same], v[~same]


def norm(u: ChebSeries, p: float) -> float:
    is_complex = np.iscomplexobj(u.coefficients[0])
    if p == 2:
        return _norm2(u)
    if p == np.inf:
        if is_complex:
            return float(np.sqrt(max((u * u.conj()).real.max(), 0.0)))
        return float(np.abs(extrema(u)[1]).max())
    if p == 1:
        if not is_complex:
            return float(abs(u).sum())
        from .construct import adaptive, merge_breaks

        inner = np.concatenate([u.breakpoints[1:-1], u.roots()])
        lo, hi = u.domain
        breaks = merge_breaks(u.domain, inner[(inner > lo) & (inner < hi)])
        return float(type(u)(breaks, adaptive(lambda x: np.abs(u(x)), breaks, tol=1e-12)).sum())
    raise ValueError(f"p must be 1, 2 or inf; got {p!r}")


def jump(u: ChebSeries, x0: float) -> Any:
    breaks = u.breakpoints
    width = breaks[-1] - breaks[0]
    at = int(np.argmin(np.abs(breaks - x0)))
    if at in (0, breaks.size - 1) or abs(breaks[at] - x0) > 4 * EPS * max(width, abs(x0)):
        return u.dtype.type(0)
    left, right = _one_sided(u)
    return right[at - 1] - left[at - 1]


def piece_values(u: ChebSeries, t: Array) -> Array:
    """Values of every piece at the same reference points t in [-1, 1], shape (E, t.size)."""
    return np.array([chebval(t, c) for c in u.coefficients])


def _one_sided(u: ChebSeries) -> tuple[Array, Array]:
    """Limits from the left and from the right at the inner break points."""
    c = u.coefficients
    right_ends = np.array([a.sum() for a in c])
    left_ends = np.array([_left_end(a) for a in c])
    return right_ends[:-1], left_ends[1:]


def _left_end(c: Array) -> Any:
    return c[::2].sum() - c[1::2].sum()


def _subdivided_roots(c: Array, noise: float) -> Array:
    """Candidates in [-1, 1]; coefficients below `noise` are rounding of the interval first given."""
    size = np.abs(c)
    noise = max(noise, EPS * size.max())
    above = np.flatnonzero(size > noise)
    if above.size == 0:
        return np.empty(0)
    c = c[: above[-1] + 1]
    if c.size == 1 or np.abs(c[0]) > np.abs(c[1:]).sum() + noise * c.size:
        return np.empty(0)
    if c.size - 1 <= SPLIT_ABOVE:
        z = np.linalg.eigvals(chebcompanion(c)[::-1, ::-1]) if c.size > 2 else np.array([-c[0] / c[1]])
        near = (np.abs(z.imag) < IMAGINARY) & (np.abs(z.real) < 1 + IMAGINARY)
        return np.clip(z.real[near], -1.0, 1.0)
    t = points(c.size, 2)
    halves = []
    for a, b in ((-1.0, SPLIT_AT), (SPLIT_AT, 1.0)):
        values = _values_between(c, a, b, t)
        r = _subdivided_roots(values_to_coefficients(values, 2), noise)
        halves.append(0.5 * (b * (1 + r) + a * (1 - r)))
    return np.concatenate(halves)


def _values_between(c: Array, a: float, b: float, t: Array) -> Array:
    from .kernels import clenshaw

    out = np.empty(t.size, dtype=c.dtype)
    x = 0.5 * (b * (1 + t) + a * (1 - t))
    clenshaw(np.array([-1.0, 1.0]), np.ascontiguousarray(c), np.array([0, c.size]), x, out)
    return out


def _polish(c: Array, r: Array) -> Array:
    """One Newton step where it helps, then keep what is a zero by its value."""
    if r.size == 0:
        return r
    d = np.polynomial.chebyshev.chebder(c)
    value, slope = chebval(r, c), chebval(r, d)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.nan_to_num((value / slope).real, nan=0.0, posinf=0.0, neginf=0.0)
    better = np.clip(r - np.clip(step, -IMAGINARY, IMAGINARY), -1.0, 1.0)
    improved = np.abs(chebval(better, c)) < np.abs(value)
    r = np.where(improved, better, r)
    # rounding of the sum, and of r itself where the series is steep
    level = ZERO_VALUE * (np.abs(c).sum() + np.abs(chebval(r, d)))
    return np.sort(r[np.abs(chebval(r, c)) <= level])


def _merge_double(r: Array, c: Array) -> Array:
    """A double zero was found twice, a little to both sides: the function is zero to rounding in between."""
    if r.size < 2:
        return r
    middle = 0.5 * (r[1:] + r[:-1])
    same = (np.diff(r) < 10 * IMAGINARY) & (np.abs(chebval(middle, c)) <= 4 * EPS * np.abs(c).sum())
    groups = np.split(r, np.flatnonzero(~same) + 1)
    return np.array([g.mean() for g in groups])


def _merge_across_breaks(r: Array, breaks: Array) -> Array:
    """A zero at a break point belongs to both pieces; report it once."""
    if r.size < 2:
        return r
    close = np.diff(r) <= 1e-12 * (breaks[-1] - breaks[0])
    if not close.any():
        return r
    nearest = np.abs(breaks - r[:-1, None]).min(axis=1)
    drop = close & (nearest <= 1e-12 * (breaks[-1] - breaks[0]))
    return r[np.concatenate([[True], ~drop])]


def _norm2(u: ChebSeries) -> float:
    """Clenshaw-Curtis on twice the points, exact for |u|^2; pieces of equal length go together."""
    coefficients = u.coefficients
    lengths = np.array([c.size for c in coefficients])
    half = 0.5 * np.diff(u.breakpoints)
    total = 0.0
    for n in np.unique(lengths):
        which = np.flatnonzero(lengths == n)
        m = 2 * int(n) + 1
        padded = np.zeros((which.size, m), dtype=u.dtype)
        padded[:, :n] = [coefficients[e] for e in which]
        values = np.abs(coefficients_to_values(padded, 2, axis=1)) ** 2
        total += float(half[which] @ (values @ quadrature_weights(m, 2)))
    return float(np.sqrt(total))
