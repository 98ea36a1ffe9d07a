"""The iteration of newton.py for one norm and no constraints, compiled whole, over a batch in parallel.

Small problems spend their time between kernels, not in them: here nothing is between. Each thread takes one problem.
"""

from __future__ import annotations

import math

import numpy as np

from .._numba import njit, prange
from .kernels import conjugate, line_search, linearize, norm, power

CONVERGED, MAX_ITER, STALLED, SINGULAR = 0, 1, 2, -1
COLD, WITH_X, WITH_BOTH = 0, 1, 2
POOR_START = 0.3  # as in newton.py


@njit(cache=True, error_model="numpy", parallel=True)
def solve_batch(A, b, p, warm, x, y, tol, max_iter, settings, gap, nit, status):
    """minimize ||A[k] x[k] - b[k]||_p for every k; A (B or 1, m, n). x, y, gap, nit and status are filled."""
    trace = np.empty((0, 3))
    for k in prange(b.shape[0]):
        j = min(np.int64(k), A.shape[0] - 1)
        gap[k], nit[k], status[k] = solve_one(A[j], b[k], p, warm, x[k], y[k], tol, max_iter, settings, trace)


@njit(cache=True, error_model="numpy")
def solve_one(A, b, p, warm, x, y, tol, max_iter, settings, trace):
    """One problem. `settings`: see quick.py. SINGULAR hands it over to the road with orthonormalization.

    `warm` is COLD, WITH_X or WITH_BOTH: what of x and y is a start. `trace` (any number of rows, 3) gets norm, gap and
    step of every iteration it has a row for.
    """
    m, n = A.shape
    weak, first, grow, slope_floor, smallest, accuracy, good_step = settings
    ptr = np.array([0, m], dtype=np.int64)
    one, zero, kind_norm = np.ones(1), np.zeros(1), np.zeros(1, dtype=np.int64)
    kind_power = np.ones(1, dtype=np.int64)
    pc_, c_dual, q_ = np.array([p]), np.zeros(1), np.zeros(1)
    unit_r, size_y, share, shift = np.ones(1), np.ones(1), np.zeros(1), np.zeros(1)
    empty = np.zeros(0)
    d, t, g_hat = np.ones(m), np.empty(m), np.empty(m)
    H, B = np.empty((n, n)), np.empty((m, n))
    q = conjugate(p)

    if _factor(A, d, B, H) < weak:
        return 0.0, 0, SINGULAR
    if warm == COLD:
        x[:] = _back_solve(H, np.dot(A.T, b))
    r = np.dot(A, x) - b
    if warm == COLD:
        y[:] = r
    elif warm == WITH_X:
        top = norm(r, 0, m, p)
        for i in range(m):
            a = power(abs(r[i]) / top, p - 1.0) if top > 0.0 else 0.0
            y[i] = a if r[i] > 0.0 else -a
    best, waited = np.inf, 0
    first = min(p, first) if p > 2.0 else max(p, first)
    pc = first if warm == COLD else p
    feasible = warm == COLD
    relative, step = 1.0, 1.0
    for it in range(max_iter + 1):
        rho = norm(r, 0, m, p)
        size = norm(y, 0, m, q)
        if rho <= 64 * 2.2e-16 * (norm(b, 0, m, p) + rho) or size == 0.0:
            y[:] = 0.0
            return (rho / max(norm(b, 0, m, p), 1e-300), it, CONVERGED)
        y /= size
        inner = 0.0
        for i in range(m):
            inner += r[i] * y[i]
        relative = abs(rho - inner) / rho
        if it < trace.shape[0]:
            trace[it, 0], trace[it, 1], trace[it, 2] = rho, relative, step
        if it == 1 and warm != COLD and relative > POOR_START:
            pc = first
        if relative <= tol and (feasible or warm == WITH_BOTH):
            r = np.dot(A, x) - b
            worst = _infeasibility(A, y)
            if worst > 1e-9 and feasible:
                dr = np.dot(A, _back_solve(H, np.dot(A.T, y)))
                for i in range(m):
                    y[i] -= d[i] * dr[i]
                worst = _infeasibility(A, y)
            if worst <= 1e-9:
                size = norm(y, 0, m, q)
                rho = norm(r, 0, m, p)
                inner = 0.0
                for i in range(m):
                    inner += r[i] * y[i]
                relative = abs(rho - inner / size) / rho
                if relative <= tol:
                    y /= size
                    return relative, it, CONVERGED
        if it == max_iter:
            break
        if relative < 0.5 * best or pc != p:
            best, waited = min(relative, best), 0
        else:
            waited += 1
            if waited > 6:
                return relative, it, STALLED
        qc = conjugate(pc)
        pc_[0], q_[0] = pc, qc
        unit_r[0] = norm(r, 0, m, pc)
        size_y[0] = norm(y, 0, m, qc)
        linearize(r, y, ptr, pc_, unit_r, one, size_y, one, slope_floor, smallest, d, t, g_hat, share, shift)
        if _factor(A, d, B, H) <= 1e-13:
            return relative, it, SINGULAR
        dx = _back_solve(H, np.dot(A.T, t))
        dr = np.dot(A, dx)
        for i in range(m):
            dr[i] = -dr[i]
        dy = np.empty(m)
        for i in range(m):
            y[i] /= size_y[0]
            dy[i] = t[i] + d[i] * dr[i] - y[i]
        step = line_search(
            r,
            dr,
            ptr,
            pc_,
            one,
            kind_norm,
            zero,
            0.0,
            0.0,
            empty,
            empty,
            0.0,
            np.inf,
            accuracy,
            2.2e-16 * unit_r[0],
        )
        slope = 0.0
        for i in range(m):
            slope += b[i] * dy[i]
        c_dual[0] = unit_r[0] / qc
        dual = line_search(
            y, dy, ptr, q_, c_dual, kind_power, zero, slope, 0.0, empty, empty, 0.0, np.inf, accuracy,
            2.2e-16 * unit_r[0],
        )  # fmt: skip
        if not feasible:
            dual, feasible = 1.0, True
        for i in range(m):
            r[i] += step * dr[i]
            y[i] += dual * dy[i]
        for j in range(n):
            x[j] -= step * dx[j]
        if max(step, dual) >= good_step and pc != p:
            if p > 2.0:
                pc = min(p, 1.0 + grow * (pc - 1.0))
            else:
                pc = max(p, 1.0 + (pc - 1.0) / grow)
        if not math.isfinite(step) or not math.isfinite(dual):
            return relative, it, STALLED
    return relative, max_iter, MAX_ITER


