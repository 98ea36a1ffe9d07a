"""O(m) passes over residuals and duals. Rows are grouped: rows ptr[g] .. ptr[g+1] share one norm or one power.

Terms are told apart by ``kind``: 0 is ``c * ||v||_p``, 1 is ``c * sum |v|^p``. All powers are taken of quotients with
the largest entry, so nothing over- or underflows that matters.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

MAX_TRIALS = 40  # bisection-safeguarded Newton steps of a line search; 4 to 6 is usual
PROX_STEPS = 60  # scalar Newton steps, monotone; 5 to 10 is usual


@njit(cache=True, inline="always")
def power(a, e):
    """a**e for a >= 0, with the exponents people use by multiplication."""
    if e == 1.0:
        return a
    if e == 2.0:
        return a * a
    if e == 0.5:
        return math.sqrt(a)
    if e == 3.0:
        return a * a * a
    if e == 0.0:
        return 1.0
    if e == 7.0:
        return a * a * a * (a * a) * (a * a)
    if e == 6.0:
        return (a * a * a) * (a * a * a)
    return math.pow(a, e)


@njit(cache=True)
def norm(v, lo, hi, p):
    """||v[lo:hi]||_p."""
    top = 0.0
    for i in range(lo, hi):
        a = abs(v[i])
        if a > top:
            top = a
    if top == 0.0:
        return 0.0
    total = 0.0
    for i in range(lo, hi):
        total += power(abs(v[i]) / top, p)
    return top * math.pow(total, 1.0 / p)


@njit(cache=True)
def largest(v, lo, hi):
    """max |v[lo:hi]|."""
    top = 0.0
    for i in range(lo, hi):
        a = abs(v[i])
        if a > top:
            top = a
    return top


@njit(cache=True)
def values(v, ptr, p, c, kind, out):
    """The value of each group at v into `out`."""
    for g in range(ptr.size - 1):
        size = norm(v, ptr[g], ptr[g + 1], p[g])
        out[g] = c[g] * size if kind[g] == 0 else c[g] * math.pow(size, p[g])


@njit(cache=True)
def conjugate_values(y, ptr, p, c, kind, out):
    """The value of each group's convex conjugate at y; for a norm, ||y||_q / c (its conjugate is 0 up to 1)."""
    for g in range(ptr.size - 1):
        q = p[g] / (p[g] - 1.0)
        size = norm(y, ptr[g], ptr[g + 1], q)
        if c[g] == 0.0:
            out[g] = 0.0
        elif kind[g] == 0:
            out[g] = size / c[g]
        else:
            out[g] = c[g] * (p[g] - 1.0) * math.pow(size / (c[g] * p[g]), q)


@njit(cache=True)
def units(r, y, ptr, pc, p, c, kind, floor, unit_r, unit_y):
    """Scales of r and y per group in which the group's curve is y = |r|^(pc - 1).

    `floor` (G,) keeps the scale of r away from 0: for a norm it is the smoothing eps of (||r||^p + eps^p)^(1/p).
    """
    for g in range(ptr.size - 1):
        lo, hi = ptr[g], ptr[g + 1]
        rho = norm(r, lo, hi, pc[g])
        q = pc[g] / (pc[g] - 1.0)
        if kind[g] == 0:
            unit_y[g] = c[g]
            if floor[g] > 0.0:
                kappa = norm(y, lo, hi, q) / c[g] if c[g] > 0.0 else 0.0
                rho = smoothed_scale(rho / floor[g], kappa, pc[g]) * floor[g]
            unit_r[g] = rho
        else:
            # Any scale is right for a power; the larger of what r and what y say keeps hats of order one.
            slope = c[g] * p[g]
            if slope > 0.0:
                other = math.pow(norm(y, lo, hi, p[g] / (p[g] - 1.0)) / slope, 1.0 / (p[g] - 1.0))
                rho = max(rho, min(other, 1e3 * rho))
            rho = max(rho, floor[g])
            unit_r[g] = rho
            unit_y[g] = slope * math.pow(rho, p[g] - 1.0)


