"""Independent answers in extended precision (80-bit long double): a solver of another kind, and weak duality.

`solve` is a primal Newton method on sum (r^2 + d^2)^(p/2), d -> 0, with its own elimination, none of it shared with the
library. `verify` trusts no solver at all: from a result's x and multipliers it recomputes the primal and the dual
objective; by weak duality their difference bounds the error of the primal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

LD = np.longdouble


@dataclass
class Reference:
    x: np.ndarray
    fun: float  # ||A x - b||_p
    lower: float  # a certified lower bound of it


def solve(A, b, p, E=None, e=None) -> Reference:
    """min ||A x - b||_p s.t. E x = e for small full-rank dense data."""
    A, b, p = np.asarray(A, LD), np.asarray(b, LD), LD(p)
    n = A.shape[1]
    k = 0 if E is None else len(E)
    E = np.zeros((0, n), LD) if E is None else np.asarray(E, LD)
    e = np.zeros(0, LD) if e is None else np.asarray(e, LD)
    x = _kkt(A.T @ A, E, A.T @ b, e)[:n]
    top = np.abs(A @ x - b).max()
    d = top / 4
    for _ in range(400):
        r = A @ x - b
        s = (r / top) ** 2 + (d / top) ** 2
        g = A.T @ (r / top * s ** (p / 2 - 1))
        w = s ** (p / 2 - 1) * (1 + (p - 2) * (r / top) ** 2 / s)
        dx = _kkt(A.T @ (w[:, None] * A) / top, E, -g, np.zeros(k, LD))[:n]
        t = _exact(lambda t, r=r, dx=dx, d=d: _slope(r + t * (A @ dx), A @ dx, d, p, top))  # noqa: B023
        x = x + t * dx
        if -(g @ dx) * top <= LD(1e-4) * np.sum(s ** (p / 2)) * max(LD(1e-17), d / top):
            if d <= LD(1e-15) * top or (p >= 2 and d == 0):
                break
            d = LD(0) if p >= 2 else d / 10
    r = A @ x - b
    y = _dual_point(A, E, r, d, p, top)
    q = p / (p - 1)
    lower = (-(b @ y) + (e @ _pull(A, E, y) if k else 0)) / _norm(y, q)
    return Reference(x.astype(float), float(_norm(r, p)), float(lower))


def verify(problem, result, tol=1e-9, stationary=1e-8, feasible=1e-8, slack=1e-12):
    """Assert that the multipliers of `result` prove its x optimal to a relative `tol`."""
    x = result.x.astype(LD)
    xd = (result.x if result.dual_x is None else result.dual_x).astype(LD)
    primal, dual = LD(0), LD(0)
    gradient, size = np.zeros(problem.n, LD), np.zeros(problem.n, LD)
    parts = LD(0)
    for term, y in zip(problem.terms, result.dual, strict=True):
        A, b = _array(term.A), term.b.astype(LD)
        y = y.astype(LD)
        w = np.ones(len(b), LD) if term.row_weights is None else term.row_weights.astype(LD)
        p, c = LD(term.p), LD(term.weight)
        q = p / (p - 1)
        v = w * (A @ x - b)
        scaled = np.divide(y, w, out=np.zeros_like(y), where=w > 0)  # the dual of the weighted residual
        labels = np.zeros(len(b), int) if term.groups is None else term.groups
        for g in np.unique(labels):
            vg, yg = v[labels == g], scaled[labels == g]
            if term.kind == "norm":
                value, over = c * _norm(vg, p), _norm(yg, q) / c if c > 0 else LD(0)
                assert over <= 1 + LD(1e-9), f"dual point outside its ball by {float(over - 1):.1e}"
            else:
                value = c * np.sum(np.abs(vg) ** p)
                dual -= c * (p - 1) * np.sum((np.abs(yg) / (c * p)) ** q) if c > 0 else 0
            primal, parts = primal + value, parts + value
        dual -= b @ y
        gradient, size = gradient + A.T @ y, size + np.abs(A).T @ np.abs(y)
    Q = np.zeros((problem.n, problem.n), LD) if problem.Q is None else _array(problem.Q)
    Q = Q + 2 * LD(problem.ridge) * np.eye(problem.n, dtype=LD)
    linear = np.zeros(problem.n, LD) if problem.q is None else problem.q.astype(LD)
    primal += x @ (Q @ x) / 2 + linear @ x
    dual -= xd @ (Q @ xd) / 2
    gradient = gradient + Q @ xd + linear
    size = size + np.abs(Q @ xd) + np.abs(linear)
    if problem.E is not None:
        E, nu = _array(problem.E), result.eq_dual.astype(LD)
        dual -= problem.e.astype(LD) @ nu
        gradient, size = gradient + E.T @ nu, size + np.abs(E).T @ np.abs(nu)
        assert np.max(np.abs(E @ x - problem.e)) <= feasible * (1 + np.abs(problem.e).max())
    rows = []
    if problem.G is not None:
        keep = np.isfinite(problem.h)
        rows.append((_array(problem.G)[keep], problem.h[keep], result.ineq_dual[keep]))
    eye = np.eye(problem.n, dtype=LD)
    if problem.lb is not None:
        keep = np.isfinite(problem.lb)
        rows.append((-eye[keep], -problem.lb[keep], result.lb_dual[keep]))
    if problem.ub is not None:
        keep = np.isfinite(problem.ub)
        rows.append((eye[keep], problem.ub[keep], result.ub_dual[keep]))
    for G, h, mu in rows:
        mu, h = mu.astype(LD), h.astype(LD)
        assert mu.min(initial=0.0) >= 0
        assert np.max(G @ x - h, initial=-1.0) <= feasible * (1 + np.abs(h).max(initial=0.0))
        dual -= h @ mu
        gradient, size = gradient + G.T @ mu, size + np.abs(G).T @ mu
    residual = float(np.abs(gradient).max() / max(size.max(), LD(1e-300)))
    assert residual <= stationary, f"stationarity {residual:.1e}"
    # The bound f(x*) >= dual + gradient'x* is used at x itself: gradient is rounding, x - x* is small.
    gap = float((primal - dual - gradient @ x) / max(abs(primal), abs(dual), LD(1e-8) * parts))
    assert -slack <= gap <= 1.01 * tol + 1e-12, f"gap {gap:.2e}"
    assert abs(float(primal) - result.fun) <= 1e-11 * max(abs(float(primal)), float(parts))


def _array(M):
    return np.asarray(M.toarray() if sp.issparse(M) else M, LD)


def _norm(v, p):
    top = np.abs(v).max(initial=LD(0))
    return top if top == 0 else top * np.sum((np.abs(v) / top) ** p) ** (1 / p)


def _slope(r, dr, d, p, top):
    s = (r / top) ** 2 + (d / top) ** 2
    s[s == 0] = LD(1e-4000) if LD(1e-4000) > 0 else LD(1e-300)
    return np.sum(s ** (p / 2 - 1) * (r / top) * dr)


def _exact(slope):
    if slope(LD(0)) >= 0:
        return LD(0)
    lo, hi = LD(0), LD(1)
    while slope(hi) < 0 and hi < 1e6:
        lo, hi = hi, 2 * hi
    for _ in range(40):
        mid = (lo + hi) / 2
        lo, hi = (mid, hi) if slope(mid) < 0 else (lo, mid)
    return (lo + hi) / 2


def _dual_point(A, E, r, d, p, top):
    """The gradient, corrected in the metric of the Hessian until A'y is in the range of E'."""
    s = (r / top) ** 2 + (d / top) ** 2
    s[s == 0] = LD(1e-300)
    y = r / top * s ** (p / 2 - 1)
    w = s ** (p / 2 - 1) * (1 + (p - 2) * (r / top) ** 2 / s)
    for _ in range(4):
        g = A.T @ y
        dx = _kkt(A.T @ (w[:, None] * A), E, -g, np.zeros(len(E), LD))[: A.shape[1]]
        y = y + w * (A @ dx)
    return y


def _pull(A, E, y):
    """nu with A'y = -E'nu, so that -b'y - e'nu is the dual value: returned with the sign of -nu."""
    g = A.T @ y
    return _solve(E @ E.T, E @ g)


def _kkt(H, E, g, e):
    k = len(E)
    K = np.block([[H, E.T], [E, np.zeros((k, k), LD)]]) if k else H
    right = np.concatenate([g, e])
    x = _solve(K, right)
    return x + _solve(K, right - K @ x)


def _solve(K, b):
    """Gaussian elimination with partial pivoting and equilibration, in long double."""
    scale = np.abs(K).max(axis=1)
    scale[scale == 0] = 1
    M = np.concatenate([K / scale[:, None], (b / scale)[:, None]], axis=1).astype(LD)
    n = len(b)
    for j in range(n):
        i = j + int(np.argmax(np.abs(M[j:, j])))
        M[[j, i]] = M[[i, j]]
        M[j + 1 :, j:] -= (M[j + 1 :, j] / M[j, j])[:, None] * M[j, j:]
    x = np.zeros(n, LD)
    for j in range(n - 1, -1, -1):
        x[j] = (M[j, n] - M[j, j + 1 : n] @ x[j + 1 :]) / M[j, j]
    return x
