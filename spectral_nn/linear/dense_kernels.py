"""Numba: LU of batches of small dense matrices, in parallel over the batch or not.

Columns are interchanged, not rows: the search for a pivot and the updates then run along contiguous rows, and
the elimination does not depend on how rows are scaled (see `direct`). One matrix of n = 64 fits the
first-level cache; a call to LAPACK per matrix would spend a third of its time outside of arithmetic.
"""

from __future__ import annotations

import numpy as np

from .._numba import njit, prange


@njit(cache=True, parallel=True)
def lu_factor_batch(a):
    """Overwrite each a[k] (n, n) by L\\U of a[k] Q, unit L below the diagonal, Q a product of interchanges.

    Returns pivots (B, n) and (B,) the smallest of |pivot| / largest entry of its row in a[k]: 0 or NaN says
    singular.
    """
    pivots = np.empty(a.shape[:2], np.int64)
    smallest = np.empty(len(a))
    for k in prange(len(a)):
        smallest[k] = lu_factor(a[k], pivots[k])
    return pivots, smallest


@njit(cache=True)
def lu_factor_batch_serial(a):
    """`lu_factor_batch` on one thread."""
    pivots = np.empty(a.shape[:2], np.int64)
    smallest = np.empty(len(a))
    for k in range(len(a)):
        smallest[k] = lu_factor(a[k], pivots[k])
    return pivots, smallest


@njit(cache=True, parallel=True)
def lu_solve_batch(lu, pivots, b):
    """Solve a[k] x = b[k], b (B, n), with the factors of `lu_factor_batch`."""
    x = b.copy()
    for k in prange(len(lu)):
        lu_solve(lu[k], pivots[k], x[k])
    return x


@njit(cache=True)
def lu_solve_batch_serial(lu, pivots, b):
    """`lu_solve_batch` on one thread."""
    x = b.copy()
    for k in range(len(lu)):
        lu_solve(lu[k], pivots[k], x[k])
    return x


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def lu_factor(m, pivots):
    """Factor one matrix in place, four pivots at a time; returns the smallest relative pivot."""
    n = len(m)
    size = np.zeros(n)
    for i in range(n):
        for j in range(n):
            size[i] = max(size[i], abs(m[i, j]))
    worst = np.inf
    start = 0
    while start < n:
        stop = min(start + 4, n)
        for c in range(start, stop):
            for r in range(start, c):  # rows of the panel act on each other first
                f = m[c, r] / m[r, r] if m[r, r] != 0.0 else m[c, r] * 0.0
                m[c, r] = f
                for j in range(r + 1, n):
                    m[c, j] -= f * m[r, j]
            p = c
            best = abs(m[c, c])
            for j in range(c + 1, n):
                if abs(m[c, j]) > best:
                    best = abs(m[c, j])
                    p = j
            pivots[c] = p
            if p != c:
                for i in range(n):
                    t = m[i, c]
                    m[i, c] = m[i, p]
                    m[i, p] = t
            ratio = best / size[c] if size[c] > 0.0 else 0.0
            if not ratio >= worst:
                worst = ratio
        if stop - start < 4 or worst == 0.0:
            start = stop
            continue
        a0, a1, a2, a3 = m[start], m[start + 1], m[start + 2], m[start + 3]
        s = start
        i0, i1, i2, i3 = 1.0 / a0[s], 1.0 / a1[s + 1], 1.0 / a2[s + 2], 1.0 / a3[s + 3]
        for i in range(stop, n):  # then all four on every row below, in one pass
            row = m[i]
            f0 = row[s] * i0
            f1 = (row[s + 1] - f0 * a0[s + 1]) * i1
            f2 = (row[s + 2] - f0 * a0[s + 2] - f1 * a1[s + 2]) * i2
            f3 = (row[s + 3] - f0 * a0[s + 3] - f1 * a1[s + 3] - f2 * a2[s + 3]) * i3
            row[s], row[s + 1], row[s + 2], row[s + 3] = f0, f1, f2, f3
            for j in range(stop, n):
                row[j] -= f0 * a0[j] + f1 * a1[j] + f2 * a2[j] + f3 * a3[j]
        start = stop
    return worst


@njit(cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def lu_solve(m, pivots, y):
    """Overwrite y (n,) by the solution."""
    n = len(y)
    for i in range(1, n):
        s = y[i]
        for j in range(i):
            s -= m[i, j] * y[j]
        y[i] = s
    for i in range(n - 1, -1, -1):
        s = y[i]
        for j in range(i + 1, n):
            s -= m[i, j] * y[j]
        y[i] = s / m[i, i]
    for c in range(n - 1, -1, -1):
        p = pivots[c]
        if p != c:
            t = y[c]
            y[c] = y[p]
            y[p] = t