@njit(cache=True)
def smoothed_scale(rho, kappa, p):
    """(rho^p + 1)^(1/p) at the point of the smoothed norm's curve near (rho, kappa).

    The curve is kappa = (rho / (rho^p + 1)^(1/p))^(p-1). Weight 100 lets kappa decide where rho is of order 1.
    """
    weight = 100.0
    target = rho + weight * min(kappa, 1.0)
    lo, hi = 0.0, target
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        n = max(mid, 1.0) * math.pow(
            math.pow(mid / max(mid, 1.0), p) + math.pow(1.0 / max(mid, 1.0), p), 1.0 / p
        )
        if mid + weight * math.pow(mid / n, p - 1.0) > target:
            hi = mid
        else:
            lo = mid
        if hi - lo <= 1e-3 * hi:
            break
    return max(hi, 1.0) * math.pow(
        math.pow(hi / max(hi, 1.0), p) + math.pow(1.0 / max(hi, 1.0), p), 1.0 / p
    )


@njit(cache=True)
def linearize(r, y, ptr, pc, unit_r, unit_y, slope_floor, smallest, d, t, g_hat):
    """Newton's linear model of every row: y_new = t + d * dr. Also the direction g_hat of the norm's gradient.

    In units, row i lies on the curve y = sign(r)|r|^(pc-1). For pc >= 2 the tangent is taken at r. For pc < 2 that
    point may lie far off; there it is taken at the point (r^, y^) of the curve with r^ + w y^ = r + w y (a proximal
    step from the pair), w the ratio of the largest entries, and the slope dr/dy is kept above `slope_floor` times the
    group's own duality gap, so that rows at the kink stay movable until the gap is small.
    """
    for g in range(ptr.size - 1):
        lo, hi = ptr[g], ptr[g + 1]
        ur, uy, p = unit_r[g], unit_y[g], pc[g]
        if uy == 0.0 or ur == 0.0:
            for i in range(lo, hi):
                d[i], t[i], g_hat[i] = 0.0, 0.0, 0.0
            continue
        scale = uy / ur
        if p == 2.0:
            for i in range(lo, hi):
                d[i] = scale
                t[i] = scale * r[i]
                g_hat[i] = r[i] / ur
        elif p > 2.0:
            top = largest(r, lo, hi) / ur
            least = smallest * power(top, p - 2.0)
            for i in range(lo, hi):
                a = abs(r[i]) / ur
                w = power(a, p - 2.0)
                y_hat = w * a if r[i] > 0 else -w * a
                g_hat[i] = y_hat
                t[i] = uy * y_hat
                d[i] = scale * (p - 1.0) * max(w, least)
        else:
            q = p / (p - 1.0)
            top_r, top_y = largest(r, lo, hi) / ur, largest(y, lo, hi) / uy
            w = top_r / top_y if top_y > 0.0 and top_r > 0.0 else 1.0
            gap = 0.0
            for i in range(lo, hi):
                rs, ys = r[i] / ur, y[i] / uy
                gap += power(abs(rs), p) / p + power(abs(ys), q) / q - rs * ys
            flat = slope_floor * w * min(max(gap, 1e-13), 1.0)
            for i in range(lo, hi):
                rs = r[i] / ur
                z = rs + w * y[i] / uy
                a = prox(abs(z), w, q)
                slope = power(a, q - 2.0)
                r_hat = slope * a
                y_hat = a
                if z < 0.0:
                    r_hat, y_hat = -r_hat, -y_hat
                di = 1.0 / max((q - 1.0) * slope, flat)
                d[i] = scale * di
                t[i] = uy * (y_hat + di * (rs - r_hat))
                g_hat[i] = y_hat


