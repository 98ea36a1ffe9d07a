"""Optima of zero, where a relative gap means nothing.

An objective of norms, powers and quadratics alone is nonnegative, so zero is a bound that needs no dual
point. Where the objective vanishes at a feasible point, exactly or as far as its digits tell, that point is
optimal and all multipliers may be zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spectral_nn import LpProblem, LpResult
from spectral_nn.lp import LpStatus

# The objective counts as zero below this share of what it would be if no residual cancelled.
_ZERO = 1e-13
# Violation of constraints, relative to 1 + |right-hand side|, that counts as rounding.
_FEASIBLE = 1e-10


def recognised(problem: LpProblem, result: LpResult, uncancelled: Callable[[np.ndarray], float]) -> LpResult:
    """`result`, or where it failed although the optimum is zero, the result that says so.

    Parameters
    ----------
    problem : LpProblem
    result : LpResult
    uncancelled : callable
        ``uncancelled(x)`` is the objective at x if nothing in the residuals cancelled.
    """
    unfinished = result.status in (LpStatus.STALLED, LpStatus.MAX_ITER)
    if not unfinished or (problem.q is not None and np.any(problem.q)):
        return result
    origin = np.zeros(problem.n)
    if _feasible(problem, origin) and problem.objective(origin) == 0.0:
        return _zero(problem, result, origin)
    x = result.x
    if np.all(np.isfinite(x)) and _feasible(problem, x) and problem.objective(x) <= _ZERO * uncancelled(x):
        return _zero(problem, result, x)
    return result


def _feasible(problem: LpProblem, x: np.ndarray) -> bool:
    def close(violation: np.ndarray, size: np.ndarray) -> bool:
        return bool(np.all(violation <= _FEASIBLE * (1.0 + np.abs(size))))

    return (
        (problem.E is None or close(np.abs(problem.E @ x - problem.e), problem.e))
        and (problem.G is None or close(problem.G @ x - problem.h, problem.h))
        and (problem.lb is None or bool(np.all(x >= problem.lb)))
        and (problem.ub is None or bool(np.all(x <= problem.ub)))
    )


def _zero(problem: LpProblem, result: LpResult, x: np.ndarray) -> LpResult:
    return replace(
        result,
        x=x,
        fun=problem.objective(x),
        success=True,
        status=LpStatus.CONVERGED,
        message="The objective is nonnegative, and vanishes at x.",
        gap=0.0,
        dual_fun=0.0,
        dual=[np.zeros_like(y) for y in result.dual],
        eq_dual=np.zeros_like(result.eq_dual),
        ineq_dual=np.zeros_like(result.ineq_dual),
        lb_dual=np.zeros_like(result.lb_dual),
        ub_dual=np.zeros_like(result.ub_dual),
        kkt={**result.kkt, "stationarity": 0.0, "complementarity": 0.0},
    )
