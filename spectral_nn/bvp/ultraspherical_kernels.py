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
        v = unknown[s]
        k = derivative[s]
        n = order[e]
        a = flat[offset[s] : offset[s + 1]]
        deg = a.size - 1
        first = start - deg
        p = _derivative_rows(first, rows + 2 * deg, k, n)
        below, above = _multiplication_by_x(first - 1, rows + 2 * deg + 2, n)
        mid = deg + 1
        b1 = np.zeros(2 * deg + 3, dtype=band.dtype)
        b2 = np.zeros(2 * deg + 3, dtype=band.dtype)
        for i in range(rows):
            b1[:] = 0.0
            b2[:] = 0.0
            # Clenshaw's rule for row start + i of sum a_j T_j(X), X the multiplication by x in C^(n)
            for j in range(deg, -1, -1):
                half = deg - j
                twice = 2.0 if j > 0 else 1.0
                # entry q of the vectors is column start + i + q - mid
                lo = mid - half
                count = 2 * half + 1
                new = b2[lo : lo + count]
                right = b1[lo + 1 : lo + 1 + count]
                left = b1[lo - 1 : lo - 1 + count]
                dn = below[i + lo : i + lo + count]
                up = above[i + lo : i + lo + count]
                for q in range(count):
                    new[q] = twice * (right[q] * dn[q] + left[q] * up[q]) - new[q]
                new[half] += a[j]
                b1, b2 = b2, b1
            target = band[i * size + e]
            for q in range(2 * deg + 1):
                x = b1[q + 1]
                row = i + q
                if first + row < 0:
                    continue
                # column of p[row, t] is first + row + k + 2 t; relative to block row start + i it is
                base = (q - deg + k) * size + v - e + lower
                for t in range(n - k + 1):
                    target[base + 2 * t * size] += x * p[row, t]
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
def _derivative_rows(first, rows, k, n):  # type: ignore[no-untyped-def]
    """k-th derivative from T to C^(n): entry (q, t) is row first + q, column first + q + k + 2 t."""
    p = np.zeros((rows + 2 * (n - k), n - k + 1))
    lead = 1.0
    for i in range(1, k):
        lead *= 2.0 * i
    for q in range(p.shape[0]):
        r = first + q
        if r >= 0:
            p[q, 0] = lead * (r + k) if k > 0 else 1.0
    for lam in range(k, n):
        for q in range(rows + 2 * (n - 1 - lam)):
            r = first + q
            if r < 0:
                continue
            if lam == 0:
                diagonal = 1.0 if r == 0 else 0.5
                beyond = 0.5
            else:
                diagonal = lam / (lam + r)
                beyond = lam / (lam + r + 2.0)
            for t in range(n - k, 0, -1):
                p[q, t] = diagonal * p[q, t] - beyond * p[q + 2, t - 1]
            p[q, 0] *= diagonal
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
            beyond = c[i + 2] if i + 2 < n else 0.0 * c[i]
            if step == 0:
                c[i] = (c[i] if i == 0 else 0.5 * c[i]) - 0.5 * beyond
            else:
                c[i] = step / (step + i) * c[i] - step / (step + i + 2.0) * beyond


@njit(cache=True, error_model="numpy")
def add_derivatives(x, d, weight, out):  # type: ignore[no-untyped-def]
    """out[c] += weight times the d-th derivative of T_c at x in [-1, 1], d >= 1."""
    n = out.size
    if abs(x) == 1.0:
        for c in range(d, n):
            value = 1.0
            for i in range(d):
                value *= (float(c) * c - float(i) * i) / (2.0 * i + 1.0)
            if x < 0.0 and (c + d) % 2:
                value = -value
            out[c] += weight * value
        return
    lead = 1.0
    for i in range(1, d):
        lead *= 2.0 * i
    # T_c^(d) = lead c C^(d)_{c-d}, three-term recurrence of C^(d)
    before = 0.0
    value = 1.0
    for c in range(d, n):
        out[c] += weight * lead * c * value
        k = c - d + 1.0
        before, value = value, (2.0 * (k + d - 1.0) * x * value - (k + 2.0 * d - 2.0) * before) / k


@njit(cache=True, error_model="numpy")
def residual(band, lower, x, b, weight):  # type: ignore[no-untyped-def]
    """Sums of squares of ``A x - b`` and of its scale ``|A| |x| + |b|`` over the band, rows divided by
    weight.

    x is zero beyond its end; the first rows of b, which are not in the band, are passed over.
    """
    dense = b.size - band.shape[0]
    n = x.size
    total = 0.0
    scale = 0.0
    for i in range(band.shape[0]):
        first = i + dense - lower
        s = -b[i + dense]
        size = abs(b[i + dense])
        for t in range(max(0, -first), min(band.shape[1], n - first)):
            term = band[i, t] * x[first + t]
            s += term
            size += abs(term)
        total += (abs(s) / weight[i + dense]) ** 2
        scale += (size / weight[i + dense]) ** 2
    return total, scale
