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
    n = c.size
    for step in range(lam):
        for i in range(n):
            beyond = c[i + 2] if i + 2 < n else c.dtype.type(0)
            if step == 0:
                c[i] = (c[i] if i == 0 else 0.5 * c[i]) - 0.5 * beyond
            else:
                c[i] = step / (step + i) * c[i] - step / (step + i + 2.0) * beyond


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
def residual(band, row, lower, x, b, weight):  # type: ignore[no-untyped-def]
    """Sums of squares of ``A x - b`` and of its scale ``|A| |x| + |b|`` over some rows divided by weight.

    The first of the band, of b and of weight is row `row` of the matrix; x is zero beyond its end.
    """
    n = x.size
    total = 0.0
    scale = 0.0
    for i in range(band.shape[0]):
        first = row + i - lower
        s = -b[i]
        size = abs(b[i])
        for t in range(max(0, -first), min(band.shape[1], n - first)):
            term = band[i, t] * x[first + t]
            s += term
            size += abs(term)
        total += (abs(s) / weight[i]) ** 2
        scale += (size / weight[i]) ** 2
    return total, scale
