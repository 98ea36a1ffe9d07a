"""Newton on smoothed norms: the road left where several kinks meet and the primal-dual iteration stalls.

A norm gets an entry delta beside its residuals, ``(||r||_p^p + delta^p)^(1/p)``, and for p < 2 every |r_i| becomes
``sqrt(r_i^2 + delta^2)``. The result is smooth and convex: damped Newton with exact line search cannot miss its minimum,
and its gradients are dual feasible for the true problem, off by at most c delta per norm. delta falls by powers of ten,
in units of each term's own size, until the gap of the true problem is certified. Slower than the iteration of
newton.py, which is why that one goes first.

Inequalities enter as a logarithmic barrier tau that falls with delta, in primal-dual scaling, from a point strictly
inside; each line search ends inside too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .program import Inequalities, Program
from .state import State

LARGEST = 2_000_000  # entries of A up to which a second attempt is worth its time
DECADES = 13  # deltas from 1e-1 to 1e-13 of the size of a term
STEPS = 30  # Newton steps per delta; a handful is the rule
SMALL_DECREMENT = (
    1e-3  # of the smoothing error: a smoothed problem need not be solved better than it is posed
)
BISECTIONS = 60
DEEP = 1e-10  # depth inside the constraints, relative to 1 + |h|, below which there is no inside
INSIDE = 0.995  # of the way to the nearest constraint
TRUST = 1e3  # factor by which mu / s may differ from tau / s^2 in the matrix
FLAT = 1e-2  # slope at which a line search stops, relative to that at its start


def rescue(state: State) -> int | None:
    """Newton steps taken, `state` then at a certified pair; None where that was not reached, `state` as it was."""
    P = state.program
    if P.sparse or P.solo or P.E is not None:
        return None
    if not 0 < P.A.size <= LARGEST or not np.all(np.isfinite(state.z)):
        return None
    before = (state.z, state.zd, state.r, state.y, state.s, state.mu, state.primal)
    smoothed = _Smoothed(P)
    z = state.z if P.inequalities is None else _inside(P.inequalities, smoothed.G, state.z)
    steps, proven = 0, False
    if z is not None:
        try:
            with np.errstate(all="ignore"):
                steps, proven = _follow(state, smoothed, z)
        except (np.linalg.LinAlgError, ValueError):  # overflow on the way: nothing gained
            pass
    if proven:
        return steps
    state.z, state.zd, state.r, state.y, state.s, state.mu, state.primal = before
    state.measure()
    return None


def _follow(state: State, smoothed: _Smoothed, z: np.ndarray) -> tuple[int, bool]:
    P, steps = state.program, 0
    r = P.A @ z - P.b
    sizes = smoothed.sizes(r)
    value = abs(smoothed.at(r, 0.1 * sizes).value) + abs(P.smooth_part(z))
    mu = None
    for decade in range(1, DECADES + 1):
        delta = sizes * 10.0**-decade
        error = max(float(P.c[smoothed.norm] @ delta[smoothed.norm]), value * 10.0**-decade)
        tau = error / max(len(smoothed.h), 1)
        mu = tau / (smoothed.h - smoothed.G @ z) if mu is None else mu
        z, mu, taken = _minimize(smoothed, z, mu, delta, tau, error)
        steps += taken
        if not np.all(np.isfinite(z)):
            break
        state.z, state.r = z, P.A @ z - P.b
        state.y, state.zd, state.mu = smoothed.dual(z, mu, delta, tau)
        if P.inequalities is not None:
            state.s = smoothed.h - smoothed.G @ z
            state.primal = np.zeros(len(state.s))
        if np.all(np.isfinite(state.y)) and np.all(state.mu >= 0):
            if state.measure() <= state.tol and state.certified():
                return steps, True
        value = abs(state.fun) if np.isfinite(state.fun) else value
    return steps, False


def _inside(rows: Inequalities, G: np.ndarray, z: np.ndarray) -> np.ndarray | None:
    """A point strictly inside, `z` itself if it is; None where there is none."""
    need = DEEP * (1.0 + np.abs(rows.h))
    if np.all(rows.h - G @ z > need):
        return z
    from scipy.optimize import linprog

    n = len(z)
    lengths = np.linalg.norm(G, axis=1)
    reach = 1.0 + float(np.abs(z).max(initial=0.0))
    deepest = linprog(
        np.r_[np.zeros(n), -1.0], np.c_[G, lengths], rows.h, bounds=[(None, None)] * n + [(None, reach)]
    )
    if deepest.status != 0:
        return None
    depth = deepest.x[:n]
    # as near to z as the inside allows: half of the way back out
    for share in (0.99, 0.9, 0.5, 0.0):
        point = share * z + (1 - share) * depth
        if np.all(rows.h - G @ point > need):
            return point
    return None


@dataclass
class _Point:
    """Value, gradient y with respect to r, diagonal d and rank-one coefficients of the Hessian in r."""

    value: float
    y: np.ndarray
    d: np.ndarray
    rank_one: np.ndarray


class _Smoothed:
    def __init__(self, program: Program) -> None:
        self.P = program
        counts = np.diff(program.ptr)
        self.group = np.repeat(np.arange(len(counts)), counts)
        self.starts = program.ptr[:-1][counts > 0]
        self.filled = np.flatnonzero(counts > 0)
        self.p, self.c = program.p[self.group], program.c[self.group]
        self.norm = program.kind == 0
        self.is_norm = self.norm[self.group]
        rows = program.inequalities
        G = np.zeros((0, program.A.shape[1])) if rows is None else rows.rows()
        self.G = G if isinstance(G, np.ndarray) else G.toarray()
        self.h = np.zeros(0) if rows is None else rows.h

    def sums(self, values: np.ndarray) -> np.ndarray:
        out = np.zeros(len(self.norm))
        out[self.filled] = np.add.reduceat(values, self.starts) if len(values) else 0.0
        return out

    def tops(self, values: np.ndarray) -> np.ndarray:
        out = np.zeros(len(self.norm))
        out[self.filled] = np.maximum.reduceat(values, self.starts) if len(values) else 0.0
        return out

    def sizes(self, r: np.ndarray) -> np.ndarray:
        """The size of every term's residual, none of them zero."""
        tops = np.maximum(self.tops(np.abs(r)), 1e-3 * self.tops(np.abs(self.P.b)))
        return np.where(tops > 0, tops, max(float(tops.max(initial=0.0)), 1e-300))

    def at(self, r: np.ndarray, delta: np.ndarray) -> _Point:
        P, p, c, row_delta = self.P, self.p, self.c, delta[self.group]
        smooth = np.where(p < 2, np.hypot(r, row_delta), np.maximum(np.abs(r), 1e-280))
        share = np.where(p < 2, (p - 1) * (r / smooth) ** 2 + (row_delta / smooth) ** 2, p - 1)
        top = np.maximum(self.tops(smooth), delta)
        ratio = smooth / top[self.group]
        sums = self.sums(ratio**p) + np.where(self.norm, (delta / top) ** P.p, 0.0)
        f = np.where(self.norm, top * sums ** (1 / P.p), 1.0)  # the smoothed norms
        unit = f[self.group]
        value = np.where(self.norm, P.c * f, P.c * sums * top**P.p).sum()
        t = smooth / unit
        common = c * np.where(self.is_norm, 1.0, p) * t ** (p - 2) / unit
        y = common * r
        rank_one = np.where(self.norm, (P.p - 1) / (P.c * f), 0.0)
        return _Point(float(value), y, common * share, rank_one)

    def weights(self, z: np.ndarray, mu: np.ndarray, tau: float) -> np.ndarray:
        """mu / s, kept within reach of what the barrier alone would say."""
        s = self.h - self.G @ z
        plain = tau / s**2
        return np.clip(mu / s, plain / TRUST, plain * TRUST)

    def hessian(self, point: _Point, w: np.ndarray) -> np.ndarray:
        A = self.P.A
        H = (A.T * point.d) @ A
        if point.rank_one.any():
            U = np.zeros((len(self.norm), A.shape[1]))
            U[self.filled] = np.add.reduceat(A * point.y[:, None], self.starts, axis=0)
            H -= (U.T * point.rank_one) @ U
        H += (self.G.T * w) @ self.G
        return H if self.P.Q is None else H + self.P.Q

    def gradient(self, point: _Point, z: np.ndarray) -> np.ndarray:
        return self.P.A.T @ point.y + self.P.smooth_gradient(z)

    def dual(
        self, z: np.ndarray, mu: np.ndarray, delta: np.ndarray, tau: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y, zd, mu that meet stationarity: the gradients, and a Newton step for what they lack."""
        P = self.P
        point = self.at(P.A @ z - P.b, delta)
        w = self.weights(z, mu, tau)
        y, zd = point.y, z
        factor = _factor(self.hessian(point, w))
        for _ in range(2):
            left = P.A.T @ y + P.smooth_gradient(zd) + self.G.T @ mu
            dz = -cho_solve(factor, left)
            change = P.A @ dz
            inner = self.sums(point.y * change) * point.rank_one
            y = y + point.d * change - point.y * inner[self.group]
            zd = zd + dz
            mu = mu + w * (self.G @ dz)
        return y, zd, mu


def _minimize(
    smoothed: _Smoothed, z: np.ndarray, mu: np.ndarray, delta: np.ndarray, tau: float, error: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Newton with exact line search on the problem smoothed by delta (groups,) with the barrier tau."""
    P, G = smoothed.P, smoothed.G
    for step in range(1, STEPS + 1):
        r, s = P.A @ z - P.b, smoothed.h - G @ z
        point = smoothed.at(r, delta)
        g = smoothed.gradient(point, z) + G.T @ (tau / s)
        w = smoothed.weights(z, mu, tau)
        dz = -cho_solve(_factor(smoothed.hessian(point, w)), g)
        decrement = -float(g @ dz)
        Gdz = G @ dz
        change = tau / s - mu + w * Gdz
        moves = decrement > 1e-17 * (abs(point.value) + abs(P.smooth_part(z)))
        if moves:
            z = z + _exact_step(smoothed, z, r, s, dz, Gdz, delta, tau) * dz
        back = change < 0
        longest = float(np.min(mu[back] / -change[back], initial=np.inf))
        mu = mu + min(1.0, INSIDE * longest) * change
        if not moves or decrement <= SMALL_DECREMENT * error:
            return z, mu, step
    return z, mu, STEPS


def _exact_step(
    smoothed: _Smoothed, z: np.ndarray, r: np.ndarray, s: np.ndarray, dz: np.ndarray, Gdz: np.ndarray,
    delta: np.ndarray, tau: float,
) -> float:  # fmt: skip
    """Where the slope along ``z + t dz`` vanishes, strictly inside the constraints."""
    P = smoothed.P
    dr = P.A @ dz
    linear = float(np.dot(P.smooth_gradient(z), dz)) if P.Q is not None or P.q is not None else 0.0
    bend = 0.0 if P.Q is None else float(dz @ (P.Q @ dz))
    ahead = Gdz > 0
    wall = INSIDE * float(np.min(s[ahead] / Gdz[ahead], initial=np.inf))

    def slope(t: float) -> float:
        barrier = tau * float(np.sum(Gdz / (s - t * Gdz)))
        return float(smoothed.at(r + t * dr, delta).y @ dr) + linear + t * bend + barrier

    start, low, high = slope(0.0), 0.0, min(1.0, wall)
    while slope(high) < FLAT * start and high < min(1e6, wall):
        low, high = high, min(4.0 * high, wall)
    t = high
    for _ in range(BISECTIONS):
        steep = slope(t)
        if abs(steep) <= -FLAT * start:
            break
        low, high = (t, high) if steep < 0 else (low, t)
        t = 0.5 * (low + high)
    return t


def _factor(H: np.ndarray) -> tuple[np.ndarray, bool]:
    """Cholesky of H in unit-diagonal scaling, shifted as little as it takes."""
    scale = np.sqrt(np.maximum(H.diagonal(), 1e-300))
    unit = H / np.outer(scale, scale)
    if not np.all(np.isfinite(unit)):
        raise np.linalg.LinAlgError("the Hessian overflows")
    shift = 0.0
    while True:
        try:
            c, lower = cho_factor(unit + shift * np.eye(len(H)), check_finite=False)
            return c * scale, lower  # upper triangular: (c D)'(c D) = D (unit + shift) D
        except np.linalg.LinAlgError:
            shift = max(10.0 * shift, 1e-15)
            if shift > 1.0:
                return np.diag(scale), False
