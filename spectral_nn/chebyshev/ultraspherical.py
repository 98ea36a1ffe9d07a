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

    For λ = 0 it is Toeplitz plus Hankel.  Each step up uses that multiplication commutes with conversion,
    M_{λ+1} S_λ = S_λ M_λ, which is solved for M_{λ+1} along each row by substitution: O(n m) a step, where
    the closed form (eq. 3.6) takes O(n m^2).
    """
    check_size(n)
    _check_lam(lam)
    a = np.asarray(a)
    if a.ndim != 1 or a.size == 0:
        raise ValueError(f"a must be a one-dimensional array of Chebyshev coefficients; got shape {a.shape}")
    band = _multiplication_band(a, n + 2 * lam)
    for step in range(lam):
        band = _step_up(band, step)
    m = a.size - 1
    row, offset = np.meshgrid(np.arange(n), np.arange(-m, m + 1), indexing="ij")
    column = row + offset
    inside = (column >= 0) & (column < n)
    return sp.csr_array((band[:n][inside], (row[inside], column[inside])), shape=(n, n))


def _check_lam(lam: int) -> None:
    if lam < 0 or lam != int(lam):
        raise ValueError(f"lam must be a whole number, at least 0; got {lam!r}")


def _multiplication_band(a: Array, rows: int) -> Array:
    """Multiplication in T; entry (i, m + o) is row i, column i + o."""
    m = a.size - 1
    padded = np.concatenate([a, np.zeros(2 * rows + 2 * m, a.dtype)]).astype(np.result_type(a, float))
    i, o = np.arange(rows)[:, None], np.arange(-m, m + 1)
    toeplitz = padded[np.abs(o)] * np.where(o == 0, 2.0, 1.0)
    hankel = np.where(i > 0, padded[np.clip(2 * i + o, 0, None)], 0.0)
    return np.where(i + o >= 0, 0.5 * (toeplitz + hankel), 0.0)


def _step_up(band: Array, lam: int) -> Array:
    """From λ to λ + 1; two rows shorter, as row i looks at row i + 2."""
    rows, width = band.shape[0] - 2, band.shape[1]
    m = (width - 1) // 2
    diagonal, above = conversion_diagonals(rows + m, lam)
    out = np.zeros((rows, width), band.dtype)
    i = np.arange(rows)
    for p in range(width):
        r = diagonal[:rows] * band[:rows, p]
        if p >= 2:
            r = r + above[:rows] * band[2:, p - 2]
            k = np.clip(i + p - m - 2, 0, None)
            r -= out[:, p - 2] * above[k]
        k = i + p - m
        out[:, p] = np.where(k >= 0, r / diagonal[np.clip(k, 0, None)], 0.0)
    return out
