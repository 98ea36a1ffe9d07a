"""Independent answers: an extended-precision active-set Newton method that proves its own result by duality.

Nothing of spectral_nn or CVXPY is used (of scipy, linprog for a point inside). A problem is stated by plain
arrays; the answer comes with a lower bound from a dual point (in 80-bit arithmetic), so it needs no trust in
the way it was found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linprog

LONG = np.longdouble
# A reference is accepted where primal and dual agree to this relative distance: three digits below what is
# tested.
PROVEN = 1e-12
# Beyond this many multiplications the Hessian is formed in double precision; gradients stay extended.
_EXTENDED_HESSIAN = 4e7


@dataclass
class Piece:
    """``weight * sum_g (sum_{i in g} rows_i |A x - b|_i^p)^(1/p)`` (kind "norm") or the plain sum (kind
    "power")."""

    A: np.ndarray
    b: np.ndarray
    p: float
    kind: str = "power"
    weight: float = 1.0
    rows: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass
class Statement:
    """The sum of `pieces` plus ``x'Qx/2 + q'x + constant``, subject to ``E x = e, G x <= h``."""

    pieces: list[Piece]
    n: int
    Q: np.ndarray | None = None
    q: np.ndarray | None = None
    E: np.ndarray | None = None
    e: np.ndarray | None = None
    G: np.ndarray | None = None
    h: np.ndarray | None = None
    constant: float = 0.0


@dataclass
class Proven:
    """A minimizer, its value, multipliers, and the bound that proves it."""

    x: np.ndarray
    value: float
    lower: float
    nu: np.ndarray
    mu: np.ndarray
    newton: int = field(default=0)


def prove(statement: Statement) -> Proven:
    """Minimize and prove it; AssertionError where the two bounds stay apart by more than PROVEN."""
    s = statement
    E = np.zeros((0, s.n)) if s.E is None else np.asarray(s.E)
    e = np.zeros(0) if s.e is None else np.asarray(s.e)
    G = np.zeros((0, s.n)) if s.G is None else np.asarray(s.G)
    h = np.zeros(0) if s.h is None else np.asarray(s.h)
    x, active = _inside(s, E, e, G, h) if len(h) else (None, np.zeros(0, dtype=bool))
    seen: set[bytes] = set()
    newton = 0
    for _ in range(200):
        rows, right = np.vstack([E, G[active]]), np.concatenate([e, h[active]])
        x, multipliers, count, delta = _newton(s, rows, right, x)
        newton += count
        nu, mu = multipliers[: len(e)], np.zeros(len(h), dtype=LONG)
        mu[active] = multipliers[len(e) :]
        slack = G.astype(LONG) @ x - h
        scale = 1 + np.abs(h)
        wrong = np.where(active, -mu / (1 + np.abs(mu).max(initial=0)), slack / scale)
        wrong[wrong < 1e-14] = 0
        if not np.any(wrong > 0):
            break
        flip = wrong > 0
        if active.tobytes() in seen:  # the all-at-once exchange cycles: exchange the worst alone
            flip = np.zeros_like(active)
            flip[np.argmax(wrong)] = True
        seen.add(active.tobytes())
        active = active ^ flip
    assert x is not None
    upper, lower = _value(s, x), _dual_value(s, x, delta, [(E, e, nu), (G, h, np.maximum(mu, 0))])
    size = max(abs(upper), abs(lower), LONG(1e-290))
    assert upper - lower <= PROVEN * size, f"no reference: {float(lower)} <= f* <= {float(upper)}"
    return Proven(x.astype(float), float(upper) + s.constant, float(lower) + s.constant, nu.astype(float),
                  mu.astype(float), newton)  # fmt: skip


def _inside(
    s: Statement, E: np.ndarray, e: np.ndarray, G: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A start and a guess of the active constraints, by a logarithmic barrier followed to 1e-8 of the
    objective."""
    n, lengths = s.n, np.linalg.norm(G, axis=1)
    deepest = linprog(
        np.r_[np.zeros(n), -1.0], np.c_[G, lengths], h, np.c_[E, np.zeros(len(e))] if len(e) else None,
        e if len(e) else None, bounds=[(None, None)] * n + [(None, 1.0)],
    )  # fmt: skip
    assert deepest.success and deepest.x[-1] > 1e-9, "no reference: the constraints leave no interior"
    x, k = deepest.x[:n].astype(LONG), len(e)
    size = max(np.abs(_residual(piece, x)).max(initial=0) for piece in s.pieces)
    tau = abs(_value(s, x)) + LONG(1e-300)
    barrier = lambda z, t: _value(s, z) - t * np.sum(np.log(h - G @ z))  # noqa: E731
    for _ in range(9):
        delta = size * LONG(1e-6)
        for _ in range(12):
            gradient, hessian = _derivatives(s, x, delta)
            slack = h - G @ x
            gradient = gradient + tau * (G.T @ (1 / slack))
            hessian = hessian + tau * (G.T * slack**-2) @ G
            step = _solve(np.block([[hessian, E.T], [E, np.zeros((k, k))]]), np.r_[-gradient, np.zeros(k)])[
                :n
            ]
            t, toward = LONG(1), G @ step
            if np.any(toward > 0):
                t = min(t, LONG(0.99) * np.min(slack[toward > 0] / toward[toward > 0]))
            now = barrier(x, tau)
            while barrier(x + t * step, tau) > now and t > 1e-9:
                t /= 2
            x = x + t * step
            if -(gradient @ step) <= 1e-3 * tau:
                break
        tau /= 10
    slack = h - G @ x
    mu = 1 / slack
    return x, np.asarray(mu / mu.max() > slack / slack.max())


