"""Values at Chebyshev points to Chebyshev coefficients and back, and where to chop a coefficient series.

Both transforms are one discrete cosine transform, O(n log n), along any axis, real or complex.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from .grid import Array, check_kind

# Below this length no plateau can be told from chance (Aurentz & Trefethen 2017, section 3).
SHORTEST_PLATEAU = 17
EPS = float(np.finfo(float).eps)


def values_to_coefficients(values: ArrayLike, kind: int = 1, axis: int = 0) -> Array:
    """Coefficients c of ``sum c_k T_k`` through values at ascending Chebyshev points.

    Parameters
    ----------
    values : array_like, real or complex, n along `axis`
    kind : {1, 2}
        Kind of the points (see `grid.points`).
    axis : int

    Returns
    -------
    ndarray, shape of `values`

    Examples
    --------
    >>> from spectral_nn.chebyshev import grid, transform
    >>> x = grid.points(4, kind=2)
    >>> transform.values_to_coefficients(2 * x**2 - 1, kind=2).round(12) + 0.0
    array([0., 0., 1., 0.])
    """
    v = np.flip(_inexact(values, "values"), axis)  # the cosine transforms run from x = 1 down
    n = v.shape[axis]
    check_kind(kind)
    if n == 1:
        return v.copy()
    c = scipy.fft.dct(v, type=2 if kind == 1 else 1, axis=axis)
    c /= n if kind == 1 else n - 1
    _halve(c, axis, [0] if kind == 1 else [0, -1])
    return c


def coefficients_to_values(coefficients: ArrayLike, kind: int = 1, axis: int = 0) -> Array:
    """Values at as many ascending points as there are coefficients; inverse of `values_to_coefficients`."""
    c = _inexact(coefficients, "coefficients")
    n = c.shape[axis]
    check_kind(kind)
    if n == 1:
        return c.copy()
    c = 0.5 * c
    _halve(c, axis, [0] if kind == 1 else [0, -1], 2.0)
    return np.flip(scipy.fft.dct(c, type=3 if kind == 1 else 1, axis=axis), axis)


def chop(coefficients: ArrayLike, tol: float = EPS) -> int:
    """How many coefficients to keep: where the series has reached its plateau of noise.

    Parameters
    ----------
    coefficients : array_like, shape (n,)
    tol : float
        Relative level of the noise, 0 < tol < 1.

    Returns
    -------
    int
        Between 1 and n - 1 if a plateau was found; n if not, which means: sample more finely.

    Notes
    -----
    Source: Aurentz & Trefethen, Chopping a Chebyshev series, ACM TOMS 43 (2017), algorithm `standardChop`.
    """
    c = np.abs(np.asarray(coefficients))
    if c.ndim != 1:
        raise ValueError(f"coefficients must be one-dimensional; got shape {c.shape}")
    if not 0 < tol < 1:
        raise ValueError(f"tol must lie between 0 and 1; got {tol!r}")
    n = c.size
    if n < SHORTEST_PLATEAU:
        return n
    envelope = np.maximum.accumulate(c[::-1])[::-1]
    if envelope[0] == 0:
        return 1
    if not np.isfinite(envelope[0]):
        return n
    envelope = envelope / envelope[0]
    plateau = _plateau(envelope, tol)
    if plateau is None:
        return n
    start, end = plateau
    if envelope[start - 1] == 0:
        return start
    deep = int(np.count_nonzero(envelope >= tol ** (7 / 6)))
    if deep < end:
        end = deep + 1
        envelope[end - 1] = tol ** (7 / 6)
    # a line of slope 1/3 of a tolerance across the plateau: prefer an earlier cut among equals
    tilted = np.log10(envelope[:end]) + np.linspace(0, -np.log10(tol) / 3, end)
    return max(int(np.argmin(tilted)), 1)


def _plateau(envelope: Array, tol: float) -> tuple[int, int] | None:
    """First (j, j2), one-based, such that the envelope hardly falls from j + 1 to j2."""
    j = np.arange(2, envelope.size + 1)
    j2 = np.floor(1.25 * j + 5.5).astype(int)
    j, j2 = j[j2 <= envelope.size], j2[j2 <= envelope.size]
    e1, e2 = envelope[j - 1], envelope[j2 - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = (e1 == 0) | (e2 > 3 * (1 - np.log(e1) / np.log(tol)) * e1)
    hit = np.flatnonzero(flat)
    return (int(j[hit[0]]) - 1, int(j2[hit[0]])) if hit.size else None


def _inexact(a: ArrayLike, name: str) -> Array:
    out = np.asarray(a)
    if out.ndim == 0 or out.size == 0:
        raise ValueError(f"{name} must hold at least one number along an axis; got shape {out.shape}")
    return out if out.dtype.kind in "fc" else out.astype(float)


def _halve(c: Array, axis: int, ends: list[int], factor: float = 0.5) -> None:
    moved = np.moveaxis(c, axis, 0)
    for i in ends:
        moved[i] *= factor
