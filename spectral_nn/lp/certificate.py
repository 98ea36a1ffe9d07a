"""From the iteration's units back to the user's: multipliers, gap and residuals recomputed from the user's data."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from . import kernels
from .program import Program, Stacked
from .reduction import DENSE_NULL_SPACE, Reduction, sparse_lstsq
from .result import LpResult, LpStatus
from .state import LEAST_SIZE, Outcome
from .systems import System

if TYPE_CHECKING:
    from .problem import LpProblem

PRIMAL_FEASIBLE = 1e-8
DUAL_FEASIBLE = 1e-8  # relative size of A'y + ... in the user's unknowns
DUAL_USELESS = 1e-5  # beyond this the dual point is none, and a gap computed from it proves nothing
SLACK = (
    3.0  # a recomputed gap may exceed the tolerance by rounding; beyond this factor the run counts as stalled
)


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
    """The result of a run, its certificate recomputed with the user's A and b."""
    x, xd = reduction.x(outcome.z * length), reduction.x(outcome.zd * length)
    if reduction.null is not None and reduction.null.shape[1]:
        x = x - reduction.null @ (reduction.null.T @ x)
    P = stacked.program
    if P.inequalities is not None and not len(outcome.mu):  # one point was left, no inequality had a say
        outcome.mu = np.zeros(len(P.inequalities.h))
    r = P.A @ x - P.b
    fun = problem.objective(x)
    gap, dual_fun, unit = _gap(problem, P, r, x, xd, outcome, length, log_value, fun)
    overflow = not np.isfinite(unit)  # a power of huge residuals: its duals overflow like its value
    scale = 1.0 if overflow else unit
    y, mu = scale * outcome.y, scale * outcome.mu
    gradient, size = _stationarity(P, y, mu, xd)
    nu = np.zeros(0)
    if problem.E is not None:
        nu = -_multipliers_of(problem.E, gradient)
        gradient, size = gradient + problem.E.T @ nu, size + abs(problem.E).T @ np.abs(nu)
    status = outcome.status
    proven = gap <= SLACK * tol and _feasible(problem, x) and _relative(gradient, size) <= DUAL_USELESS
    if status == LpStatus.CONVERGED and not proven:
        status = LpStatus.STALLED
    elif status in (LpStatus.STALLED, LpStatus.MAX_ITER) and gap <= tol and _feasible(problem, x):
        status = LpStatus.CONVERGED if _relative(gradient, size) <= DUAL_FEASIBLE else status
    kkt = _kkt(problem, P, x, mu, gradient, size, fun)
    if overflow:
        y, mu, nu = (np.where(v == 0.0, 0.0, np.copysign(np.inf, v)) for v in (y, mu, nu))
    ineq, low, high = _multipliers(problem, stacked, mu)
    return LpResult(
        x=x,
        fun=fun,
        success=status == LpStatus.CONVERGED,
        status=status,
        message=status.sentence + system.helpless(),
        nit=outcome.nit,
        gap=gap,
        dual_fun=dual_fun,
        dual=stacked.per_term(y),
        eq_dual=nu,
        ineq_dual=ineq,
        lb_dual=low,
        ub_dual=high,
        kkt=kkt,
        factorizations=system.factorizations,
        time=time.perf_counter() - began,
        linear_solver=system.report(),
        history=outcome.history,
        dual_x=xd,
    )


