"""Numba: Gaussian elimination with partial pivoting along an almost block diagonal matrix."""

from __future__ import annotations

import numpy as np

from .._numba import njit


@njit(cache=True)
def eliminate(work, pivots, columns):
    """LU of the first ``columns`` columns of ``work`` (rows, cols) in place, with row interchanges.

    Returns the column of the first zero pivot, or -1. Row-major order keeps the innermost loop contiguous.
    """
    rows, cols = work.shape
    bad = -1
    for k in range(columns):
        best, at = 0.0, k
        for i in range(k, rows):
            size = abs(work[i, k])
            if size > best:
                best, at = size, i
        pivots[k] = at
        if not best > 0.0:  # also a NaN
            if bad < 0:
                bad = k
            continue
        if at != k:
            for j in range(cols):
                work[k, j], work[at, j] = work[at, j], work[k, j]
        inverse = 1.0 / work[k, k]
        for i in range(k + 1, rows):
            if work[i, k] != 0.0:
                factor = work[i, k] * inverse
                work[i, k] = factor
                for j in range(k + 1, cols):
                    work[i, j] -= factor * work[k, j]
    return bad


@njit(cache=True)
def factor(left, blocks, right, work, pivots, last, last_pivots):
    """Factor the whole matrix. ``work`` (E, q + R, C) gets every element's LU, ``last`` (S, S) the final one.

    The q rows left over by one element are the first rows of the next one. Returns the number of the first element
    with a zero pivot (E for the last system), or -1.
    """
    E, R, C = blocks.shape
    q, S = left.shape
    eliminated = C - S
    bad = -1
    for e in range(E):
        W = work[e]
        for i in range(q):
            for j in range(C):
                W[i, j] = 0.0
            for j in range(S):
                W[i, j] = left[i, j] if e == 0 else work[e - 1, eliminated + i, eliminated + j]
        W[q:] = blocks[e]
        if eliminate(W, pivots[e], eliminated) >= 0 and bad < 0:
            bad = e
    for i in range(q):
        for j in range(S):
            last[i, j] = work[E - 1, eliminated + i, eliminated + j]
    last[q:] = right
    if eliminate(last, last_pivots, S) >= 0 and bad < 0:
        bad = E
    return bad


@njit(cache=True)
def solve(work, pivots, last, last_pivots, q, b, x):
    """Solve with the factors for right-hand sides b (n, k) into x (n, k), both in the order of the matrix."""
    E, rows, C = work.shape
    S = last.shape[0]
    R = rows - q
    eliminated = C - S
    k = b.shape[1]
    y = np.empty((E, eliminated, k), dtype=x.dtype)
    carry = np.empty((rows, k), dtype=x.dtype)
    carry[:q] = b[:q]
    for e in range(E):
        carry[q:] = b[q + e * R : q + (e + 1) * R]
        _forward(work[e], pivots[e], carry, eliminated)
        y[e] = carry[:eliminated]
        for i in range(q):
            carry[i] = carry[eliminated + i]
    tail = np.empty((S, k), dtype=x.dtype)
    tail[:q] = carry[:q]
    tail[q:] = b[q + E * R :]
    _forward(last, last_pivots, tail, S)
    _backward(last, tail, S)
    n = E * eliminated
    x[n:] = tail
    for e in range(E - 1, -1, -1):
        part = y[e]
        W = work[e]
        for i in range(eliminated):
            for j in range(S):
                for c in range(k):
                    part[i, c] -= W[i, eliminated + j] * tail[j, c]
        _backward(W, part, eliminated)
        x[e * eliminated : (e + 1) * eliminated] = part
        tail[:] = part[:S]


@njit(cache=True)
def matvec(left, blocks, right, x, y):
    """y = A x for x, y (n, k)."""
    E, R, C = blocks.shape
    q, S = left.shape
    step = C - S
    y[:q] = 0.0
    _add_product(left, x[:S], y[:q])
    for e in range(E):
        part = y[q + e * R : q + (e + 1) * R]
        part[:] = 0.0
        _add_product(blocks[e], x[e * step : e * step + C], part)
    y[q + E * R :] = 0.0
    _add_product(right, x[E * step :], y[q + E * R :])


@njit(cache=True)
def _add_product(A, x, y):
    for i in range(A.shape[0]):
        for c in range(x.shape[1]):
            s = y[i, c]
            for j in range(A.shape[1]):
                s += A[i, j] * x[j, c]
            y[i, c] = s


@njit(cache=True)
def _forward(W, pivots, b, columns):
    for k in range(columns):  # all interchanges first: the rows of L were interchanged too, as in LAPACK
        at = pivots[k]
        if at != k:
            for c in range(b.shape[1]):
                b[k, c], b[at, c] = b[at, c], b[k, c]
    for k in range(columns):
        for i in range(k + 1, W.shape[0]):
            factor = W[i, k]
            if factor != 0.0:
                for c in range(b.shape[1]):
                    b[i, c] -= factor * b[k, c]


@njit(cache=True)
def _backward(W, b, columns):
    for i in range(columns - 1, -1, -1):
        for c in range(b.shape[1]):
            s = b[i, c]
            for j in range(i + 1, columns):
                s -= W[i, j] * b[j, c]
            b[i, c] = s / W[i, i]
