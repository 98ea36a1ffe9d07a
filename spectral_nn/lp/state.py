"""The pair of points an iteration holds, primal and dual, and what it can prove: gap, feasibility, exact fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import kernels
from .program import Program
from .result import LpStatus
from .systems import System

EXACT_FIT = 64.0  # units of rounding of |A||x| + |b|
EXACT_FIT_BARRIER = 1e4  # the same with inequalities: a barrier comes close to a zero optimum, not onto it
RUNAWAY = (
    1e9  # times the size of data and start: out there constraints contradict, or the problem is unbounded
)
ROUNDING = 2.0**-52
LEAST_SIZE = 1e-6  # of the terms at the start: what an objective that tends to 0 is measured by
FEASIBLE = 1e-10  # violation of inequalities, relative to 1 + |h|, that counts as rounding
STATIONARY = 1e-9  # relative size of A'y + ... at which a dual point counts as feasible


@dataclass(slots=True)
class Outcome:
    """Where the iteration ended, in the program's units."""

    z: np.ndarray
    r: np.ndarray
    y: np.ndarray
    zd: np.ndarray  # the dual's quadratic part: Q zd instead of Q z in the stationarity
    mu: np.ndarray
    status: LpStatus
    gap: float
    nit: int
    start_level: float
    history: list[dict[str, float]] = field(default_factory=list)


