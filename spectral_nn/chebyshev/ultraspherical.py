"""Ultraspherical operators as sparse arrays: differentiation, conversion and multiplication that stay banded.

Coefficient vectors of length n hold a function in the basis C_0^(λ), …, C_{n-1}^(λ) of ultraspherical
(Gegenbauer) polynomials; λ = 0 stands for the Chebyshev polynomials T_k.  A differential operator of order N
becomes banded from T to C^(N).  Every array here is the leading n x n part of an infinite one.

Source: Olver & Townsend, A fast and well-conditioned spectral method, SIAM Review 55 (2013).
"""

from __future__ import annotations

from math import factorial

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from .grid import Array, check_size


def differentiation(n: int, k: int = 1) -> sp.csr_array:
    """k-th derivative from T to C^(k), shape (n, n): one superdiagonal (eq. 3.2)."""
    check_size(n)
    if k < 0 or k != int(k):
        raise ValueError(f"k must be a whole number, at least 0; got {k!r}")
    if k == 0:
        return sp.eye_array(n, format="csr")
    entries = 2.0 ** (k - 1) * factorial(k - 1) * np.arange(k, n)
    return sp.diags_array(entries, offsets=k, shape=(n, n), format="csr")


def conversion(n: int, lam: int, to: int | None = None) -> sp.csr_array:
    """From C^(lam) to C^(to), by default one step up, shape (n, n) (eqs 3.3, 3.4)."""
    check_size(n)
    _check_lam(lam)
    to = lam + 1 if to is None else to
    if to < lam:
        raise ValueError(f"conversion goes up only: lam={lam}, to={to}")
    s = sp.eye_array(n, format="csr")
    for step in range(lam, to):
        diagonal, above = conversion_diagonals(n, step)
        s = sp.diags_array([diagonal, above[: n - 2]], offsets=[0, 2], shape=(n, n), format="csr") @ s
    return sp.csr_array(s)


def conversion_diagonals(n: int, lam: int) -> tuple[Array, Array]:
    """Diagonal and second superdiagonal of the conversion from C^(lam) to C^(lam + 1), n entries each."""
    i = np.arange(n)
    if lam == 0:
        diagonal = np.full(n, 0.5)
        diagonal[0] = 1.0
        return diagonal, np.full(n, -0.5)
    return lam / (lam + i), -lam / (lam + i + 2)


def multiplication(a: ArrayLike, n: int, lam: int = 0) -> sp.csr_array:
    """Multiplication by ``sum a_j T_j`` in the basis C^(lam), shape (n, n), bandwidth ``len(a) - 1``.

    The sum is taken by Clenshaw's rule in the operator x, row by row: O(n m^2), right to rounding for any λ.
    """
    check_size(n)
    _check_lam(lam)
    a = np.asarray(a)
    if a.ndim != 1 or a.size == 0:
        raise ValueError(f"a must be a one-dimensional array of Chebyshev coefficients; got shape {a.shape}")
    m = a.size - 1
    row, offset = np.meshgrid(np.arange(n), np.arange(-m, m + 1), indexing="ij")
    column = row + offset
    inside = (column >= 0) & (column < n)
    return sp.csr_array((_rows(a, n, lam)[inside], (row[inside], column[inside])), shape=(n, n))


def _check_lam(lam: int) -> None:
    if lam < 0 or lam != int(lam):
        raise ValueError(f"lam must be a whole number, at least 0; got {lam!r}")


def _rows(a: Array, n: int, lam: int) -> Array:
    """Entry (i, m + o) is row i, column i + o of the multiplication, m = len(a) - 1."""
    m = a.size - 1
    # one column more on each side, so that neighbours always exist
    c = np.arange(n)[:, None] + np.arange(-m - 1, m + 2)
    shape, dtype = c.shape, np.result_type(a, float)
    # x C_c = below C_{c+1} + above C_{c-1}
    inside = np.maximum(c, 1)
    below = np.where(c > 0, (inside + 1) / (2 * (inside + lam)), 1.0 / (2 * lam) if lam else 1.0)
    below[c < 0] = 0.0
    above = np.where(c > 0, (inside + 2 * lam - 1) / (2 * (inside + lam)), 0.0)
    if lam == 0:
        below[c > 0], above[c > 0] = 0.5, 0.5

    def times_x(b: Array) -> Array:
        out = np.zeros(shape, dtype)
        out[:, :-1] += b[:, 1:] * below[:, :-1]
        out[:, 1:] += b[:, :-1] * above[:, 1:]
        return out

    b1, b2 = np.zeros(shape, dtype), np.zeros(shape, dtype)
    for coefficient in a[:0:-1]:
        b1, b2 = 2 * times_x(b1) - b2, b1
        b1[:, m + 1] += coefficient
    out = times_x(b1) - b2
    out[:, m + 1] += a[0]
    return out[:, 1:-1]
