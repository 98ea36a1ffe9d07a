"""L-BFGS with exact line search on one norm, compiled whole: products with A and A' and nothing else.

Nocedal, Math. Comp. 35 (1980). The pairs of the limited memory are kept in a ring.
"""

from __future__ import annotations

import math

import numpy as np

from .._numba import njit
from .kernels import line_search, norm, power

WINDOW = 4


@njit(cache=True, error_model="numpy")
def descend(A, b, p, x, y, g, goal, budget, accuracy, trace):
    """From x = 0 towards min ||A x - b||_p; y (m,) gets the gradient of the norm at the residual, g = A'y.

    Ends where max |g| <= goal * max(|A|'|y|), or as soon as the rate of the last `WINDOW` steps predicts more than
    `budget` steps in all. `trace` (budget + 1, 3) gets norm, max |g| relative and step. Returns the steps taken, and
    the last max |g| relative, above `goal` where it was not reached.
    """
    m, n, memory = b.size, x.size, 12
    S, Y, rho = np.zeros((memory, n)), np.zeros((memory, n)), np.zeros(memory)
    ptr = np.array([0, m], dtype=np.int64)
    p_, one, zero = np.array([p]), np.ones(1), np.zeros(1)
    kind, empty = np.ones(1, dtype=np.int64), np.zeros(0)
    r, dr = -b, np.empty(m)
    d, g_old, alpha = np.empty(n), np.empty(n), np.empty(memory)
    unit = norm(
        r, 0, m, p
    )  # residuals are divided by the first norm, so f = sum |r / unit|^p is of order one
    if unit == 0.0:
        return 0, 0.0
    for i in range(m):
        r[i] /= unit
    _gradient(A, r, p, y, g)
    size = _absolute(A, y, n)
    relative, scale = _largest(g) / size, 1.0
    kept, t = 0, 1.0
    for it in range(budget + 1):
        trace[it, 0], trace[it, 1], trace[it, 2] = unit * scale, relative, t
        slow = False
        if it >= 2 * WINDOW:
            gained = math.log(trace[it - WINDOW, 1] / relative) / WINDOW
            slow = gained <= 0.0 or it + math.log(relative / goal) / gained > budget
        if relative <= goal or slow or it == budget:
            # y and g belong to f; the norm's gradient is that over the norm to the p-1
            for i in range(m):
                y[i] /= math.pow(scale, p - 1.0)
            for j in range(n):
                g[j] /= math.pow(scale, p - 1.0)
                x[j] *= unit
            return it, relative
        # two-loop recursion
        for j in range(n):
            d[j] = -g[j]
        count = min(kept, memory)
        for back in range(count):
            k = (kept - 1 - back) % memory
            alpha[k] = rho[k] * np.dot(S[k], d)
            for j in range(n):
                d[j] -= alpha[k] * Y[k, j]
        if count > 0:
            k = (kept - 1) % memory
            gamma = 1.0 / (rho[k] * np.dot(Y[k], Y[k]))
            for j in range(n):
                d[j] *= gamma
        for back in range(count - 1, -1, -1):
            k = (kept - 1 - back) % memory
            beta = rho[k] * np.dot(Y[k], d)
            for j in range(n):
                d[j] += (alpha[k] - beta) * S[k, j]
        np.dot(A, d, dr)
        t = line_search(r, dr, ptr, p_, one, kind, zero, 0.0, 0.0, empty, empty, 0.0, np.inf, accuracy, 0.0)
        if not (t > 0.0 and math.isfinite(t)):
            break
        for i in range(m):
            r[i] += t * dr[i]
        for j in range(n):
            x[j] += t * d[j]
            g_old[j] = g[j]
        _gradient(A, r, p, y, g)
        k = kept % memory
        for j in range(n):
            S[k, j] = t * d[j]
            Y[k, j] = g[j] - g_old[j]
        curvature = np.dot(S[k], Y[k])
        if curvature > 0.0:
            rho[k] = 1.0 / curvature
            kept += 1
        # the norm's gradient is A'y / scale^(p-1); its size relative to |A|'|y| with y as it is
        scale = norm(r, 0, m, p)
        relative = _largest(g) / (size * math.pow(scale, p - 1.0))
    for j in range(n):
        x[j] *= unit
    return budget, max(relative, 2.0 * goal)


@njit(cache=True, error_model="numpy")
def _gradient(A, r, p, y, g):
    """y = |r|^(p-1) sign(r) and g = A'y, for f = sum |r|^p / p."""
    for i in range(r.size):
        w = power(abs(r[i]), p - 1.0)
        y[i] = w if r[i] > 0.0 else -w
    np.dot(A.T, y, g)


@njit(cache=True, error_model="numpy")
def _absolute(A, y, n):
    """max of |A|'|y|, from some of the rows: it is a unit, two digits of it are enough."""
    out = np.zeros(n)
    stride = max(1, y.size // 2000)
    for i in range(0, y.size, stride):
        w = abs(y[i])
        for j in range(n):
            out[j] += w * abs(A[i, j])
    return stride * out.max() if n else 0.0


@njit(cache=True, error_model="numpy")
def _largest(g):
    top = 0.0
    for j in range(g.size):
        top = max(top, abs(g[j]))
    return top