def _newton(s: Statement, E: np.ndarray, e: np.ndarray, x: np.ndarray | None):  # type: ignore[no-untyped-def]
    """Newton with exact line search under the equalities; for p < 2 through ever less smoothed problems."""
    E, e = E.astype(LONG), e.astype(LONG)
    x = _start(s, E, e) if x is None else x
    multipliers = np.zeros(len(e), dtype=LONG)
    size = max([LONG(0), *(np.abs(_residual(piece, x)).max(initial=0) for piece in s.pieces)])
    rough = any(piece.p < 2 for piece in s.pieces) or len(s.pieces) > 1 or s.pieces[0].groups is not None
    count = 0
    for delta in [size * LONG(10) ** -k for k in range(1, 16, 1)] if rough else [LONG(0)]:
        small = 0
        for _ in range(60):
            count += 1
            gradient, hessian = _derivatives(s, x, delta)
            # Of a norm the Hessian is singular along x where b = 0 nearly; the shift bounds the step, not the
            # answer.
            hessian[np.diag_indices(s.n)] += LONG(1e-19) * np.abs(np.diag(hessian)).max()
            kkt = np.block([[hessian, E.T], [E, np.zeros((len(e), len(e)), dtype=LONG)]])
            residual = e - E @ x
            solution = _solve(kkt, np.concatenate([-gradient, residual]))
            step, multipliers = solution[: s.n], solution[s.n :]
            if np.abs(residual).max(initial=0) > 1e-16 * (1 + np.abs(e).max(initial=0)):
                x = x + step
                continue
            decrement = -(gradient @ step)
            x = x + _exact_step(s, x, step, delta) * step
            small = small + 1 if decrement <= LONG(1e-18) * abs(_value(s, x)) else 0
            if small >= 2:
                break
    gradient, _ = _derivatives(s, x, delta)
    if len(e):
        multipliers = multipliers + _least_squares(E.T, -(gradient + E.T @ multipliers))
    return x, multipliers, count, delta


def _exact_step(s: Statement, x: np.ndarray, step: np.ndarray, delta: np.longdouble) -> np.longdouble:
    """The minimizer of the convex function of t along ``x + t step``, by bisection on its derivative."""
    lines = [(piece, _residual(piece, x), piece.A.astype(LONG) @ step) for piece in s.pieces]
    Qx, Qs = (
        (np.zeros(s.n, dtype=LONG),) * 2 if s.Q is None else (s.Q.astype(LONG) @ x, s.Q.astype(LONG) @ step)
    )
    linear = LONG(0) if s.q is None else s.q.astype(LONG) @ step

    def slope(t: np.longdouble) -> np.longdouble:
        total = linear + Qx @ step + t * (Qs @ step)
        for piece, r, d in lines:
            total += _slopes(piece, r + t * d, delta)[0] @ d
        return total

    low, high = LONG(0), LONG(1)
    while slope(high) < 0 and high < 64:
        low, high = high, 2 * high
    if low == 0 and abs(slope(high)) <= 1e-3 * abs(slope(low)):
        return high
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        if high - low <= 1e-4 * high:
            break
    return (low + high) / 2


def _start(s: Statement, E: np.ndarray, e: np.ndarray) -> np.ndarray:
    """The least-squares point under the equalities, in double precision."""
    A = np.vstack([piece.A for piece in s.pieces] + [np.sqrt(1e-12) * np.eye(s.n)])
    b = np.concatenate([np.broadcast_to(piece.b, len(piece.A)) for piece in s.pieces] + [np.zeros(s.n)])
    k = len(e)
    kkt = np.block([[A.T @ A, E.T.astype(float)], [E.astype(float), np.zeros((k, k))]])
    return np.linalg.lstsq(kkt, np.concatenate([A.T @ b, e.astype(float)]), rcond=None)[0][: s.n].astype(LONG)


