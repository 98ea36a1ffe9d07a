"""O(m) passes over residuals and duals. Rows are grouped: rows ptr[g] .. ptr[g+1] share one norm or one power.

Terms are told apart by ``kind``: 0 is ``c * ||v||_p``, 1 is ``c * sum |v|^p``. All powers are taken of quotients with
the largest entry, so nothing over- or underflows that matters.
"""

from __future__ import annotations

import math

import numpy as np

from .._numba import njit

MAX_TRIALS = 40  # bisection-safeguarded Newton steps of a line search; 4 to 6 is usual
PROX_STEPS, PROX_ACCURACY = 60, 1e-6  # of the last scalar Newton step: quadratic, so 1e-12 of the point


@njit(cache=True, error_model="numpy")
def power(a, e):
    """a**e for a >= 0; whole and half exponents, the usual ones, by multiplication and a square root."""
    whole = int(e)
    rest = e - whole
    if e < 0.0 or whole > 64 or (rest != 0.0 and rest != 0.5):
        return math.pow(a, e)
    result = math.sqrt(a) if rest == 0.5 else 1.0
    while whole > 0:
        if whole & 1:
            result *= a
        a *= a
        whole >>= 1
    return result


@njit(cache=True, error_model="numpy")
def conjugate(p):
    """q = p/(p-1), brought to the whole or half number it is meant to be."""
    q = p / (p - 1.0)
    near = 0.5 * round(2.0 * q)
    return near if abs(q - near) <= 1e-12 * q else q


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def largest(v, lo, hi):
    """max |v[lo:hi]|."""
    top = 0.0
    for i in range(lo, hi):
        a = abs(v[i])
        if a > top:
            top = a
    return top


@njit(cache=True, error_model="numpy")
def values(v, ptr, p, c, kind, out):
    """The value of each group at v into `out`."""
    for g in range(ptr.size - 1):
        size = norm(v, ptr[g], ptr[g + 1], p[g])
        out[g] = c[g] * size if kind[g] == 0 else c[g] * math.pow(size, p[g])


@njit(cache=True, error_model="numpy")
def conjugate_values(y, ptr, p, c, kind, out):
    """The value of each group's convex conjugate at y; for a norm, ||y||_q / c (its conjugate is 0 up to 1)."""
    for g in range(ptr.size - 1):
        q = conjugate(p[g])
        size = norm(y, ptr[g], ptr[g + 1], q)
        if c[g] == 0.0:
            out[g] = 0.0
        elif kind[g] == 0:
            out[g] = size / c[g]
        else:
            out[g] = c[g] * (p[g] - 1.0) * math.pow(size / (c[g] * p[g]), q)


@njit(cache=True, error_model="numpy")
def units(r, y, ptr, pc, p, c, kind, floor, unit_r, unit_y, size_y, lead):
    """Scales of r and y per group in which the group's curve is y = |r|^(pc - 1), and which of the two leads.

    `floor` (G,) keeps the scale of r away from 0: for a norm it is the smoothing eps of (||r||^p + eps^p)^(1/p).
    `lead` (G,) gets f > 0 where the tangent point is r^ = f r, and f < 0 where it is y^ = -f y. `size_y` (G,) is the
    unit of the y that comes in: a norm that does not vanish has ||y||_q = c, so its y is brought to that size first.
    """
    for g in range(ptr.size - 1):
        lo, hi = ptr[g], ptr[g + 1]
        rho = norm(r, lo, hi, pc[g])
        q = conjugate(pc[g])
        lead[g] = 1.0
        if kind[g] == 0:
            unit_y[g] = c[g]
            size_y[g] = norm(y, lo, hi, q)
            if size_y[g] == 0.0:
                size_y[g] = 1.0
            if floor[g] > 0.0 and c[g] > 0.0:
                kappa = norm(y, lo, hi, q) / c[g]
                size = rho / floor[g]
                size_hat = smoothed_point(size, kappa, pc[g])
                scale = smoothed(size_hat, pc[g])
                rho = scale * floor[g]
                if 0.5 * size <= size_hat <= 2.0 * size or kappa == 0.0:
                    lead[g] = size_hat / size if size > 0.0 else 1.0
                else:
                    size_y[g] = c[g]
                    lead[g] = -math.pow(size_hat / scale, pc[g] - 1.0) / kappa
            unit_r[g] = rho
        else:
            # Any scale is right for a power; the larger of what r and what y say keeps hats of order one.
            slope = c[g] * p[g]
            if slope > 0.0:
                other = math.pow(norm(y, lo, hi, conjugate(p[g])) / slope, 1.0 / (p[g] - 1.0))
                rho = max(rho, min(other, 1e3 * rho))
            rho = max(rho, floor[g])
            unit_r[g] = rho
            unit_y[g] = slope * math.pow(rho, p[g] - 1.0)
            size_y[g] = unit_y[g] if unit_y[g] > 0.0 else 1.0


