"""From the iteration's units back to the user's: multipliers, gap and residuals recomputed from the user's data."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from . import kernels
from .newton import Outcome
from .program import Stacked
from .reduction import Reduction
from .result import LpResult, LpStatus
from .systems import System

if TYPE_CHECKING:
    from .problem import LpProblem

EXACT_FIT = 64.0  # units of rounding of |A||x| + |b|: a residual below is zero as far as float64 can tell


def finish(
    problem: LpProblem,
    stacked: Stacked,
    reduction: Reduction,
    system: System,
    outcome: Outcome,
    length: float,
    log_value: float,
    tol: float,
    began: float,
) -> LpResult:
    """The result of a run."""
    z, zd = outcome.z * length, outcome.zd * length
    if reduction.null is not None and reduction.null.shape[1]:
        x = reduction.x(z)
        x = x - reduction.null @ (reduction.null.T @ x)
        xd = reduction.x(zd)
    else:
        x, xd = reduction.x(z), reduction.x(zd)
    return _result(problem, stacked, reduction, system, outcome, x, xd, length, log_value, tol, began)


def _result(problem, stacked, reduction, system, outcome, x, xd, length, log_value, tol, began) -> LpResult:
    fun = problem.objective(x)
    P = stacked.program
    unit = math.exp(log_value) / length
    y, mu = outcome.y, outcome.mu
    r = P.A @ x - P.b
    if P.solo:
        # The iteration's y has ||y||_q = 1: the gradient of ||r||_p.
        term = problem.terms[0]
        q = term.p / (term.p - 1)
        size = kernels.norm(y, 0, len(y), q)
        norm = kernels.norm(r, 0, len(r), term.p)
        unit = term.weight * (1.0 if term.kind == "norm" else term.p * norm ** (term.p - 1)) / (size or 1.0)
    y, mu = unit * y, unit * mu
    k = 0 if problem.G is None else problem.G.shape[0]
    g_dual, low, high = np.zeros(k), np.zeros(0), np.zeros(0)
    if P.inequalities is not None:
        count = P.inequalities.G.shape[0]
        if k:
            g_dual[stacked.finite] = mu[:count]
        rest = mu[count:]
        for name, s in (("lb", -1.0), ("ub", 1.0)):
            bound = getattr(problem, name)
            if bound is not None:
                out = np.zeros(problem.n)
                pick = P.inequalities.sign == s
                out[P.inequalities.index[pick]] = rest[pick]
                low, high = (out, high) if s < 0 else (low, out)
    gradient = P.A.T @ y + P.smooth_gradient(xd)
    if P.inequalities is not None:
        gradient = gradient + P.inequalities.transpose_times(mu)
    nu = np.zeros(0)
    if problem.E is not None:
        E = problem.E.toarray() if sp.issparse(problem.E) else problem.E
        nu = -np.linalg.lstsq(E.T, gradient, rcond=None)[0]
        gradient = gradient + E.T @ nu
    size = abs(P.A).T @ np.abs(y)
    kkt = {
        "stationarity": float(np.abs(gradient).max(initial=0.0) / max(size.max(initial=0.0), 1e-300)),
        "equality": 0.0 if problem.E is None else float(np.abs(problem.E @ x - problem.e).max(initial=0.0)),
        "inequality": 0.0,
        "complementarity": 0.0,
    }
    if P.inequalities is not None:
        over = P.inequalities.times(x) - P.inequalities.h
        kkt["inequality"] = float(over.max(initial=0.0))
        kkt["complementarity"] = float(abs(mu @ over) / max(abs(fun), 1e-300))
    status = outcome.status
    gap = outcome.gap
    return LpResult(
        x=x,
        fun=fun,
        success=status == LpStatus.CONVERGED,
        status=status,
        message=status.sentence,
        nit=outcome.nit,
        gap=gap,
        dual_fun=fun - gap * abs(fun),
        dual=stacked.per_term(y),
        eq_dual=nu,
        ineq_dual=g_dual,
        lb_dual=low,
        ub_dual=high,
        kkt=kkt,
        factorizations=system.factorizations,
        time=time.perf_counter() - began,
        linear_solver=system.report(),
        history=outcome.history,
    )


def impossible(problem: Any, nu: np.ndarray, began: float) -> LpResult:
    raise NotImplementedError


def unbounded_direction() -> None:
    raise NotImplementedError