def _residual(piece: Piece, x: np.ndarray) -> np.ndarray:
    return piece.A.astype(LONG) @ x - np.asarray(piece.b, dtype=LONG)


def _sums(piece: Piece, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per group ``(sum rows |r|^p)^(1/p)`` and the group of every row."""
    rows = np.ones(len(r), dtype=LONG) if piece.rows is None else piece.rows.astype(LONG)
    groups = np.zeros(len(r), dtype=int) if piece.groups is None else piece.groups
    out = np.zeros(groups.max() + 1, dtype=LONG)
    top = np.zeros_like(out)
    np.maximum.at(top, groups, np.abs(r))
    safe = np.where(top > 0, top, 1)
    np.add.at(out, groups, rows * (np.abs(r) / safe[groups]) ** LONG(piece.p))
    return top * out ** (1 / LONG(piece.p)), groups


def _value(s: Statement, x: np.ndarray) -> np.longdouble:
    total = LONG(0)
    for piece in s.pieces:
        r = _residual(piece, x)
        if piece.kind == "norm":
            total += piece.weight * _sums(piece, r)[0].sum()
        else:
            rows = 1 if piece.rows is None else piece.rows.astype(LONG)
            total += piece.weight * np.sum(rows * np.abs(r) ** LONG(piece.p))
    if s.Q is not None:
        total += x @ (s.Q.astype(LONG) @ x) / 2
    if s.q is not None:
        total += s.q.astype(LONG) @ x
    return total


Slopes = tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.longdouble]]]


def _slopes(piece: Piece, r: np.ndarray, delta: np.longdouble) -> Slopes:
    """Gradient y in r, diagonal of the Hessian, and rank-one parts ``- c v v'`` as (v, c).

    For p < 2 |r| is smoothed to ``sqrt(r^2 + delta^2)``, and every norm by an entry delta; y stays dual
    feasible.
    """
    p, w = LONG(piece.p), LONG(piece.weight)
    rows = np.ones(len(r), dtype=LONG) if piece.rows is None else piece.rows.astype(LONG)
    smooth = np.sqrt(r**2 + delta**2) if piece.p < 2 else np.maximum(np.abs(r), LONG(1e-300))
    share = (p - 1) * (r / smooth) ** 2 + (delta / smooth) ** 2 if piece.p < 2 else p - 1
    if piece.kind == "power":
        return w * p * rows * smooth ** (p - 2) * r, w * p * rows * smooth ** (p - 2) * share, []
    norms, groups = _sums(piece, smooth)
    norms = (norms**p + delta**p) ** (1 / p)  # of several norms any may vanish at the minimizer, in a kink
    f = np.where(norms > 0, norms, 1)[groups]
    y = w * rows * (smooth / f) ** (p - 2) * (r / f)
    diagonal = w * rows * (smooth / f) ** (p - 2) / f * share
    parts = []
    for g, norm in enumerate(norms):
        parts.append((np.where(groups == g, y, 0), (p - 1) / (w * (norm if norm > 0 else 1))))
    return y, diagonal, parts


def _derivatives(s: Statement, x: np.ndarray, delta: np.longdouble) -> tuple[np.ndarray, np.ndarray]:
    gradient, hessian = np.zeros(s.n, dtype=LONG), np.zeros((s.n, s.n), dtype=LONG)
    for piece in s.pieces:
        y, diagonal, parts = _slopes(piece, _residual(piece, x), delta)
        A = piece.A.astype(LONG)
        gradient += A.T @ y
        if A.shape[0] * s.n**2 > _EXTENDED_HESSIAN:
            hessian += (piece.A.T * diagonal.astype(float)) @ piece.A
        else:
            hessian += (A.T * diagonal) @ A
        for v, c in parts:
            u = A.T @ v
            hessian -= c * np.outer(u, u)
    if s.Q is not None:
        gradient += s.Q.astype(LONG) @ x
        hessian += s.Q
    if s.q is not None:
        gradient += s.q
    return gradient, hessian


def _dual_value(s: Statement, x: np.ndarray, delta: np.longdouble, linear: list) -> np.longdouble:
    """The Lagrangian dual near the gradients of the terms; what stationarity lacks is charged in full.

    Rounding of a small residual spoils its gradient for p near 1. One Newton step in the dual variables,
    which moves those entries alone, repairs the stationarity before it is charged.
    """
    left = [_slopes(piece, _residual(piece, x), delta) for piece in s.pieces]
    duals: list[Any] = [slopes[0] for slopes in left]
    z = x
    _, hessian = _derivatives(s, x, delta)
    E = linear[0][0].astype(LONG)
    kkt = np.block([[hessian, E.T], [E, np.zeros((len(E), len(E)), dtype=LONG)]])
    for _ in range(2):
        leftover = _stationarity(s, z, duals, linear)
        correction = _solve(kkt, np.concatenate([-leftover, np.zeros(len(E), dtype=LONG)]))
        dx, dnu = correction[: s.n], correction[s.n :]
        z = z + dx
        linear = [(linear[0][0], linear[0][1], linear[0][2] + dnu), *linear[1:]]
        for k, (piece, (_, diagonal, parts)) in enumerate(zip(s.pieces, left, strict=True)):
            Adx = piece.A.astype(LONG) @ dx
            duals[k] = duals[k] + diagonal * Adx - sum(c * v * (v @ Adx) for v, c in parts)
    total = LONG(0)
    for k, piece in enumerate(s.pieces):
        y, p = duals[k], LONG(piece.p)
        rows = np.ones(len(y), dtype=LONG) if piece.rows is None else piece.rows.astype(LONG)
        a = np.where(rows > 0, rows, 1) * LONG(piece.weight)
        if piece.kind == "power":  # the conjugate of a |r|^p is (p - 1) a (|y| / (a p))^(p / (p - 1))
            total -= np.sum((p - 1) * a * (np.abs(y) / (a * p)) ** (p / (p - 1)))
        else:  # that of the norm is 0 where sum rows (|y| / (w rows))^q <= 1 in every group, infinite beyond
            groups = np.zeros(len(y), dtype=int) if piece.groups is None else piece.groups
            sums = np.zeros(groups.max() + 1, dtype=LONG)
            np.add.at(sums, groups, np.where(rows > 0, rows, 0) * (np.abs(y) / a) ** (p / (p - 1)))
            shrink = np.maximum(sums ** ((p - 1) / p), 1)
            y = y / shrink[groups]
            duals[k] = y
        total -= y @ np.asarray(np.broadcast_to(piece.b, len(y)), dtype=LONG)
    for _, right, multiplier in linear:
        total -= right.astype(LONG) @ multiplier
    if s.Q is not None:
        total -= z @ (s.Q.astype(LONG) @ z) / 2
    # f* >= total + left'x* for what stationarity lacks; x* is taken to lie within 1e-4 of x, entry by entry.
    left_over = _stationarity(s, z, duals, linear)
    return total - abs(left_over @ x) - LONG(1e-4) * (np.abs(left_over) @ np.abs(x))


def _stationarity(s: Statement, x: np.ndarray, duals: list[np.ndarray], linear: list) -> np.ndarray:
    total = np.zeros(s.n, dtype=LONG)
    for matrix, _, multiplier in linear:
        total += matrix.T.astype(LONG) @ multiplier
    for piece, y in zip(s.pieces, duals, strict=True):
        total += piece.A.T.astype(LONG) @ y
    if s.Q is not None:
        total += s.Q.astype(LONG) @ x
    return total if s.q is None else total + s.q


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Gaussian elimination with row pivoting in extended precision, rows and columns scaled first."""
    n = len(right)
    d = 1 / np.sqrt(np.maximum(np.abs(matrix).max(axis=0), LONG(1e-4000)))
    a = np.column_stack([d[:, None] * matrix * d, d * right])
    if n > 150:  # larger: double precision and refinement
        inverse = np.linalg.pinv(a[:, :n].astype(float), rcond=1e-15)
        x = np.zeros(n, dtype=LONG)
        for _ in range(6):
            x = x + inverse @ (a[:, n] - a[:, :n] @ x).astype(float)
        return d * x
    for k in range(n):
        pivot = k + int(np.argmax(np.abs(a[k:, k])))
        if a[pivot, k] == 0:
            a[k, k] = LONG(1e-30)
            continue
        a[[k, pivot]] = a[[pivot, k]]
        a[k + 1 :, k:] -= np.outer(a[k + 1 :, k] / a[k, k], a[k, k:])
    x = np.zeros(n, dtype=LONG)
    for k in range(n - 1, -1, -1):
        x[k] = (a[k, n] - a[k, k + 1 : n] @ x[k + 1 :]) / a[k, k]
    return d * x


def _least_squares(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least squares in extended precision by refinement of a double-precision pseudo-inverse."""
    inverse = np.linalg.pinv(matrix.astype(float))
    x = np.zeros(matrix.shape[1], dtype=LONG)
    for _ in range(6):
        x = x + inverse @ (right - matrix @ x).astype(float)
    return x