@njit(cache=True, error_model="numpy")
def smoothed_point(rho, kappa, p):
    """The rho^ of the point (rho^, kappa^) near (rho, kappa) on the curve of a smoothed norm, eps = 1.

    The curve is kappa = (rho / (rho^p + 1)^(1/p))^(p-1), and rho^ + w kappa^ = rho + w kappa with
    w = 100 max(1, rho), which lets kappa decide unless it is within a percent of 1: a norm on its way to 0 is led by its dual.
    """
    weight = 100.0 * max(1.0, rho)
    target = rho + weight * min(kappa, 1.0)
    lo, hi = 0.0, target
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        if mid + weight * math.pow(mid / smoothed(mid, p), p - 1.0) > target:
            hi = mid
        else:
            lo = mid
        if hi - lo <= 1e-3 * hi:
            break
    return hi


@njit(cache=True, error_model="numpy")
def smoothed(rho, p):
    """(rho^p + 1)^(1/p)."""
    top = max(rho, 1.0)
    return top * math.pow(math.pow(rho / top, p) + math.pow(1.0 / top, p), 1.0 / p)


@njit(cache=True, error_model="numpy")
def linearize(r, y, ptr, pc, unit_r, unit_y, size_y, lead, slope_floor, smallest, d, t, g_hat, share, shift):
    """Newton's linear model of every row: y_new = t + d * dr.

    In units, row i is a point (r, y) near the curve y = sign(r)|r|^(pc-1). The model goes through a point (r^, y^) of
    the curve with the slope of the secant between the curve's points above r and beside y: their distance is about
    what the row will move, so a row that crosses the kink of p < 2 or the flat of p > 2 gets the slope of its way and
    not that of its start; the two points merge as the iteration converges, and Newton's rate returns. For p > 2 the
    point is r^ = r and the tangent's slope an upper bound; for p < 2 it is where r^ + w y^ = r + w y (a proximal step
    from the pair), w the ratio of the largest entries, and dr/dy is kept above `slope_floor` times the group's gap.

    For the rank-one part of a norm's Hessian: its direction `g_hat` (m,), and per group `share` <= 1, what part of it
    leaves the Hessian semidefinite, and `shift` = g_hat'(r - r^).
    """
    for g in range(ptr.size - 1):
        lo, hi = ptr[g], ptr[g + 1]
        ur, uy, sy, p = unit_r[g], unit_y[g], size_y[g], pc[g]
        share[g], shift[g] = 1.0, 0.0
        if uy == 0.0 or ur == 0.0:
            for i in range(lo, hi):
                d[i], t[i], g_hat[i] = 0.0, 0.0, 0.0
            continue
        scale = uy / ur
        q = conjugate(p)
        led_by_y = lead[g] < 0.0
        f = abs(lead[g])
        w, flat, least = 1.0, 0.0, 0.0
        if p < 2.0:
            top_r, top_y = largest(r, lo, hi) / ur, largest(y, lo, hi) / sy
            w = top_r / top_y if top_y > 0.0 and top_r > 0.0 else 1.0
            gap = 0.0
            for i in range(lo, hi):
                rs, ys = r[i] / ur, y[i] / sy
                gap += power(abs(rs), p) / p + power(abs(ys), q) / q - rs * ys
            flat = slope_floor * w * min(max(gap, 1e-13), 1.0)
        elif p > 2.0:
            top = math.pow(f * largest(y, lo, hi) / sy, q - 1.0) if led_by_y else f * largest(r, lo, hi) / ur
            least = smallest * power(top, p - 2.0)
        total, moved = 0.0, 0.0
        for i in range(lo, hi):
            rs = r[i] / ur
            if p == 2.0:
                r_hat = f * y[i] / sy if led_by_y else f * rs
                y_hat, di = r_hat, 1.0
            elif p > 2.0:
                if led_by_y:
                    y_hat = f * y[i] / sy
                    a = math.pow(abs(y_hat), q - 1.0)
                    r_hat = a if y_hat > 0.0 else -a
                    v = power(a, p - 2.0)
                else:
                    r_hat = f * rs
                    a = abs(r_hat)
                    v = power(a, p - 2.0)
                    y_hat = v * r_hat
                di = (p - 1.0) * v
                if lead[g] == 1.0:
                    di = min(di, 1.0 / secant(r_hat, y[i] / sy, p, q, 1.0 / di))
                di = max(di, (p - 1.0) * least)
            else:
                if led_by_y:
                    y_hat = f * y[i] / sy
                else:
                    z = f * rs + w * y[i] / sy
                    y_hat = prox(abs(z), w, q)
                    if z < 0.0:
                        y_hat = -y_hat
                slope = power(abs(y_hat), q - 2.0)
                r_hat = slope * y_hat
                slope = (q - 1.0) * slope
                if not led_by_y:
                    slope = secant(f * rs, y[i] / sy, p, q, slope)
                di = 1.0 / max(slope, flat)
            d[i] = scale * di
            t[i] = uy * (y_hat + di * (rs - r_hat))
            g_hat[i] = y_hat
            total += y_hat * r_hat
            moved += y_hat * (rs - r_hat)
        if total > 1.0:
            share[g] = 1.0 / total
        shift[g] = moved


