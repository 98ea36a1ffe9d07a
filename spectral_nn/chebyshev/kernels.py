"""Numba kernels of the Chebyshev layer: arrays in, arrays out, no validation.

A piecewise series of E pieces is stored flat: piece e on [breaks[e], breaks[e + 1]] has the coefficients
``flat[offsets[e]:offsets[e + 1]]``.
"""

from __future__ import annotations

import numpy as np

from .._numba import njit

# Points that go through Clenshaw's recurrence together, and how many of what is left over.
LANES = 64
FEW = 8


@njit(cache=True)
def clenshaw(breaks, flat, offsets, x, out):  # type: ignore[no-untyped-def]
    """out[i] = value at x[i]; at an inner break point the piece to its right; nan where x is nan.

    Points outside the domain use the first or last piece.
    """
    pieces = breaks.size - 1
    e = 0
    # the recurrence waits for itself at every step: LANES points of one piece go through it together
    s = np.zeros(LANES)
    b1 = np.zeros(LANES, dtype=out.dtype)
    b2 = np.zeros(LANES, dtype=out.dtype)
    few_s = np.zeros(FEW)
    few1 = np.zeros(FEW, dtype=out.dtype)
    few2 = np.zeros(FEW, dtype=out.dtype)
    i = 0
    while i < x.size:
        t = x[i]
        if np.isnan(t):
            out[i] = np.nan
            i += 1
            continue
        # most callers come sorted: look at the last piece and the one after it before searching
        if not (breaks[e] <= t < breaks[e + 1]):
            if e + 1 < pieces and breaks[e + 1] <= t < breaks[e + 2]:
                e += 1
            else:
                e = min(max(np.searchsorted(breaks, t, side="right") - 1, 0), pieces - 1)
        a = breaks[e]
        b = breaks[e + 1]
        lo = a if e > 0 else -np.inf
        hi = b if e < pieces - 1 else np.inf
        lanes = 0
        while lanes < LANES and i + lanes < x.size and lo <= x[i + lanes] < hi:
            # from the nearer end, where the difference is exact and the series at its steepest
            from_a = x[i + lanes] - a
            to_b = b - x[i + lanes]
            s[lanes] = 2.0 * from_a / (b - a) - 1.0 if from_a < to_b else 1.0 - 2.0 * to_b / (b - a)
            lanes += 1
        if lanes == 0:  # t is +inf
            out[i] = np.nan
            i += 1
            continue
        first = offsets[e]
        last = offsets[e + 1] - 1
        # the counts are constants, for vector instructions; what is left over goes in smaller groups
        if lanes == LANES:
            for p in range(LANES):
                b1[p] = 0.0
                b2[p] = 0.0
            for k in range(last, first, -1):
                c = flat[k]
                for p in range(LANES):
                    new = c + 2.0 * s[p] * b1[p] - b2[p]
                    b2[p] = b1[p]
                    b1[p] = new
        else:
            for q in range(0, lanes, FEW):
                for p in range(FEW):
                    few_s[p] = s[q + p]
                    few1[p] = 0.0
                    few2[p] = 0.0
                for k in range(last, first, -1):
                    c = flat[k]
                    for p in range(FEW):
                        new = c + 2.0 * few_s[p] * few1[p] - few2[p]
                        few2[p] = few1[p]
                        few1[p] = new
                for p in range(FEW):
                    b1[q + p] = few1[p]
                    b2[q + p] = few2[p]
        for p in range(lanes):
            out[i + p] = flat[first] + s[p] * b1[p] - b2[p]
        i += lanes


@njit(cache=True)
def differentiate(breaks, flat, offsets, new_flat, new_offsets):  # type: ignore[no-untyped-def]
    """Coefficients of the derivative, piece by piece; each piece one shorter, constants stay one long."""
    for e in range(breaks.size - 1):
        scale = 2.0 / (breaks[e + 1] - breaks[e])
        lo = offsets[e]
        n = offsets[e + 1] - lo
        to = new_offsets[e]
        if n == 1:
            new_flat[to] = 0.0
            continue
        for k in range(n - 2, -1, -1):
            later = new_flat[to + k + 2] if k + 2 < n - 1 else flat.dtype.type(0)
            new_flat[to + k] = later + 2.0 * (k + 1) * scale * flat[lo + k + 1]
        new_flat[to] *= 0.5


@njit(cache=True)
def antiderivative(breaks, flat, offsets, new_flat, new_offsets):  # type: ignore[no-untyped-def]
    """Coefficients of the continuous antiderivative that vanishes at the left end; each piece one longer."""
    left = flat.dtype.type(0)
    for e in range(breaks.size - 1):
        half = 0.5 * (breaks[e + 1] - breaks[e])
        lo = offsets[e]
        n = offsets[e + 1] - lo
        to = new_offsets[e]
        at_left = left
        at_right = flat.dtype.type(0)
        for k in range(1, n + 1):
            before = 2.0 * flat[lo] if k == 1 else flat[lo + k - 1]
            after = flat[lo + k + 1] if k + 1 < n else flat.dtype.type(0)
            c = half * (before - after) / (2.0 * k)
            new_flat[to + k] = c
            at_left += c if k % 2 else -c
            at_right += c
        new_flat[to] = at_left
        left = at_left + at_right
