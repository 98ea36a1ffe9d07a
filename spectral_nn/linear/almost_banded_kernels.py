"""Numba kernels of the almost-banded QR: arrays in, arrays out, no validation.

Layout.  Row r of `work` holds columns r - l … r + l + u, column c in entry c - r + l.  After step j of the
elimination, row j holds row j of R from its diagonal on, and the entries below the diagonal of column j hold
the Householder vector of that step (its first entry is 1 and not stored).  Right of its window, row r
continues as ``sum_k fill[r, k] * top[k, c]``: every step mixes rows, and a mixture of banded and dense rows
stays a banded row plus a combination of the K dense ones.
"""

from __future__ import annotations

import numpy as np

from .._numba import njit


@njit(cache=True, error_model="numpy")
def load_rows(top, band, first, lower, work, fill, l, start, stop):  # type: ignore[no-untyped-def]
    """Copy rows start … stop - 1 of the matrix to the work array; band[0] is row `first`."""
    dense, n = top.shape
    width = band.shape[1]
    for r in range(start, min(stop, dense)):
        work[r] = 0.0
        fill[r] = 0.0
        fill[r, r] = 1.0
        # the window of step 0 ends at column l + u, whatever the row
        for c in range(min(work.shape[1] - l, n)):
            work[r, c - r + l] = top[r, c]
    for r in range(max(start, dense), stop):
        source = band[r - first]
        target = work[r]
        for t in range(l - lower):
            target[t] = 0.0
        for t in range(width):
            target[l - lower + t] = source[t]
        for t in range(l - lower + width, target.size):
            target[t] = 0.0
        for k in range(dense):
            fill[r, k] = 0.0


@njit(cache=True, error_model="numpy")
def eliminate(work, fill, top, tau, l, u, start, stop):  # type: ignore[no-untyped-def]
    """Householder steps start … stop - 1.  Rows up to stop - 1 + l must be loaded (rows past the end: zeros).

    Returns the first step whose column vanishes, or -1.
    """
    dense, n = top.shape
    m = l + u
    product = np.empty(m + dense, dtype=work.dtype)
    v = np.empty(l + 1, dtype=work.dtype)
    singular = -1
    for j in range(start, stop):
        rows = min(l, work.shape[0] - 1 - j)
        c = j + m
        if j > 0 and c < n:
            # the window moves one column to the right: write out what the rows in it continue as
            for i in range(l):
                s = work.dtype.type(0)
                for k in range(dense):
                    s += fill[j + i, k] * top[k, c]
                work[j + i, m - i + l] = s
        alpha = work[j, l]
        below = 0.0
        for i in range(1, rows + 1):
            x = work[j + i, l - i]
            below += (x * np.conj(x)).real
        size = abs(alpha)
        norm = np.sqrt(size * size + below)
        if norm == 0.0:
            if singular < 0:
                singular = j
            tau[j] = 0.0
            continue
        if below == 0.0:
            tau[j] = 0.0
            continue
        phase = alpha / size if size > 0.0 else 0.0 * alpha + 1.0
        first = phase * (size + norm)
        inverse = 1.0 / first
        t_j = 2.0 / (1.0 + below / (size + norm) ** 2)
        tau[j] = t_j
        work[j, l] = -phase * norm
        for i in range(1, rows + 1):
            x = work[j + i, l - i] * inverse
            v[i] = x
            work[j + i, l - i] = x
        # product = v^H [window, fill] over the rows of the window
        row = work[j, l + 1 : l + 1 + m]
        for t in range(m):
            product[t] = row[t]
        for k in range(dense):
            product[m + k] = fill[j, k]
        for i in range(1, rows + 1):
            x = np.conj(v[i])
            row = work[j + i, l + 1 - i : l + 1 - i + m]
            for t in range(m):
                product[t] += x * row[t]
            for k in range(dense):
                product[m + k] += x * fill[j + i, k]
        for t in range(m + dense):
            product[t] *= t_j
        row = work[j, l + 1 : l + 1 + m]
        for t in range(m):
            row[t] -= product[t]
        for k in range(dense):
            fill[j, k] -= product[m + k]
        for i in range(1, rows + 1):
            x = v[i]
            row = work[j + i, l + 1 - i : l + 1 - i + m]
            for t in range(m):
                row[t] -= x * product[t]
            for k in range(dense):
                fill[j + i, k] -= x * product[m + k]
    return singular