@njit(cache=True, error_model="numpy", inline="always")
def secant(r, y, p, q, tangent):
    """dr/dy between the points (r, f(r)) and (f^-1(y), y) of the curve f(r) = |r|^(p-1) sign(r)."""
    y_of_r = power(abs(r), p - 1.0)
    if r < 0.0:
        y_of_r = -y_of_r
    r_of_y = power(abs(y), q - 1.0)
    if y < 0.0:
        r_of_y = -r_of_y
    apart = y_of_r - y
    if abs(apart) <= 1e-6 * (abs(y_of_r) + abs(y)):
        return tangent
    return (r - r_of_y) / apart


@njit(cache=True, error_model="numpy", inline="always")
def prox(z, w, q):
    """The a >= 0 with a^(q-1) + w a = z >= 0, q > 2: convex and increasing, so Newton from above is monotone."""
    if z == 0.0:
        return 0.0
    a = min(z / w, math.pow(z, 1.0 / (q - 1.0)))
    for _ in range(PROX_STEPS):
        s = power(a, q - 2.0)
        step = (s * a + w * a - z) / ((q - 1.0) * s + w)
        a -= step
        if abs(step) <= PROX_ACCURACY * a:
            break
    return max(a, 0.0)


@njit(cache=True, error_model="numpy")
def line_search(v, dv, ptr, p, c, kind, floor, linear, quadratic, s, ds, tau, longest, accuracy, noise):
    """argmin over t in (0, longest] of sum_g term_g(v + t dv) + linear t + quadratic t^2/2 - tau sum log(s + t ds).

    Norms are smoothed by `floor` (G,): (||v||^p + floor^p)^(1/p).

    The derivative of a p-th power is a (p-1)-th power: its (p-1)-th root is nearly linear in t, and the Illinois
    variant of regula falsi on that root finds the zero in a few steps, where Newton on the derivative itself would
    creep by a factor (p-2)/(p-1). Ends where the root has fallen to `accuracy` of its size at 0. Returns 0 where the
    derivative at 0 is not negative, and does not search where it is down in the `noise`.
    """
    largest_p = 2.0
    for g in range(p.size):
        largest_p = max(largest_p, p[g])
    e = 1.0 / (largest_p - 1.0)
    d = _line_slope(v, dv, 0.0, ptr, p, c, kind, floor, linear, quadratic, s, ds, tau)
    if not d < 0.0:
        return 0.0
    if -d <= noise:
        return min(1.0, longest)
    goal = accuracy * math.pow(-d, e)
    lo, f_lo = 0.0, -math.pow(-d, e)
    hi, f_hi = longest, 0.0
    bracketed = False
    side = 0
    t = min(1.0, longest)
    for _ in range(MAX_TRIALS):
        d = _line_slope(v, dv, t, ptr, p, c, kind, floor, linear, quadratic, s, ds, tau)
        f = math.pow(abs(d), e)
        if f <= goal:
            return t
        if d < 0.0:
            f = -f
            if t >= longest:
                return t
            if not bracketed:
                ahead = t - f * (t - lo) / (f - f_lo) if f > f_lo else math.inf
                lo, f_lo = t, f
                t = min(max(1.05 * ahead, 1.2 * t), 8.0 * t, longest)
                continue
            if side == -1:
                f_hi *= 0.5
            lo, f_lo, side = t, f, -1
        else:
            if side == 1:
                f_lo *= 0.5
            hi, f_hi, side = t, f, 1
            bracketed = True
        t = (lo * f_hi - hi * f_lo) / (f_hi - f_lo)
        if hi - lo <= 1e-12 * hi:
            break
    return lo if lo > 0.0 else t