class State:
    """z, r = A z - b; the dual point y, zd, mu; slacks s of the inequalities and their violation `primal`."""

    def __init__(self, program: Program, system: System, tol: float) -> None:
        self.program, self.system, self.tol = program, system, tol
        self.rows = program.inequalities
        n, none = program.A.shape[1], np.zeros(0)
        self.z, self.zd, self.r, self.y = np.zeros(n), np.zeros(n), -program.b, np.zeros(len(program.b))
        self.s, self.mu, self.primal = none, none, none
        self.limits = none if self.rows is None else self.rows.h
        self.infeasible = self.dual_infeasible = False
        # least sizes of the terms, and the size x must have somewhere
        self.floors, self.reach = program.floors()
        self.d = np.ones(len(program.b))  # the rows' weights in the last factored matrix
        self.values = np.empty(len(program.p))
        self.one, self.norms = np.ones(len(program.p)), np.zeros(len(program.p), np.int64)
        self.theta, self.fun, self.level, self.gap = 1.0, np.inf, 0.0, np.inf
        self.start_size = self.start_level = 0.0  # of z, and of the terms, where the run began
        self.progress = 1.0  # the gap relative to the terms at the start
        self.apart = np.inf  # the gap itself

    def objective(self, z: np.ndarray) -> float:
        """The objective at z, in the program's units."""
        P = self.program
        kernels.values(P.A @ z - P.b, P.ptr, P.p, P.c, P.kind, self.values)
        return float(self.values.sum()) + P.smooth_part(z) + P.constant

    def measure(self) -> float:
        """Relative duality gap; scales the duals so that they are feasible."""
        P = self.program
        kernels.conjugate_values(self.y, P.ptr, P.p, P.c, P.kind, self.values)
        norms = self.values[P.kind == 0]
        largest = float(norms.max(initial=0.0))
        theta = 1.0
        if P.solo:
            theta = 1.0 / largest if largest > 0 else 1.0
            self.y *= theta
            self.mu = self.mu * theta
            self.theta = theta = 1.0
        elif largest > 1.0:
            theta = 1.0 / largest
        self.theta = theta
        gap = kernels.fenchel_gap(self.r, self.y, theta, P.ptr, P.p, P.c, P.kind)
        if P.Q is not None:
            apart = self.z - theta * self.zd
            gap += 0.5 * float(apart @ (P.Q @ apart))
        if self.rows is not None:
            gap += theta * float(self.mu @ (self.s - self.primal))
        kernels.values(self.r, P.ptr, P.p, P.c, P.kind, self.values)
        self.level = parts = float(self.values.sum())
        self.fun = fun = parts + P.smooth_part(self.z) + P.constant
        if not (np.isfinite(fun) and np.isfinite(gap)):
            self.gap = self.apart = np.inf
            return self.gap
        size = max(abs(fun), abs(fun - gap), LEAST_SIZE * self.start_level)
        self.gap, self.apart = (abs(gap) / size if size > 0 else 0.0), abs(gap)
        self.progress = min(abs(gap) / max(self.start_level, size), 1.0) if size > 0 else 0.0
        return self.gap

    def certified(self) -> bool:
        """Whether the dual point is feasible to rounding and x to the tolerance; repairs the dual once."""
        P = self.program
        self.r = P.A @ self.z - P.b
        for attempt in range(2):
            g = self._stationarity(self.theta)
            if P.E is not None:
                if not self.system.factored:
                    return False
                self.system.solve(g)
                g = g - self.system.pull
            size = self.theta * absolute_product(P.A, self.y)
            if P.Q is not None:
                size += abs(P.Q) @ np.abs(self.zd)
            if P.q is not None:
                size += np.abs(P.q)
            worst = float(np.abs(g).max(initial=0.0) / max(size.max(initial=0.0), 1e-300))
            if worst <= STATIONARY or attempt or not self.system.factored:
                break
            dz = self.system.solve(g) / self.theta
            self.y -= self.d * (P.A @ dz)
            if P.Q is not None:
                self.zd = self.zd - dz
        if self.rows is not None:
            self.primal = self.rows.times(self.z) + self.s - self.rows.h
            if float(np.abs(self.primal).max(initial=0.0)) > self.feasibility():
                return False
        return worst <= max(STATIONARY, 0.1 * self.tol) and self.measure() <= self.tol

    def exact_fit(self) -> bool:
        """Whether every residual is zero as far as float64 can tell: then 0 is the optimum, and y = 0 proves it."""
        P = self.program
        if P.Q is not None or P.q is not None or not len(self.r):
            return False
        size = max(float(np.abs(P.b).max(initial=0.0)), P.cancelled)
        if np.abs(self.r).max() > 1e-6 * size and size > 0:
            return False
        units = EXACT_FIT if self.rows is None else EXACT_FIT_BARRIER
        noise = units * ROUNDING * (np.abs(P.b) + abs(P.A) @ np.abs(self.z) + P.cancelled)
        if not (np.abs(P.A @ self.z - P.b) <= noise.max(initial=0.0)).all():
            return False
        if self.rows is not None and (self.rows.times(self.z) > self.rows.h + self.feasibility()).any():
            return False
        self.y, self.mu, self.zd = 0 * self.y, 0 * self.mu, 0 * self.zd
        return True

    def runs_away(self) -> bool:
        if self.program.q is None and self.rows is None:
            return False
        size = max(self.reach, float(np.abs(self.program.b).max(initial=0.0)), self.start_size)
        return float(np.abs(self.z).max(initial=0.0)) > RUNAWAY * (size or 1.0)

    def feasibility(self) -> float:
        """The violation of inequalities that counts as rounding."""
        assert self.rows is not None
        return FEASIBLE * (1.0 + float(np.abs(self.rows.h).max(initial=0.0)))

    def _stationarity(self, theta: float) -> np.ndarray:
        P = self.program
        g = theta * (P.A.T @ self.y)
        if P.Q is not None:
            g += theta * (P.Q @ self.zd)
        if P.q is not None:
            g += P.q
        if self.rows is not None:
            g += theta * self.rows.transpose_times(self.mu)
        return g


def absolute_product(A: Any, y: np.ndarray) -> np.ndarray:
    """|A|'|y|: what A'y is to be measured against."""
    if sp.issparse(A):
        return abs(A).T @ np.abs(y)
    out = np.zeros(A.shape[1])
    kernels.absolute_product(A, y, out)
    return out