@njit(cache=True, inline="always")
def prox(z, w, q):
    """The a >= 0 with a^(q-1) + w a = z >= 0, q > 2: convex and increasing, so Newton from above is monotone."""
    if z == 0.0:
        return 0.0
    a = min(z / w, math.pow(z, 1.0 / (q - 1.0)))
    for _ in range(PROX_STEPS):
        s = power(a, q - 2.0)
        step = (s * a + w * a - z) / ((q - 1.0) * s + w)
        a -= step
        if abs(step) <= 1e-14 * a:
            break
    return max(a, 0.0)


@njit(cache=True)
def slopes(v, dv, at, ptr, p, c, kind):
    """First and second derivative of sum_g term_g(v + at dv) in `at`."""
    first, second = 0.0, 0.0
    for g in range(ptr.size - 1):
        lo, hi, e = ptr[g], ptr[g + 1], p[g]
        top = 0.0
        for i in range(lo, hi):
            a = abs(v[i] + at * dv[i])
            if a > top:
                top = a
        if top == 0.0 or c[g] == 0.0:
            continue
        s0, s1, s2 = 0.0, 0.0, 0.0
        for i in range(lo, hi):
            u = (v[i] + at * dv[i]) / top
            a = abs(u)
            if a == 0.0:
                continue
            w = power(a, e - 2.0)
            s0 += w * a * a
            s1 += w * u * dv[i]
            s2 += w * dv[i] * dv[i]
        if kind[g] == 0:
            # top N0 = norm, N0 = s0^(1/p); derivative c s1 / N0^(p-1), second c (p-1)/norm (s2/N0^(p-2) - (.)^2)
            n0 = math.pow(s0, 1.0 / e)
            slope = s1 * n0 / s0
            first += c[g] * slope
            second += c[g] * (e - 1.0) / (top * n0) * (s2 * n0 * n0 / s0 - slope * slope)
        else:
            unit = c[g] * e * math.pow(top, e - 1.0)
            first += unit * s1
            second += unit * (e - 1.0) * s2 / top
    return first, second


@njit(cache=True)
def line_search(v, dv, ptr, p, c, kind, linear, quadratic, s, ds, tau, longest, accuracy):
    """argmin over t in (0, longest] of sum_g term_g(v + t dv) + linear t + quadratic t^2/2 - tau sum log(s + t ds).

    Convex in t: a bracketed Newton iteration on the derivative, stopped where it has fallen to `accuracy` times its
    size at 0. Returns 0 where the derivative at 0 is not negative.
    """
    d0, h0 = _line_slopes(v, dv, 0.0, ptr, p, c, kind, linear, quadratic, s, ds, tau)
    if not d0 < 0.0:
        return 0.0
    lo, hi = 0.0, longest
    bracketed = False
    t = min(1.0, longest)
    for _ in range(MAX_TRIALS):
        d1, h1 = _line_slopes(v, dv, t, ptr, p, c, kind, linear, quadratic, s, ds, tau)
        if abs(d1) <= accuracy * abs(d0):
            return t
        if d1 < 0.0:
            lo = t
            if t >= longest:
                return t
        else:
            hi = t
            bracketed = True
        step = t - d1 / h1 if h1 > 0.0 else math.inf
        if not bracketed:
            # nothing above is known yet: Newton's step, at most fourfold
            t = min(step, 4.0 * t, longest)
        elif lo < step < hi:
            t = step
        else:
            t = 0.5 * (lo + hi)
        if hi - lo <= 1e-12 * hi:
            break
    return lo if lo > 0.0 else t


@njit(cache=True)
def _line_slopes(v, dv, t, ptr, p, c, kind, linear, quadratic, s, ds, tau):
    first, second = slopes(v, dv, t, ptr, p, c, kind)
    first += linear + quadratic * t
    second += quadratic
    for i in range(s.size):
        w = ds[i] / (s[i] + t * ds[i])
        first -= tau * w
        second += tau * w * w
    return first, second


