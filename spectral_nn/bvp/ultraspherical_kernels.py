"""Numba kernels of the ultraspherical discretization: arrays in, arrays out, no validation.

A system of m equations in m unknowns is interleaved: row i m + e is the i-th ultraspherical coefficient of
equation e, column j m + v the j-th Chebyshev coefficient of unknown v.  Term s contributes the product of the
function with Chebyshev coefficients ``flat[offset[s]:offset[s + 1]]`` and the derivative of order
``derivative[s]`` of unknown ``unknown[s]`` to equation ``equation[s]``, whose rows are in C^(N),
N = ``order[equation]``.
"""

from __future__ import annotations

import math

import numpy as np

from .._numba import njit


@njit(cache=True, error_model="numpy")
def assemble(  # type: ignore[no-untyped-def]
    equation, unknown, derivative, offset, flat, order, lower, start, stop, band, scale
):
    """Rows start m … stop m - 1 into `band`, each divided by a power of two near its largest entry.

    Column c of row r goes to entry c - r + lower; `scale` gets the factors the rows were multiplied by.
    """
    size = order.size
    rows = stop - start
    band[:] = 0.0
    for s in range(equation.size):
        e = equation[s]
        k = derivative[s]
        n = order[e]
        a = flat[offset[s] : offset[s + 1]]
        deg = a.size - 1
        # rows are worked on side by side, as many as keep the vectors of Clenshaw's rule in cache
        block = max(8192 // (2 * deg + 3), 16)
        for lo in range(0, rows, block):
            count = min(block, rows - lo)
            first = start + lo - deg
            p = _derivative_rows(first, count + 2 * deg, k, n)
            product = _multiplication_rows(a, first, count, n)
            for q in range(2 * deg + 1):
                factor = product[q + 1]
                # p[t, row] is in column first + row + k + 2 t; relative to its block row, in the band
                base = (q - deg + k) * size + unknown[s] - e + lower
                for t in range(n - k + 1):
                    pt = p[t, q : q + count]
                    c = base + 2 * t * size
                    for i in range(count):
                        band[(lo + i) * size + e, c] += factor[i] * pt[i]
    for r in range(rows * size):
        largest = 0.0
        for t in range(band.shape[1]):
            largest = max(largest, abs(band[r, t]))
        factor = 1.0
        if largest > 0.0 and np.isfinite(largest):
            factor = math.ldexp(1.0, -math.frexp(largest)[1])
            for t in range(band.shape[1]):
                band[r, t] *= factor
        scale[r] = factor


@njit(cache=True, error_model="numpy")
def _multiplication_rows(a, first, count, lam):  # type: ignore[no-untyped-def]
    """Multiplication by sum a_j T_j in C^(lam): entry (deg + 1 + o, i) is row r = first + deg + i, column r +
    o.

    Clenshaw's rule with the operator X of multiplication by x, on a row of every matrix at a time.
    """
    deg = a.size - 1
    mid = deg + 1
    b1 = np.zeros((2 * deg + 3, count), dtype=a.dtype)
    if deg == 0:
        b1[1] = a[0]
        return b1
    below, above = _multiplication_by_x(first - 1, count + 2 * deg + 2, lam)
    b2 = np.zeros((2 * deg + 3, count), dtype=a.dtype)
    for j in range(deg, -1, -1):
        twice = 2.0 if j > 0 else 1.0
        for q in range(mid - (deg - j), mid + (deg - j) + 1):
            new = b2[q]
            right = b1[q + 1]
            left = b1[q - 1]
            dn = below[q : q + count]
            up = above[q : q + count]
            for i in range(count):
                new[i] = twice * (right[i] * dn[i] + left[i] * up[i]) - new[i]
        middle = b2[mid]
        for i in range(count):
            middle[i] += a[j]
        b1, b2 = b2, b1
    return b1


@njit(cache=True, error_model="numpy")
def _derivative_rows(first, rows, k, n):  # type: ignore[no-untyped-def]
    """k-th derivative from T to C^(n): entry (t, q) is row first + q, column first + q + k + 2 t."""
    count = rows + 2 * (n - k)
    p = np.zeros((n - k + 1, count))
    lead = 1.0
    for i in range(1, k):
        lead *= 2.0 * i
    begin = max(0, -first)
    for q in range(begin, count):
        p[0, q] = lead * (first + q + k) if k > 0 else 1.0
    diagonal = np.empty(count)
    beyond = np.empty(count)
    for lam in range(k, n):
        count -= 2
        for q in range(begin, count):
            r = first + q
            diagonal[q] = lam / (lam + r) if lam > 0 else (1.0 if r == 0 else 0.5)
            beyond[q] = lam / (lam + r + 2.0) if lam > 0 else 0.5
        for t in range(n - k, -1, -1):
            row = p[t]
            for q in range(begin, count):
                row[q] *= diagonal[q]
            if t > 0:
                other = p[t - 1]
                for q in range(begin, count):
                    row[q] -= beyond[q] * other[q + 2]
    return p


@njit(cache=True, error_model="numpy")
def _multiplication_by_x(first, count, lam):  # type: ignore[no-untyped-def]
    """x C_c = below[c] C_{c+1} + above[c] C_{c-1} in C^(lam), count columns from `first` on; 0 for c < 0."""
    below = np.zeros(count)
    above = np.zeros(count)
    for q in range(count):
        c = first + q
        if c < 0:
            continue
        if lam == 0:
            below[q] = 1.0 if c == 0 else 0.5
            above[q] = 0.0 if c == 0 else 0.5
        else:
            below[q] = (c + 1.0) / (2.0 * (c + lam))
            above[q] = (c + 2.0 * lam - 1.0) / (2.0 * (c + lam)) if c > 0 else 0.0
    return below, above


@njit(cache=True, error_model="numpy")
def convert(c, lam):  # type: ignore[no-untyped-def]
    """Chebyshev coefficients to coefficients in C^(lam), in place."""
    for step in range(lam):
        _convert_once(c, step)


@njit(cache=True, error_model="numpy")
def _convert_once(c, lam):  # type: ignore[no-untyped-def]
    """From C^(lam) to C^(lam + 1), in place."""
    n = c.size
    for i in range(n):
        beyond = c[i + 2] if i + 2 < n else c.dtype.type(0)
        if lam == 0:
            c[i] = (c[i] if i == 0 else 0.5 * c[i]) - 0.5 * beyond
        else:
            c[i] = lam / (lam + i) * c[i] - lam / (lam + i + 2.0) * beyond


@njit(cache=True, error_model="numpy")
def derivatives(x, d, start, stop, out):  # type: ignore[no-untyped-def]
    """out[c - start] = d-th derivative of T_c at x in [-1, 1], d >= 1, start <= c < stop."""
    if abs(x) == 1.0:
        for c in range(start, stop):
            value = 1.0
            for i in range(d):
                value *= (float(c) * c - float(i) * i) / (2.0 * i + 1.0)
            if x < 0.0 and (c + d) % 2:
                value = -value
            out[c - start] = value
        return
    out[:] = 0.0
    lead = 1.0
    for i in range(1, d):
        lead *= 2.0 * i
    # T_c^(d) = lead c C^(d)_{c-d}, three-term recurrence of C^(d)
    before = 0.0
    value = 1.0
    for c in range(d, stop):
        if c >= start:
            out[c - start] = lead * c * value
        k = c - d + 1.0
        before, value = value, (2.0 * (k + d - 1.0) * x * value - (k + 2.0 * d - 2.0) * before) / k


@njit(cache=True, error_model="numpy")
def apply(equation, unknown, derivative, offset, flat, order, x, out, size):  # type: ignore[no-untyped-def]
    """The operator on a function: C^(N) coefficients of every equation, interleaved, without forming a
    matrix.

    `size` gets the sums of the sizes of the terms.
    """
    m = order.size
    out[:] = 0.0
    size[:] = 0.0
    for s in range(equation.size):
        e = equation[s]
        k = derivative[s]
        n = order[e]
        a = flat[offset[s] : offset[s + 1]]
        deg = a.size - 1
        c = x[unknown[s] :: m]
        if c.size <= k:
            continue
        lead = 1.0
        for i in range(1, k):
            lead *= 2.0 * i
        y = np.zeros(c.size - k + deg, dtype=out.dtype)
        for i in range(c.size - k):
            y[i] = lead * (i + k) * c[i + k] if k > 0 else c[i]
        for lam in range(k, n):
            _convert_once(y, lam)
        z = _multiply(a, y, n)
        for i in range(min(z.size, (out.size - e + m - 1) // m)):
            out[i * m + e] += z[i]
            size[i * m + e] += abs(z[i])


@njit(cache=True, error_model="numpy")
def _multiply(a, y, lam):  # type: ignore[no-untyped-def]
    """C^(lam) coefficients of the product of sum a_j T_j with y, whose last deg entries are zero."""
    deg = a.size - 1
    if deg == 0:
        return a[0] * y
    count = y.size
    below, above = _multiplication_by_x(0, count + 1, lam)
    b1 = np.zeros(count, dtype=y.dtype)
    b2 = np.zeros(count, dtype=y.dtype)
    for j in range(deg, -1, -1):
        twice = 2.0 if j > 0 else 1.0
        c = a[j]
        b2[0] = c * y[0] + twice * above[1] * b1[1] - b2[0]
        for i in range(1, count - 1):
            b2[i] = c * y[i] + twice * (below[i - 1] * b1[i - 1] + above[i + 1] * b1[i + 1]) - b2[i]
        b2[count - 1] = c * y[count - 1] + twice * below[count - 2] * b1[count - 2] - b2[count - 1]
        b1, b2 = b2, b1
    return b1