@njit(cache=True, error_model="numpy")
def _infeasibility(A, y):
    g = np.dot(A.T, y)
    size = 0.0
    worst = 0.0
    for j in range(A.shape[1]):
        column = 0.0
        for i in range(A.shape[0]):
            column += abs(A[i, j] * y[i])
        size = max(size, column)
        worst = max(worst, abs(g[j]))
    return worst / size if size > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def _factor(A, d, B, H):
    """A' diag(d) A = U'U, U into the upper triangle of H by rows; the smallest relative pivot.

    Row by row from the top, every inner loop along a row: the compiler makes vector instructions of it.
    """
    m, n = A.shape
    for i in range(m):
        w = math.sqrt(d[i])
        for j in range(n):
            B[i, j] = w * A[i, j]
    np.dot(B.T, B, H)
    diagonal = np.empty(n)
    for j in range(n):
        diagonal[j] = H[j, j]
    smallest = 1.0
    for k in range(n):
        pivot = H[k, k]
        if not pivot > 0.0:
            return 0.0
        smallest = min(smallest, pivot / diagonal[k])
        scale = 1.0 / math.sqrt(pivot)
        for j in range(k, n):
            H[k, j] *= scale
        for i in range(k + 1, n):
            v = H[k, i]
            for j in range(i, n):
                H[i, j] -= v * H[k, j]
    return smallest


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _back_solve(U, g):
    """g into (U'U)^-1 g."""
    n = len(g)
    for k in range(n):
        v = g[k] / U[k, k]
        g[k] = v
        for j in range(k + 1, n):
            g[j] -= v * U[k, j]
    for k in range(n - 1, -1, -1):
        total = g[k]
        for j in range(k + 1, n):
            total -= U[k, j] * g[j]
        g[k] = total / U[k, k]
    return g