@njit(cache=True)
def fenchel_gap(r, y, theta, ptr, p, c, kind):
    """sum_g term_g(r) + conjugate_g(theta y) - theta r'y: a sum of nonnegative numbers, 0 at the optimum.

    Norms count as feasible (theta ||y||_q <= c), so their conjugate is 0.
    """
    total = 0.0
    for g in range(ptr.size - 1):
        lo, hi, e = ptr[g], ptr[g + 1], p[g]
        if c[g] == 0.0:
            continue
        inner = 0.0
        for i in range(lo, hi):
            inner += r[i] * y[i]
        size = norm(r, lo, hi, e)
        if kind[g] == 0:
            total += c[g] * size - theta * inner
        else:
            q = e / (e - 1.0)
            dual = theta * norm(y, lo, hi, q)
            total += (
                c[g] * math.pow(size, e) + c[g] * (e - 1.0) * math.pow(dual / (c[g] * e), q) - theta * inner
            )
    return total


@njit(cache=True)
def scale_rows(A, w, lo, hi, out):
    """out[i - lo] = w[i] * A[i]."""
    for i in range(lo, hi):
        for j in range(A.shape[1]):
            out[i - lo, j] = w[i] * A[i, j]


@njit(cache=True)
def gram_pattern(indptr, indices, colptr, rows, n):
    """Column pointers and row indices of the lower triangle of A'A; A by rows (indptr, indices) and by columns."""
    mark = np.full(n, -1, np.int64)
    out_ptr = np.zeros(n + 1, np.int64)
    for j in range(n):
        count = 0
        for a in range(colptr[j], colptr[j + 1]):
            i = rows[a]
            for k in range(indptr[i], indptr[i + 1]):
                col = indices[k]
                if col >= j and mark[col] != j:
                    mark[col] = j
                    count += 1
        out_ptr[j + 1] = out_ptr[j] + count
    out = np.empty(out_ptr[n], np.int64)
    mark[:] = -1
    for j in range(n):
        at = out_ptr[j]
        for a in range(colptr[j], colptr[j + 1]):
            i = rows[a]
            for k in range(indptr[i], indptr[i + 1]):
                col = indices[k]
                if col >= j and mark[col] != j:
                    mark[col] = j
                    out[at] = col
                    at += 1
        out[out_ptr[j] : at] = np.sort(out[out_ptr[j] : at])
    return out_ptr, out


@njit(cache=True)
def gram_values(indptr, indices, data, colptr, rows, coldata, d, n, out_ptr, out_rows, out):
    """Numeric phase of A' diag(d) A on the pattern of :func:`gram_pattern` (Gustavson's row-merging product)."""
    work = np.zeros(n)
    for j in range(n):
        for a in range(colptr[j], colptr[j + 1]):
            i = rows[a]
            w = d[i] * coldata[a]
            for k in range(indptr[i], indptr[i + 1]):
                work[indices[k]] += w * data[k]
        for a in range(out_ptr[j], out_ptr[j + 1]):
            out[a] = work[out_rows[a]]
        for a in range(colptr[j], colptr[j + 1]):
            i = rows[a]
            for k in range(indptr[i], indptr[i + 1]):
                work[indices[k]] = 0.0


@njit(cache=True)
def group_sums(indptr, indices, data, w, ptr, out):
    """out[g] += sum over the group's rows of w_i * (row i of the CSR matrix)."""
    for g in range(ptr.size - 1):
        for i in range(ptr[g], ptr[g + 1]):
            for k in range(indptr[i], indptr[i + 1]):
                out[g, indices[k]] += w[i] * data[k]


@njit(cache=True)
def step_to_boundary(s, ds):
    """Largest t <= 1 with s + t ds >= 0, for s > 0."""
    t = 1.0
    for i in range(s.size):
        if ds[i] < 0.0:
            t = min(t, -s[i] / ds[i])
    return t


@njit(cache=True)
def barrier_rows(s, mu, primal, tau, correction, w, t):
    """Newton's linear model of the rows G x + s = h, s mu = tau: mu_new = t + w G dx; `primal` is G x + s - h."""
    for i in range(s.size):
        w[i] = mu[i] / s[i]
        t[i] = (tau - correction[i]) / s[i] + w[i] * primal[i]


EMPTY = np.zeros(0)
