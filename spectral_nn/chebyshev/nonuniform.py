"""Long Chebyshev series at many points by a nonuniform cosine transform: O(n log n + m) instead of O(n m).

In θ = arccos x the series is a sum of cosines.  It is taken on a grid twice as fine as it needs by one FFT,
with coefficients divided by the transform of a Kaiser-Bessel bump; the value at any θ is then a sum over the
16 nearest grid points, weighted by that bump.  Source: Dutt & Rokhlin, SIAM J. Sci. Comput. 14 (1993); bump
and width as in Barnett, Magland & af Klinteberg, SIAM J. Sci. Comput. 41 (2019).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from scipy.special import i0e

from .grid import Array

# Grid points that share in a value, and the shape of the bump for a grid twice as fine: errors of about
# 1e-15.
WIDTH = 16
SHAPE = np.pi * np.sqrt((WIDTH * 0.75) ** 2 - 0.8)
# Points worked on at a time: their neighbours stay in cache.
CHUNK = 8192
# Nanoseconds, roughly: Clenshaw's rule per term and point; here per term (FFT) and per point (the bump).
PER_STEP, PER_TERM, PER_POINT = 0.1, 120.0, 1300.0


def is_faster(n: int, m: int) -> bool:
    """Whether `evaluate` beats Clenshaw's rule for n coefficients at m points."""
    return PER_STEP * n * m > PER_TERM * n + PER_POINT * m


def evaluate(c: Array, t: Array) -> Array:
    """``sum c_k T_k(t)`` for t in [-1, 1], shape of t; nan gives nan.

    The error is about 1e-15 times the sum of the sizes of c, and what rounding of t makes of the highest
    terms.
    """
    half = scipy.fft.next_fast_len(2 * c.size, real=True)
    step = np.pi / half
    k = np.arange(c.size)
    q = np.sqrt(SHAPE**2 - (0.5 * WIDTH * step * k) ** 2)
    bump = 0.5 * WIDTH * (np.exp(q - SHAPE) - np.exp(-q - SHAPE)) / q
    padded = np.zeros(half + 1, c.dtype)
    padded[: c.size] = 0.5 * c / bump
    padded[0] *= 2.0
    grid = scipy.fft.dct(padded, type=1)
    # even about both ends: a margin saves looking after them
    margin = WIDTH
    grid = np.concatenate([grid[margin:0:-1], grid, grid[-2 : -margin - 2 : -1]])
    out = np.empty(t.shape, c.dtype)
    near = np.arange(WIDTH)
    for lo in range(0, t.size, CHUNK):
        place = np.arccos(np.clip(t[lo : lo + CHUNK], -1.0, 1.0)) / step
        first = np.ceil(np.nan_to_num(place) - 0.5 * WIDTH).astype(np.int64)
        s = np.sqrt(np.maximum(1.0 - ((place - first)[:, None] - near) ** 2 * (2.0 / WIDTH) ** 2, 0.0))
        weights = i0e(SHAPE * s) * np.exp(SHAPE * (s - 1.0))
        out[lo : lo + CHUNK] = (weights * grid[(first + margin)[:, None] + near]).sum(axis=1)
    return out