def _gap(
    problem: LpProblem, P: Program, r: np.ndarray, x: np.ndarray, xd: np.ndarray, outcome: Outcome,
    length: float, log_value: float, fun: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Relative gap, dual objective, and the unit that turns the iteration's duals into the user's."""
    y, mu = outcome.y, outcome.mu
    slack = 0.0 if P.inequalities is None else float(mu @ (P.inequalities.h - P.inequalities.times(x)))
    if P.solo:
        term = problem.terms[0]
        norm = kernels.norm(r, 0, len(r), term.p)
        gap = max(norm - float(r @ y) + slack, 0.0)
        if not y.any():  # an exact fit: 0 is the optimum, and the gap is measured by the data
            terms = np.abs(P.b) + abs(P.A) @ np.abs(x)
            size = max(float(terms.max(initial=0.0)), 1e-300)
            return norm / size, 0.0, 0.0
        share = gap / norm
        if term.kind == "norm":
            return share, fun * (1 - share), term.weight
        with np.errstate(over="ignore"):
            unit = float(term.weight * term.p * np.float64(norm * (1 - share)) ** (term.p - 1))
        share = -math.expm1(term.p * math.log1p(-min(share, 1 - 1e-16)))
        return share, fun * (1 - share), unit
    scaled = P.scaled(length, log_value)
    r = r / length
    gap = kernels.fenchel_gap(r, y, 1.0, P.ptr, P.p, scaled.c, P.kind) + slack / length
    if scaled.Q is not None:
        apart = (x - xd) / length
        gap += 0.5 * float(apart @ (scaled.Q @ apart))
    values = np.empty(len(P.p))
    kernels.values(r, P.ptr, P.p, scaled.c, P.kind, values)
    total = float(values.sum())
    value = total + scaled.smooth_part(x / length)
    size = max(abs(value), abs(value - gap), LEAST_SIZE * outcome.start_level)
    gap = abs(gap)
    with np.errstate(over="ignore"):
        unit = float(np.exp(log_value - math.log(length)))
        dual_fun = fun - gap * float(np.exp(log_value))
    if not y.any() and value <= 1e-13 and P.Q is None and P.q is None:
        return value, dual_fun, unit
    return (gap / size if size > 0 else 0.0), dual_fun, unit


def _stationarity(P: Program, y: np.ndarray, mu: np.ndarray, xd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A'y + Q xd + q + G'mu, and the same with absolute values: what its entries are to be measured against."""
    gradient = P.A.T @ y + P.smooth_gradient(xd)
    size = abs(P.A).T @ np.abs(y)
    if P.Q is not None:
        size = size + abs(P.Q) @ np.abs(xd)
    if P.q is not None:
        size = size + np.abs(P.q)
    if P.inequalities is not None:
        gradient = gradient + P.inequalities.transpose_times(mu)
        size = size + abs(P.inequalities.rows()).T @ mu
    return gradient, size


def _multipliers_of(E: Any, gradient: np.ndarray) -> np.ndarray:
    """The least-squares solution of E'nu = gradient."""
    if sp.issparse(E) and E.shape[1] > DENSE_NULL_SPACE:
        return sparse_lstsq(E.T.tocsr(), gradient)
    E = E.toarray() if sp.issparse(E) else E
    return np.linalg.lstsq(E.T, gradient, rcond=None)[0]


def _multipliers(
    problem: LpProblem, stacked: Stacked, mu: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ineq = np.zeros(0 if problem.G is None else problem.G.shape[0])
    bounds = {-1.0: np.zeros(0), 1.0: np.zeros(0)}
    rows = stacked.program.inequalities
    for sign, bound in ((-1.0, problem.lb), (1.0, problem.ub)):
        if bound is not None:
            bounds[sign] = np.zeros(problem.n)
    if rows is not None:
        count = rows.G.shape[0]
        if problem.G is not None:
            ineq[stacked.finite] = mu[:count]
        for sign, out in bounds.items():
            pick = rows.sign == sign
            if pick.any():
                out[rows.index[pick]] = mu[count:][pick]
    return ineq, bounds[-1.0], bounds[1.0]


def _kkt(
    problem: LpProblem,
    P: Program,
    x: np.ndarray,
    mu: np.ndarray,
    gradient: np.ndarray,
    size: np.ndarray,
    fun: float,
) -> dict[str, float]:
    equality = inequality = complementarity = 0.0
    if problem.E is not None:
        wide = abs(problem.E) @ np.abs(x) + np.abs(problem.e)
        equality = _relative(problem.E @ x - problem.e, wide)
    if P.inequalities is not None:
        over = P.inequalities.times(x) - P.inequalities.h
        wide = abs(P.inequalities.rows()) @ np.abs(x) + np.abs(P.inequalities.h)
        inequality = _relative(np.maximum(over, 0.0), wide)
        complementarity = float(np.abs(mu * over).sum() / max(abs(fun), 1e-300))
    return {
        "stationarity": _relative(gradient, size),
        "equality": equality,
        "inequality": inequality,
        "complementarity": complementarity,
    }


def _relative(residual: np.ndarray, size: np.ndarray) -> float:
    return float(np.abs(residual).max(initial=0.0) / max(float(size.max(initial=0.0)), 1e-300))


def _feasible(problem: LpProblem, x: np.ndarray) -> bool:
    """Whether every constraint holds to PRIMAL_FEASIBLE, relative to the sizes of its terms."""
    if problem.E is not None:
        wide = abs(problem.E) @ np.abs(x) + np.abs(problem.e)
        if _relative(problem.E @ x - problem.e, wide) > PRIMAL_FEASIBLE:
            return False
    sizes = [np.abs(right[np.isfinite(right)]).max(initial=0.0) for right in (problem.h, problem.lb, problem.ub)
             if right is not None]  # fmt: skip
    slack = PRIMAL_FEASIBLE * (1.0 + max(sizes, default=0.0))
    over = [-np.inf]
    if problem.G is not None:
        over.append(float((problem.G @ x - problem.h).max(initial=0.0)))
    if problem.lb is not None:
        over.append(float((problem.lb - x).max(initial=0.0)))
    if problem.ub is not None:
        over.append(float((x - problem.ub).max(initial=0.0)))
    return max(over) <= slack
