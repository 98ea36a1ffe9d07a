"""Dense matrices between values at Chebyshev points: differentiation, integration, interpolation.

Small ones are kept and handed out read-only.  The sparse ultraspherical operators are in `ultraspherical.py`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from . import grid
from .grid import Array
from .transform import values_to_coefficients

# One kept matrix of this size takes half a megabyte.
CACHE_UP_TO = 256


def differentiation(n: int, k: int = 1, kind: int = 2) -> Array:
    """Matrix that takes values at n Chebyshev points to values of the k-th derivative there.

    Parameters
    ----------
    n : int
    k : int
        Order of the derivative, at least 0.
    kind : {1, 2}

    Returns
    -------
    ndarray, shape (n, n)

    Notes
    -----
    Accurate to rounding.  Against 50-digit arithmetic the entries are right to 2e-14 of the largest in their
    row (k <= 4, n <= 4096), and ``abs(D @ f - exact)`` stayed below ``10 eps (abs(D) @ abs(f))`` for f = exp.
    That bound grows as n^(2k), which no matrix acting on rounded values can undo.  Measured at n = 4096,
    kind 2, f = exp: 1e-8 for k = 1 and 1e-2 for k = 2 at the ends, 1e-11 and 7e-8 in the middle half of the
    interval.  For high orders on many points integrate (`integration`) or use `ultraspherical`.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.chebyshev import grid, matrices
    >>> x = grid.points(20, kind=2)
    >>> bool(abs(matrices.differentiation(20, 2) @ np.exp(x) - np.exp(x)).max() < 1e-10)
    True
    """
    n, k = grid.check_size(n), _check_order(k)
    grid.check_kind(kind)
    return _cached_differentiation(n, k, kind) if n <= CACHE_UP_TO else _build_differentiation(n, k, kind)


def integration(n: int, kind: int = 1, k: int = 1, x_to: ArrayLike | None = None) -> Array:
    """Matrix that takes values at n Chebyshev points to the k-fold antiderivative from -1.

    Exact for polynomials of degree n - 1.

    Parameters
    ----------
    n : int
    kind : {1, 2}
    k : int
        How often to integrate; every antiderivative vanishes at -1.
    x_to : array_like, shape (m,), optional
        Where to give the antiderivative, in [-1, 1]; default: the same n points.

    Returns
    -------
    ndarray, shape (m, n)

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.chebyshev import grid, matrices
    >>> x = grid.points(16)
    >>> bool(np.allclose(matrices.integration(16) @ np.cos(x), np.sin(x) - np.sin(-1), atol=1e-14))
    True
    """
    n, k = grid.check_size(n), _check_order(k)
    grid.check_kind(kind)
    if x_to is not None:
        return _build_integration(n, k, kind, np.asarray(x_to, dtype=float))
    return _cached_integration(n, k, kind) if n <= CACHE_UP_TO else _build_integration(n, k, kind, None)


def interpolation(x_to: ArrayLike, n: int, kind: int = 1) -> Array:
    """Barycentric matrix from values at n Chebyshev points of [-1, 1] to values at `x_to`.

    Parameters
    ----------
    x_to : array_like, shape (m,)
        Targets in [-1, 1]; where a target is a node, the row is a row of the identity.
    n : int
    kind : {1, 2}

    Returns
    -------
    ndarray, shape (m, n)

    Notes
    -----
    Second (true) barycentric formula: Berrut & Trefethen, SIAM Review 46 (2004), eq. (4.2).
    """
    n = grid.check_size(n)
    x, w = grid.points(n, kind), grid.barycentric_weights(n, kind)
    t = np.atleast_1d(np.asarray(x_to, dtype=float))
    gap = t[:, None] - x
    hit_row, hit_col = np.nonzero(gap == 0)
    gap[hit_row, hit_col] = 1.0
    np.divide(w, gap, out=gap)
    gap /= gap.sum(axis=1, keepdims=True)
    gap[hit_row] = 0.0
    gap[hit_row, hit_col] = 1.0
    return gap


def resampling(m: int, n: int, kind_to: int = 1, kind: int = 2) -> Array:
    """Rectangular matrix from values at n points of `kind` to values at m points of `kind_to`, shape (m, n).

    With m < n this is the "downsampling" of rectangular collocation: Driscoll & Hale, IMA J. Numer. Anal. 36
    (2016).
    """
    m, n = grid.check_size(m), grid.check_size(n)
    grid.check_kind(kind_to), grid.check_kind(kind)
    if max(m, n) <= CACHE_UP_TO:
        return _cached_resampling(m, n, kind_to, kind)
    return interpolation(grid.points(m, kind_to), n, kind)


def coefficients(n: int, kind: int = 1) -> Array:
    """Matrix from values at n Chebyshev points to Chebyshev coefficients, shape (n, n)."""
    n = grid.check_size(n)
    grid.check_kind(kind)
    return _cached_coefficients(n, kind) if n <= CACHE_UP_TO else values_to_coefficients(np.eye(n), kind)


def vandermonde(x: ArrayLike, n: int) -> Array:
    """T_k(x_i) for k < n, shape (m, n); x in [-1, 1]."""
    theta = np.arccos(np.clip(np.atleast_1d(np.asarray(x, dtype=float)), -1.0, 1.0))
    return np.cos(np.multiply.outer(theta, np.arange(n)))


def _check_order(k: int) -> int:
    if k < 0 or k != int(k):
        raise ValueError(f"k must be a whole number of times, at least 0; got {k!r}")
    return int(k)


def _build_differentiation(n: int, k: int, kind: int) -> Array:
    if k == 0:
        d = np.eye(n)
    elif n == 1:
        d = np.zeros((1, 1))
    else:
        d = _welfert(n, k, kind)
    grid.read_only(d)
    return d


def _welfert(n: int, k: int, kind: int) -> Array:
    """Welfert's recursion in the order of derivative (SIAM J. Numer. Anal. 34, 1997); negative-sum diagonal.

    The gaps x_i - x_j come from a product of sines, which keeps their relative accuracy near the ends; the
    lower half of the matrix is the upper half turned round, where those sines have small arguments.
    """
    half = (n + 1) // 2
    gap = _gaps(n, kind, half)
    w = grid.barycentric_weights(n, kind)
    ratio = w / w[:half, None]
    inverse_gap = 1.0 / gap
    diagonal = np.arange(half)
    d = np.zeros((half, n))
    d[diagonal, diagonal] = 1.0
    for order in range(1, k + 1):
        d = order * inverse_gap * (ratio * d[diagonal, diagonal][:, None] - d)
        d[diagonal, diagonal] = 0.0
        d[diagonal, diagonal] = -_compensated_row_sums(d)
    full = np.empty((n, n))
    full[:half] = d
    full[n - half :] = d[::-1, ::-1] if k % 2 == 0 else -d[::-1, ::-1]
    if n % 2 and k % 2:
        full[half - 1] = d[-1]
    return full


def _gaps(n: int, kind: int, rows: int) -> Array:
    """x_i - x_j = cos θ_j - cos θ_i = 2 sin((θ_i + θ_j)/2) sin((θ_i - θ_j)/2), ones on the diagonal.

    The half angles are whole multiples of one step, so that near neighbours lose nothing.
    """
    step, shift = (np.pi / (2 * n), 1) if kind == 1 else (np.pi / (2 * (n - 1)), 0)
    sums = np.sin(step * (np.arange(rows + n) + shift))
    differences = np.sin(step * np.arange(rows - 1, -n, -1))
    gap = 2.0 * sliding_window_view(sums, n)[:rows] * sliding_window_view(differences, n)[:rows][::-1]
    np.fill_diagonal(gap, 1.0)
    return gap


def _compensated_row_sums(d: Array) -> Array:
    # alternating signs and a range of n^2: extended precision helps where it exists
    return d.sum(axis=1, dtype=np.longdouble).astype(float)


def _build_integration(n: int, k: int, kind: int, x_to: Array | None) -> Array:
    c = np.array(coefficients(n, kind))
    for _ in range(k):
        c = _integrate_coefficients(c)
    x = grid.points(n, kind) if x_to is None else x_to
    s = vandermonde(x, n + k) @ c
    grid.read_only(s)
    return s


def _integrate_coefficients(c: Array) -> Array:
    """Antiderivative from -1 along axis 0: n rows in, n + 1 rows out."""
    n = c.shape[0]
    padded = np.concatenate([c, np.zeros((2, *c.shape[1:]), c.dtype)])
    out = np.zeros((n + 1, *c.shape[1:]), c.dtype)
    j = np.arange(1, n + 1).reshape(-1, *[1] * (c.ndim - 1))
    out[1:] = (padded[:n] - padded[2:]) / (2 * j)
    out[1] += 0.5 * padded[0]
    out[0] = out[1::2].sum(axis=0) - out[2::2].sum(axis=0)
    return out


_cached_differentiation = lru_cache(maxsize=128)(_build_differentiation)


@lru_cache(maxsize=128)
def _cached_integration(n: int, k: int, kind: int) -> Array:
    return _build_integration(n, k, kind, None)


@lru_cache(maxsize=128)
def _cached_resampling(m: int, n: int, kind_to: int, kind: int) -> Array:
    p = interpolation(grid.points(m, kind_to), n, kind)
    grid.read_only(p)
    return p


@lru_cache(maxsize=64)
def _cached_coefficients(n: int, kind: int) -> Array:
    c = values_to_coefficients(np.eye(n), kind)
    grid.read_only(c)
    return c