@njit(cache=True, error_model="numpy")
def rotate(work, tau, b, l, start, stop):  # type: ignore[no-untyped-def]
    """b := Q^H b for steps start … stop - 1, in place."""
    for j in range(start, stop):
        if tau[j] == 0.0:
            continue
        rows = min(l, b.size - 1 - j)
        s = b[j]
        for i in range(1, rows + 1):
            s += np.conj(work[j + i, l - i]) * b[j + i]
        s *= tau[j]
        b[j] -= s
        for i in range(1, rows + 1):
            b[j + i] -= s * work[j + i, l - i]


@njit(cache=True, error_model="numpy")
def rotate_until_small(work, tau, b, l, start, stop, level, size, order):  # type: ignore[no-untyped-def]
    """As `rotate`, up to the first step after which b[j + 1:] is small: norm times (j / size)^order up to
    `level`.

    b must vanish beyond the last entry that step `start` reaches.  Returns that step plus one, or -1.
    """
    for j in range(start, stop):
        rows = min(l, b.size - 1 - j)
        if tau[j] != 0.0:
            s = b[j]
            for i in range(1, rows + 1):
                s += np.conj(work[j + i, l - i]) * b[j + i]
            s *= tau[j]
            b[j] -= s
            for i in range(1, rows + 1):
                b[j + i] -= s * work[j + i, l - i]
        rest = 0.0
        for i in range(1, rows + 1):
            rest += (b[j + i] * np.conj(b[j + i])).real
        if rest <= level * level and np.sqrt(rest) * max((j + 1) / size, 1.0) ** order <= level:
            return j + 1
    return -1


@njit(cache=True, error_model="numpy")
def back_substitute(work, fill, top, b, l, u, n):  # type: ignore[no-untyped-def]
    """Solve R x = b for the leading n unknowns, in place."""
    dense = top.shape[0]
    m = l + u
    beyond = np.zeros(dense, dtype=b.dtype)  # sum of top[k, c] x[c] over the columns right of the window
    for j in range(n - 1, -1, -1):
        c = j + m + 1
        if c < n:
            for k in range(dense):
                beyond[k] += top[k, c] * b[c]
        s = b[j]
        count = min(m, n - 1 - j)
        row = work[j, l + 1 : l + 1 + count]
        x = b[j + 1 : j + 1 + count]
        for t in range(count):
            s -= row[t] * x[t]
        for k in range(dense):
            s -= fill[j, k] * beyond[k]
        b[j] = s / work[j, l]


@njit(cache=True, error_model="numpy")
def multiply(top, band, lower, x, out):  # type: ignore[no-untyped-def]
    """out = A x."""
    dense, n = top.shape
    width = band.shape[1]
    for k in range(dense):
        s = out.dtype.type(0)
        for c in range(n):
            s += top[k, c] * x[c]
        out[k] = s
    for i in range(n - dense):
        s = out.dtype.type(0)
        first = i + dense - lower
        lo = max(0, -first)
        hi = min(width, n - first)
        for t in range(lo, hi):
            s += band[i, t] * x[first + t]
        out[i + dense] = s


@njit(cache=True, error_model="numpy")
def row_sums(top, band, lower, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of |A[i, c]| over c."""
    dense, n = top.shape
    for k in range(dense):
        out[k] = np.abs(top[k]).sum()
    for i in range(n - dense):
        first = i + dense - lower
        s = 0.0
        for t in range(max(0, -first), min(band.shape[1], n - first)):
            s += abs(band[i, t])
        out[i + dense] = s
