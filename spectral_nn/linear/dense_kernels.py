"""Numba: LU of batches of small dense matrices, in parallel over the batch.

One matrix of n = 64 fits the first-level cache, and rows are contiguous, so the update loops below run at
vector speed without blocking; a call to LAPACK per matrix would spend a third of its time outside of
arithmetic.
"""

from __future__ import annotations

import numpy as np

from .._numba import njit, prange


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def lu_factor_batch(a):
    """Overwrite each a[k] (n, n) by L\\U of P a[k] (unit L below the diagonal).

    Returns pivots (B, n) and (B,) the smallest of |pivot| / largest entry of its column in a[k]: 0 or NaN
    says singular. (a holds transposes: a column of a[k] is a row of the system's matrix.)
    """
    batch, n, _ = a.shape
    pivots = np.empty((batch, n), np.int64)
    smallest = np.empty(batch)
    for k in prange(batch):
        m = a[k]
        size = np.zeros(n)
        for i in range(n):
            for j in range(n):
                size[j] = max(size[j], abs(m[i, j]))
        worst = np.inf
        for c in range(n):
            p = c
            best = abs(m[c, c])
            for i in range(c + 1, n):
                if abs(m[i, c]) > best:
                    best = abs(m[i, c])
                    p = i
            pivots[k, c] = p
            if p != c:
                for j in range(n):
                    t = m[c, j]
                    m[c, j] = m[p, j]
                    m[p, j] = t
            ratio = best / size[c] if size[c] > 0.0 else 0.0
            if not ratio >= worst:
                worst = ratio
            if best == 0.0:
                continue
            inverse = 1.0 / m[c, c]
            for i in range(c + 1, n):
                f = m[i, c] * inverse
                m[i, c] = f
                if f != 0.0:
                    for j in range(c + 1, n):
                        m[i, j] -= f * m[c, j]
        smallest[k] = worst
    return pivots, smallest


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def lu_solve_batch(lu, pivots, b):
    """Solve a[k]ᵀ x = b[k], b (B, n), with the factors of `lu_factor_batch`: Uᵀ Lᵀ P x = b."""
    batch, n, _ = lu.shape
    x = b.copy()
    for k in prange(batch):
        m = lu[k]
        y = x[k]
        for i in range(n):  # Uᵀ is lower triangular; the row of U is contiguous
            y[i] /= m[i, i]
            for j in range(i + 1, n):
                y[j] -= m[i, j] * y[i]
        for i in range(n - 1, 0, -1):  # Lᵀ is unit upper triangular
            for j in range(i):
                y[j] -= m[i, j] * y[i]
        for c in range(n - 1, -1, -1):
            p = pivots[k, c]
            if p != c:
                t = y[c]
                y[c] = y[p]
                y[p] = t
    return x
