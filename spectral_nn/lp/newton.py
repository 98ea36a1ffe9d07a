"""Primal-dual Newton iteration: descent on the objective, ascent on the dual, one factorization for both.

Every row is a point (r, y) near its curve y = phi'(r). A linear model y_new = t + d dr of the curve (kernels.linearize)
and the stationarity A'y + Q x + q + G'mu = 0 give

    (A' diag(d) A + Q + G' diag(mu/s) G) dx = -(A't + Q x + q + G't_mu),      dy = t + d A dx - y.

So y + dy meets the dual constraint at no extra solve. x moves by an exact line search on the objective, y by one on
the dual; the sum of Fenchel-Young slacks of (r, y) is the duality gap and the only stopping test. Inequalities are
slacks s > 0 with mu s = tau, tau by Mehrotra's predictor (1992). Exponents far from 2 are reached by a homotopy in p.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import kernels
from .barrier import predict_correct, start_barrier
from .program import Program
from .result import LpStatus
from .state import ROUNDING, Outcome, State
from .systems import System

SLOPE_FLOOR = 0.1  # times the gap: how flat dr/dy may become for p < 2; 1 .. 0.01 cost about the same
SMALLEST_WEIGHT = (
    1e-14  # of the largest in its group, p > 2: keeps H positive definite when few rows carry it
)
SMALLEST_WEIGHT_KKT = 1e-8  # where E x = 0 is kept in the matrix: its factorization does not pivot
FIRST_LARGE, GROW = 4.0, 2.0  # homotopy for p > 2: p = 4, then p - 1 doubles
FIRST_SMALL, GROW_DUAL = 4 / 3, 3.0  # homotopy for p < 2: q = 4, then q - 1 grows threefold
STEEP = 4.0  # exponents above wait for feasibility in a second attempt
GOOD_STEP = 0.3  # the homotopy moves on after a step at least this long
ACCURACY = 0.2  # of line searches: 0.05 saves no iteration, 0.5 costs one now and then
TO_BOUNDARY = 0.99
SMOOTHING = 0.1  # of norms that vanish, relative to the gap
SHRUNK = 0.1  # a norm below this fraction of its start may be on its way to 0
WEAK_PIVOT = 1e-9  # of H at the start: condition numbers of A above about 1e4 are orthonormalized first ...
WEAK_PIVOT_EXTREME = (
    1e-4  # ... above 100 where p < 1.4 or p > 10: there diag(d) adds its own ill-conditioning
)
POOR_START = 0.3  # gap after the first step of a warm start above which the homotopy is used after all
# Weight of inequality rows at the start: faint, they only fix what the terms leave open, and an exact fit shows;
# gentle, they keep the start in sight of the constraints where A is ill-conditioned.
FAINT, GENTLE = 1e-9, 1e-3
LONGEST = 1e4  # step of a line search where a linear term may lead to infinity
STALL, STALL_MIXED = 6, 30  # iterations in which the gap did not halve


class Newton(State):
    """One run on one program."""

    def __init__(
        self,
        program: Program,
        system: System,
        tol: float,
        max_iter: int,
        callback: Callable[[dict[str, float]], Any] | None = None,
        log: logging.Logger | None = None,
        shown: Callable[[float, float], tuple[float, float]] = lambda fun, gap: (fun, gap),
    ) -> None:
        groups = len(program.p)
        super().__init__(program, system, tol)
        self.max_iter, self.callback, self.log = max_iter, callback, log
        self.shown = shown  # objective and gap in the user's units, for history and callback
        m = len(program.b)
        self.t, self.g_hat = np.empty(m), np.empty(m)
        self.unit_r, self.unit_y, self.floor = np.empty(groups), np.empty(groups), np.zeros(groups)
        self.size_y, self.no_floor = np.empty(groups), np.zeros(groups)
        self.lead, self.share, self.shift = np.empty(groups), np.empty(groups), np.empty(groups)
        self.reference = np.zeros(groups)
        self.pc = program.p
        self.history: list[dict[str, float]] = []
        self.step, self.nit = 1.0, 0
        # whether large exponents wait for feasibility: on the way there they may see nothing but the largest residual
        self.patient = False
        self.fits = False  # whether some z, constraints left aside, makes every residual 0
        self.may_reduce = not program.sparse and system.solver is None

    def start(self, may_fit: bool = True) -> None:
        """Least squares (one group), or a Newton step from z = 0 with every exponent 2.

        With inequalities it is first tried with hardly any regard for them: if then every residual vanishes, `fits` is
        set and the start left at that, unless `may_fit` is False.
        """
        P = self.program
        n = P.A.shape[1]
        if n == 0:
            return self.warm(np.zeros(0), None)
        self.z, self.zd, self.r = np.zeros(n), np.zeros(n), -P.b
        self.y = np.zeros(len(P.b))
        two = np.full(len(P.p), 2.0)
        if P.solo:
            self.d.fill(1.0)
            self.t[:] = self.r
        else:
            kernels.values(self.r, P.ptr, two, self.one, self.norms, self.unit_r)
            np.maximum(self.unit_r, self.floors, out=self.unit_r)
            with np.errstate(over="ignore"):
                self.unit_y[:] = P.c * np.where(P.kind == 0, 1.0, P.p * self.unit_r ** (P.p - 1))
            per_row = np.repeat(self.unit_y / self.unit_r, np.diff(P.ptr))
            self.d[:] = per_row
            self.t[:] = per_row * self.r
        g = P.A.T @ self.t
        if P.q is not None:
            g += P.q
        for weight in (0.0,) if self.rows is None else (FAINT, GENTLE)[0 if may_fit else 1 :]:
            w = None
            if self.rows is not None:
                w = np.full(
                    len(self.rows.h), weight * (float(self.d.mean()) if len(self.d) else 1.0) + 1e-100
                )
            self.system.factor(self.d, w)
            dz = -self.system.solve(g)
            dr = P.A @ dz
            self.fits = may_fit and P.Q is None and P.q is None and _small(self.r + dr, P.b)
            if self.fits:
                break
        self.y = self.t + self.d * dr
        self.zd = dz.copy()
        step = 1.0
        if not P.solo and not self.fits:
            longest = LONGEST if self.rows is None else 1.0
            step = self._primal_step(dz, dr, P.p, P.c, P.kind, longest, 0.0)
        self.z = step * dz
        self.r = self.r + step * dr

    def warm(self, z: np.ndarray, y: np.ndarray | None) -> None:
        """Start from z, and y (m,) if known."""
        P = self.program
        self.z, self.zd = z.copy(), z.copy()
        self.r = P.A @ z - P.b
        self.y = np.zeros(len(P.b)) if y is None else y.copy()
        self.dual_infeasible = True
        if y is None:
            self._units(P.p)
            unit_r = np.repeat(np.where(self.unit_r > 0, self.unit_r, 1.0), np.diff(P.ptr))
            exponent = np.repeat(P.p - 1, np.diff(P.ptr))
            a = np.abs(self.r) / unit_r
            self.y = np.sign(self.r) * a**exponent * np.repeat(self.unit_y, np.diff(P.ptr))

    def nearly_dependent(self) -> bool:
        """Whether the last factorization shows columns so nearly dependent that an orthonormal basis pays."""
        p = self.program.p
        extreme = bool(((p < 1.4) | (p > 10)).any())
        return self.may_reduce and self.system.smallest_pivot < (
            WEAK_PIVOT_EXTREME if extreme else WEAK_PIVOT
        )

    def run(self, cold: bool) -> Outcome | None:
        """Iterate until the gap is below tol; `cold` starts the homotopy in p.

        None where an orthonormal basis should be tried: the iteration stalled, or the first factorization of a warm
        start found the columns nearly dependent.
        """
        P = self.program
        self.pc = _first_exponents(P.p) if cold else P.p.copy()
        kernels.values(self.r, P.ptr, P.p, self.one, self.norms, self.reference)
        np.maximum(self.reference, self.floors, out=self.reference)
        self.start_size = float(np.abs(self.z).max(initial=0.0))
        kernels.values(self.r, P.ptr, P.p, P.c, P.kind, self.values)
        self.start_level = self.start_level or float(self.values.sum())
        if self.rows is not None:
            start_barrier(self)
        best, waited, status = np.inf, 0, LpStatus.MAX_ITER
        first = self.nit
        for nit in range(first, self.max_iter + 1):
            self.nit = nit
            gap = self.measure()
            done = (gap <= self.tol and self.certified()) or self.exact_fit()
            # the dual of a warm start is not feasible yet: its gap proves nothing
            if self._report(gap if done or cold or nit > first else np.inf):
                status = LpStatus.STOPPED
                break
            if done:
                status = LpStatus.CONVERGED
                break
            if nit == self.max_iter:
                break
            if nit == first + 1 and not cold:
                if self.nearly_dependent():
                    return None
                if gap > POOR_START:
                    self.pc = _first_exponents(P.p)
            if self.progress < 0.5 * best or not np.array_equal(self.pc, P.p):
                best, waited = min(self.progress, best), 0
            else:
                waited += 1
            if (
                waited > (STALL if P.solo and self.rows is None else STALL_MIXED)
                or not np.isfinite(gap)
                or self.runs_away()
            ):
                status = LpStatus.STALLED
                break
            with np.errstate(all="ignore"):  # what overflows is found by the next gap
                moved = self._iterate()
            if not moved:
                status = LpStatus.STALLED
                break
        if status == LpStatus.STALLED and self.may_reduce and np.isfinite(self.z).all():
            return None
        theta = self.theta
        return Outcome(
            self.z,
            self.r,
            theta * self.y,
            theta * self.zd,
            theta * self.mu,
            status,
            self.gap,
            self.nit,
            self.start_level,
            self.history,
        )

    def _iterate(self) -> bool:
        P, rows, system = self.program, self.rows, self.system
        if not P.solo:
            kernels.values(self.r, P.ptr, P.p, self.one, self.norms, self.floor)
            small = self.floor < SHRUNK * self.reference
            share = self.apart / np.maximum(P.c, 1e-300)  # a norm smoothed by this adds the gap once more
            eps = SMOOTHING * np.minimum(self.progress * self.reference, share)
            self.floor = np.where(small, eps, 0.0)
        if P.solo and self.pc[0] != P.p[0]:
            q = self.pc[0] / (self.pc[0] - 1)
            size = kernels.norm(self.y, 0, len(self.y), q)
            if size > 0:
                self.y, self.mu = self.y / size, self.mu / size
        pc, c, kind = self._current()
        self._units(self.pc)
        kernels.linearize(
            self.r, self.y, P.ptr, self.pc, self.unit_r, self.unit_y, self.size_y, self.lead,
            SLOPE_FLOOR, SMALLEST_WEIGHT if P.E is None else SMALLEST_WEIGHT_KKT,
            self.d, self.t, self.g_hat, self.share, self.shift,
        )  # fmt: skip
        w = None if rows is None else self.mu / self.s
        if w is not None and not np.isfinite(w).all():
            return False
        U, k = self._rank_one()
        if system.factor(self.d, w, U) and k is not None:
            group = np.repeat(np.arange(len(P.p)), np.diff(P.ptr))
            self.t -= (k * self.unit_r * self.shift)[group] * self.g_hat
        else:
            k = None
        rhs = P.A.T @ self.t
        if P.Q is not None or P.q is not None:
            rhs += P.smooth_gradient(self.z)
        tau = 0.0
        if w is None:
            dz = -system.solve(rhs)
            ds = dmu = kernels.EMPTY
        else:
            dz, ds, dmu, tau = predict_correct(self, rhs, w)
        if not np.isfinite(dz).all():
            return False
        dr = P.A @ dz
        y_new = self.t + self.d * dr
        if k is not None:
            inner = np.add.reduceat(self.g_hat * dr, P.ptr[:-1]) if len(dr) else np.zeros(0)
            y_new -= (k * inner)[group] * self.g_hat
        dy = y_new - self.y
        step = self._primal_step(dz, dr, pc, c, kind, np.inf if P.q is None else LONGEST, tau, ds)
        dzd = self.z + dz - self.zd if P.Q is not None else kernels.EMPTY
        dual = self._dual_step(dy, dzd, dmu, tau)
        if not (np.isfinite(step) and np.isfinite(dual)):
            return False
        self.z += step * dz
        self.r += step * dr
        if rows is not None:
            self.s = self.s + step * ds
            self.primal = self.primal * (1 - step)
        if not P.solo and dual != 1.0 and not self._better_dual(dual, dy, dzd, dmu):
            dual = 1.0
        self.y += dual * dy
        if P.Q is not None:
            self.zd += dual * dzd
        if rows is not None:
            self.mu = self.mu + dual * dmu
        self.step = step
        if max(step, dual) >= GOOD_STEP:
            ahead = _next_exponents(self.pc, P.p)
            self.pc = np.where(P.p > STEEP, self.pc, ahead) if self.infeasible and self.patient else ahead
        return step > 0 or dual > 0

    def _units(self, pc: np.ndarray) -> None:
        P = self.program
        kernels.units(
            self.r, self.y, P.ptr, pc, P.p, P.c, P.kind, self.floor,
            self.unit_r, self.unit_y, self.size_y, self.lead,
        )  # fmt: skip

    def _current(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Exponents, coefficients and kinds of the homotopy's present objective."""
        P = self.program
        if np.array_equal(self.pc, P.p):
            return P.p, P.c, P.kind
        c = P.c.copy()
        size = np.empty(len(c))
        kernels.values(self.r, P.ptr, self.pc, np.ones(len(c)), np.zeros(len(c), np.int64), size)
        powers = (P.kind == 1) & (self.pc != P.p) & (size > 0)
        c[powers] *= P.p[powers] / self.pc[powers] * size[powers] ** (P.p[powers] - self.pc[powers])
        return self.pc, c, P.kind

    def _rank_one(self) -> tuple[Any, np.ndarray | None]:
        """Each norm's Hessian has the part -k (A'g)(A'g)': the rows sqrt(k) A'g, and k. A single norm needs none."""
        P = self.program
        if P.solo or not (P.kind == 0).any():
            return None, None
        norms = (P.kind == 0) & (self.unit_r > 0)
        k = np.zeros(len(P.p))
        k[norms] = (self.share * (self.pc - 1) * self.unit_y)[norms] / self.unit_r[norms]
        keep = k > 0
        if P.sparse:
            m = len(self.g_hat)
            sums = sp.csr_array((self.g_hat, np.arange(m), P.ptr), shape=(len(k), m))
            return (sp.diags_array(np.sqrt(k[keep])) @ (sums @ P.A)[keep]).tocsr(), k
        U = np.zeros((len(k), P.A.shape[1]))
        for g in np.flatnonzero(keep):
            U[g] = self.g_hat[P.ptr[g] : P.ptr[g + 1]] @ P.A[P.ptr[g] : P.ptr[g + 1]]
        return np.sqrt(k[keep])[:, None] * U[keep], k

    def _primal_step(
        self, dz: np.ndarray, dr: np.ndarray, p: np.ndarray, c: np.ndarray, kind: np.ndarray,
        longest: float, tau: float, ds: np.ndarray = kernels.EMPTY,
    ) -> float:  # fmt: skip
        P = self.program
        linear = quadratic = 0.0
        if P.q is not None:
            linear += float(P.q @ dz)
        if P.Q is not None:
            Qdz = P.Q @ dz
            linear += float(self.z @ Qdz)
            quadratic = float(dz @ Qdz)
        s = self.s if len(ds) else kernels.EMPTY
        if len(ds):
            longest = min(1.0, TO_BOUNDARY * kernels.step_to_boundary(s, ds))
        step = kernels.line_search(
            self.r, dr, P.ptr, p, c, kind, self.floor, linear, quadratic, s, ds, tau, longest, ACCURACY,
            ROUNDING * self.level,
        )  # fmt: skip
        if len(ds) and self.infeasible:
            # while constraints are violated the direction need not descend: it leads to feasibility
            step = longest
        return step

    def _dual_step(self, dy: np.ndarray, dzd: np.ndarray, dmu: np.ndarray, tau: float) -> float:
        P = self.program
        linear, quadratic = float(P.b @ dy), 0.0
        if len(dzd):
            Qd = P.Q @ dzd
            linear += float(self.zd @ Qd)
            quadratic = float(dzd @ Qd)
        longest = np.inf
        mu = self.mu if len(dmu) else kernels.EMPTY
        if len(dmu):
            linear += float(self.limits @ dmu)
            longest = min(1.0, TO_BOUNDARY * kernels.step_to_boundary(mu, dmu))
        q = self.pc / (self.pc - 1)
        near = 0.5 * np.round(2 * q)  # as in kernels.conjugate
        q = np.where(np.abs(q - near) <= 1e-12 * q, near, q)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            c = np.where(self.unit_y > 0, self.unit_r * self.unit_y ** (1 - q) / q, 0.0)
        one = np.ones(len(q), np.int64)
        step = kernels.line_search(
            self.y, dy, P.ptr, q, c, one, self.no_floor, linear, quadratic, mu, dmu, tau, longest, ACCURACY,
            ROUNDING * float(self.unit_r @ self.unit_y),
        )  # fmt: skip
        if self.dual_infeasible:
            step = max(step, min(1.0, longest))
            if step == 1.0:
                self.dual_infeasible = False
        return step

    def _better_dual(self, dual: float, dy: np.ndarray, dzd: np.ndarray, dmu: np.ndarray) -> bool:
        """Whether a step `dual` of the duals leaves a smaller gap than a full one (which may leave mu's cone)."""
        if len(dmu) and kernels.step_to_boundary(self.mu, dmu) < 1.0:
            return True
        kept, gaps = (self.y, self.zd, self.mu), []
        for step in (dual, 1.0):
            self.y = kept[0] + step * dy
            self.zd = kept[1] + step * dzd if len(dzd) else kept[1]
            self.mu = kept[2] + step * dmu if len(dmu) else kept[2]
            gaps.append(self.measure())
        self.y, self.zd, self.mu = kept
        return gaps[0] < gaps[1]

    def _report(self, gap: float) -> bool:
        fun, gap = self.shown(self.fun, gap)
        entry = {"nit": self.nit, "fun": fun, "gap": gap, "step": self.step}
        self.history.append(entry)
        if self.log is not None:
            self.log.info("%3d  fun %.10g  gap %.2e  step %.2g", self.nit, fun, gap, self.step)
        if self.callback is not None:
            try:
                self.callback(dict(entry))
            except StopIteration:
                return True
        return False


def _small(r: np.ndarray, b: np.ndarray) -> bool:
    return float(np.abs(r).max(initial=0.0)) < 1e-6 * float(np.abs(b).max(initial=0.0))


def _first_exponents(p: np.ndarray) -> np.ndarray:
    return np.where(p > 2, np.minimum(p, FIRST_LARGE), np.maximum(p, FIRST_SMALL))


def _next_exponents(pc: np.ndarray, p: np.ndarray) -> np.ndarray:
    if np.array_equal(pc, p):
        return pc
    q = 1 + GROW_DUAL / (pc - 1)
    return np.where(p > 2, np.minimum(p, 1 + GROW * (pc - 1)), np.maximum(p, q / (q - 1)))
