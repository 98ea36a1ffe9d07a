"""Chebyshev points of both kinds, their weights, and maps between intervals.

Points are ascending everywhere in this package.  Kind 1 are the zeros of T_n (no end points), kind 2 the
extrema of T_{n-1} (end points included).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

# Up to this size reference vectors are kept; above it, computing them is cheap beside what they are used for.
CACHE_UP_TO = 4096


def points(n: int, kind: int = 1, domain: tuple[float, float] = (-1.0, 1.0)) -> Array:
    """Chebyshev points, ascending.

    Parameters
    ----------
    n : int
        Number of points, at least 1.
    kind : {1, 2}
        1: zeros of T_n.  2: extrema of T_{n-1}, end points included (n = 1 gives the midpoint).
    domain : (float, float)
        The interval [a, b].

    Returns
    -------
    ndarray, shape (n,)
        Read-only for the reference interval, where it is cached.

    Examples
    --------
    >>> from spectral_nn.chebyshev import grid
    >>> grid.points(3, kind=2, domain=(0, 1))
    array([0. , 0.5, 1. ])
    """
    x = _kept(_points, check_size(n), check_kind(kind))
    return x if tuple(domain) == (-1.0, 1.0) else from_reference(x, domain)


def angles(n: int, kind: int = 1) -> Array:
    """The angles θ in (0, π) or [0, π] with ``points = -cos(θ)``, ascending, shape (n,)."""
    check_kind(kind)
    j = np.arange(check_size(n))
    if kind == 1:
        return np.pi * (2 * j + 1) / (2 * n)
    return np.pi * j / (n - 1) if n > 1 else np.array([np.pi / 2])


def barycentric_weights(n: int, kind: int = 1) -> Array:
    """Barycentric weights of the n points, shape (n,): largest size 1, positive at the right end.

    Source: Berrut & Trefethen, Barycentric Lagrange interpolation, SIAM Review 46 (2004), eqs (5.3), (5.4).
    """
    return _kept(_barycentric_weights, check_size(n), check_kind(kind))


def quadrature_weights(n: int, kind: int = 1, domain: tuple[float, float] = (-1.0, 1.0)) -> Array:
    """Weights w with ``w @ f(points)`` the integral of f over the domain; exact for degree < n.

    Fejér's first rule for kind 1, Clenshaw-Curtis for kind 2, in O(n log n).

    Source: Waldvogel, Fast construction of the Fejér and Clenshaw-Curtis quadrature rules, BIT 46 (2006).

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.chebyshev import grid
    >>> x, w = grid.points(20, kind=2), grid.quadrature_weights(20, kind=2)
    >>> bool(abs(w @ np.exp(x) - (np.e - 1 / np.e)) < 1e-14)
    True
    """
    w = _kept(_weights, check_size(n), check_kind(kind))
    return w if tuple(domain) == (-1.0, 1.0) else 0.5 * (domain[1] - domain[0]) * w


def to_reference(x: ArrayLike, domain: tuple[float, float]) -> Array:
    """Map [a, b] to [-1, 1]; the ends go to exactly -1 and 1, and points keep their distance to the nearer."""
    a, b = domain
    x = np.asarray(x)
    from_a, to_b = x - a, b - x
    return np.where(from_a < to_b, 2 * from_a / (b - a) - 1, 1 - 2 * to_b / (b - a))


def from_reference(t: ArrayLike, domain: tuple[float, float]) -> Array:
    """Map [-1, 1] to [a, b]; -1 and 1 go to exactly a and b."""
    a, b = domain
    t = np.asarray(t)
    return 0.5 * (b * (1 + t) + a * (1 - t))


def check_size(n: int) -> int:
    if n < 1 or n != int(n):
        raise ValueError(f"n must be a whole number of points, at least 1; got {n!r}")
    return int(n)


def check_kind(kind: int) -> int:
    if kind not in (1, 2):
        raise ValueError(f"kind must be 1 or 2 (Chebyshev points of the first or second kind); got {kind!r}")
    return kind


def read_only(*arrays: Array) -> None:
    """Make arrays that a cache hands out safe to share."""
    for a in arrays:
        a.flags.writeable = False


def _kept(build: Callable[[int, int], Array], n: int, kind: int) -> Array:
    return _cached(build, n, kind) if n <= CACHE_UP_TO else build(n, kind)


@lru_cache(maxsize=512)
def _cached(build: Callable[[int, int], Array], n: int, kind: int) -> Array:
    out = build(n, kind)
    read_only(out)
    return out


def _points(n: int, kind: int) -> Array:
    # sin of a centred angle: exactly odd about the middle, and full relative accuracy there
    return np.sin(np.pi * (2 * np.arange(n) - n + 1) / (2 * n if kind == 1 else 2 * max(n - 1, 1)))


def _barycentric_weights(n: int, kind: int) -> Array:
    if n == 1:
        return np.ones(1)
    j = np.arange(n)
    if kind == 1:
        w = np.sin(np.pi * (2 * np.minimum(j, n - 1 - j) + 1) / (2 * n))
    else:
        w = np.ones(n)
        w[[0, -1]] = 0.5
    w[n - 2 :: -2] *= -1.0
    return w / np.abs(w).max()


def _weights(n: int, kind: int) -> Array:
    """The transform to coefficients, transposed, applied to the integrals of T_0 … T_{n-1}."""
    if n == 1:
        return np.array([2.0])
    moments = np.zeros(n)
    moments[::2] = 2.0 / (1.0 - np.arange(0, n, 2) ** 2.0)
    if kind == 1:
        return scipy.fft.dct(moments, type=3) / n
    w = scipy.fft.dct(moments, type=1) / (n - 1)
    w[[0, -1]] *= 0.5
    return w