@njit(cache=True, error_model="numpy")
def _line_slope(v, dv, t, ptr, p, c, kind, floor, linear, quadratic, s, ds, tau):
    slope = linear + quadratic * t
    for g in range(ptr.size - 1):
        lo, hi, e = ptr[g], ptr[g + 1], p[g]
        top = floor[g]
        for i in range(lo, hi):
            a = abs(v[i] + t * dv[i])
            if a > top:
                top = a
        if top == 0.0 or c[g] == 0.0:
            continue
        s0, s1 = math.pow(floor[g] / top, e) if floor[g] > 0.0 else 0.0, 0.0
        for i in range(lo, hi):
            u = (v[i] + t * dv[i]) / top
            a = abs(u)
            w = power(a, e - 1.0)
            s0 += w * a
            s1 += w * dv[i] if u > 0.0 else -w * dv[i]
        if kind[g] == 0:
            slope += c[g] * s1 * math.pow(s0, 1.0 / e - 1.0)
        else:
            slope += c[g] * e * math.pow(top, e - 1.0) * s1
    for i in range(s.size):
        slope -= tau * ds[i] / (s[i] + t * ds[i])
    return slope


@njit(cache=True, error_model="numpy")
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
            q = conjugate(e)
            dual = theta * norm(y, lo, hi, q)
            total += (
                c[g] * math.pow(size, e) + c[g] * (e - 1.0) * math.pow(dual / (c[g] * e), q) - theta * inner
            )
    return total


@njit(cache=True, error_model="numpy")
def scale_rows(A, w, lo, hi, out):
    """out[i - lo] = w[i] * A[i]."""
    for i in range(lo, hi):
        for j in range(A.shape[1]):
            out[i - lo, j] = w[i] * A[i, j]


@njit(cache=True, error_model="numpy")
def absolute_product(A, y, out):
    """out += |A|'|y|, without a copy of A."""
    for i in range(A.shape[0]):
        w = abs(y[i])
        for j in range(A.shape[1]):
            out[j] += w * abs(A[i, j])


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def step_to_boundary(s, ds):
    """Largest t <= 1 with s + t ds >= 0, for s > 0."""
    t = 1.0
    for i in range(s.size):
        if ds[i] < 0.0:
            t = min(t, -s[i] / ds[i])
    return t


EMPTY = np.zeros(0)
