"""One small norm without constraints: the iteration of the batches, compiled whole, for one problem.

A small problem spends its time between kernels, not in them. Where the compiled iteration does not converge the caller
goes the usual road, which knows more remedies.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from . import kernels
from .newton import (
    ACCURACY,
    FIRST_LARGE,
    FIRST_SMALL,
    GOOD_STEP,
    GROW,
    GROW_DUAL,
    SLOPE_FLOOR,
    SMALLEST_WEIGHT,
    WEAK_PIVOT,
    WEAK_PIVOT_EXTREME,
)
from .result import LpResult, LpStatus
from .state import STATIONARY

if TYPE_CHECKING:
    from .problem import LpProblem

TRACED = 200  # iterations that can be told in the history
LARGEST = 40_000  # entries of A up to which the compiled whole is faster than BLAS called from Python


def settings(p: float) -> tuple[float, float, float, float, float, float, float]:
    """The constants of the compiled iteration at exponent p."""
    first, grow = (FIRST_LARGE, GROW) if p > 2 else (FIRST_SMALL, GROW_DUAL)
    weak = WEAK_PIVOT_EXTREME if p < 1.4 or p > 10 else WEAK_PIVOT
    return weak, first, grow, SLOPE_FLOOR, SMALLEST_WEIGHT, ACCURACY, GOOD_STEP


def solve_quickly(
    problem: LpProblem,
    x0: np.ndarray | None,
    dual0: list[np.ndarray] | None,
    tol: float,
    max_iter: int,
    began: float,
) -> LpResult | None:
    """The certified result, or None where the problem is of another kind or the iteration did not end well."""
    if not _applies(problem):
        return None
    from . import batch_kernels

    term = problem.terms[0]
    w = term.row_weights
    A, b = (term.A, term.b) if w is None else (w[:, None] * term.A, w * term.b)
    m, n = A.shape
    x, y, warm = np.zeros(n), np.empty(m), batch_kernels.COLD
    if x0 is not None and kernels.norm(A @ x0 - b, 0, m, term.p) < kernels.norm(b, 0, m, term.p):
        x, warm = x0.copy(), batch_kernels.WITH_X
        if dual0 is not None:
            y = dual0[0] if w is None else np.divide(dual0[0], w, out=np.zeros(m), where=w > 0)
            y, warm = y.copy(), batch_kernels.WITH_BOTH
    power = term.kind == "power"
    # the iteration measures the norm itself, whose relative gap is about p times smaller than that of the power
    inside = -math.expm1(math.log1p(-min(tol, 0.5)) / term.p) if power else tol
    A = np.ascontiguousarray(A)
    trace = np.empty((TRACED, 3))
    _, nit, status = batch_kernels.solve_one(
        A, b, term.p, warm, x, y, inside, max_iter, settings(term.p), trace
    )
    if status != LpStatus.CONVERGED or not y.any():
        return None
    r = A @ x - b
    norm = kernels.norm(r, 0, m, term.p)
    share = max(norm - float(r @ y), 0.0) / norm
    stationarity = float(np.abs(A.T @ y).max() / max((np.abs(A).T @ np.abs(y)).max(), 1e-300))
    if warm != batch_kernels.COLD and nit > 0:
        trace[0, 1] = np.inf  # the dual of a warm start is not feasible yet: its gap proves nothing
    solver = {"solver": "cholesky", "solves": int(nit) + 1, "refinements": 0, "fell_back": 0}
    return certified_result(
        problem, x, y, norm, share, stationarity, tol, nit, nit + 1, trace[: nit + 1], solver, began
    )


def certified_result(
    problem: LpProblem,
    x: np.ndarray,
    y: np.ndarray,
    norm: float,
    share: float,
    stationarity: float,
    tol: float,
    nit: int,
    factorizations: int,
    trace: np.ndarray,
    solver: dict[str, Any],
    began: float,
) -> LpResult | None:
    """The result for one norm from x, its dual y with ||y||_q = 1 and the relative gap `share` of the norm.

    `trace` (nit + 1, 3) holds norm, gap and step of every iteration. None where the gap is above `tol`.
    """
    term = problem.terms[0]
    degree = term.p if term.kind == "power" else 1.0
    with np.errstate(over="ignore"):
        fun = float(term.weight * np.float64(norm) ** degree)
        unit = float(term.weight * degree * np.float64(norm * (1 - share)) ** (degree - 1))
    gap = share if degree == 1 else -math.expm1(degree * math.log1p(-min(share, 0.5)))
    if not gap <= tol or stationarity > STATIONARY or not math.isfinite(fun * unit):
        return None
    none = np.zeros(0)
    return LpResult(
        x=x,
        fun=fun,
        success=True,
        status=LpStatus.CONVERGED,
        message=LpStatus.CONVERGED.sentence,
        nit=int(nit),
        gap=gap,
        dual_fun=fun * (1 - gap),
        dual=[unit * y if term.row_weights is None else unit * term.row_weights * y],
        eq_dual=none,
        ineq_dual=none,
        lb_dual=none,
        ub_dual=none,
        kkt={"stationarity": stationarity, "equality": 0.0, "inequality": 0.0, "complementarity": 0.0},
        factorizations=int(factorizations),
        time=time.perf_counter() - began,
        linear_solver=solver,
        history=[
            {"nit": k, "fun": term.weight * row[0] ** degree, "gap": row[1] * degree, "step": row[2]}
            for k, row in enumerate(trace.tolist())
        ],
        dual_x=x,
    )


def single_dense_norm(problem: LpProblem) -> bool:
    """Whether the objective is one norm (or power) of dense data, and there is nothing else."""
    if len(problem.terms) != 1 or problem.ridge:
        return False
    others = (problem.Q, problem.q, problem.E, problem.G, problem.lb, problem.ub)
    if any(other is not None for other in others):
        return False
    term = problem.terms[0]
    return term.groups is None and term.weight > 0 and not sp.issparse(term.A)


def _applies(problem: LpProblem) -> bool:
    if not single_dense_norm(problem):
        return False
    rows, unknowns = problem.terms[0].A.shape
    return 0 < rows * unknowns <= LARGEST and rows >= unknowns
