"""The minimizer's result written into the problem as CVXPY's own solvers write theirs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import cvxpy.settings as s
import numpy as np
from cvxpy.error import SolverError
from cvxpy.problems.problem import SolverStats
from cvxpy.reductions.solution import Solution, failure_solution
from cvxpy.utilities.warn import warn

from spectral_nn import LpResult
from spectral_nn.lp import LpStatus

from .reading import Numbers, Reading

NAME = "NEWTON_LP"
# CVXPY's own sentence, raised by Problem.unpack_results.
_INACCURATE = (
    "Solution may be inaccurate. Try another solver, adjusting the solver settings, or solve with "
    "verbose=True for more information."
)
# A stopped iteration whose gap is below this is still worth reporting as inaccurate; above it there is no
# answer.
_WORTH_REPORTING = 1e-3
# A dual point that misses stationarity by more than this, relatively, proves nothing, whatever its gap.
_STATIONARY = 1e-4
# The value computed by the minimizer and that of the user's expression are two roads to one number. They
# differ by rounding; where they differ by more, the expression was read wrongly, and no answer is better than
# that one.
_READING_TOLERANCE = 1e-6
# An optimum of zero is rounding alone; it is measured against the objective at the origin, which sees the
# data.
_ROUNDING = 1e-9
# By how much, relative to their data, constraints may be violated before the reading is called wrong.
_VIOLATION = 1e-5


def write(
    problem: cp.Problem,
    reading: Reading,
    numbers: Numbers,
    result: LpResult | None,
    tol: float,
    compiled: float,
) -> float:
    """Set status, value, variable values, dual values and statistics; returns the value.

    Raises
    ------
    cvxpy.error.SolverError
        Where there is no answer of use; the problem is left untouched.
    """
    attr = _attributes(numbers, result, compiled)
    if result is None:
        return _no_point(problem, s.INFEASIBLE, attr, numbers.rows.contradicting_duals())
    if result.status is LpStatus.INFEASIBLE:
        return _no_point(problem, s.INFEASIBLE, attr, _infeasibility(numbers, result))
    if result.status is LpStatus.UNBOUNDED:
        return _no_point(problem, s.UNBOUNDED, attr)
    status = _status(result, tol, lambda: reading.size(numbers, result.x))
    if status is None:
        raise SolverError(
            f"Solver '{NAME}' failed: {result.message} Try another solver, or solve with verbose=True for "
            "more information."
        )
    free = numbers.problem.lb is None and numbers.problem.ub is None and not numbers.rows.pinned.size
    x = result.x if free else np.clip(result.x, *numbers.rows.stated)
    duals = _dual_values(numbers, result)
    if status in s.INACCURATE:
        warn(_INACCURATE)
    before = [(variable, variable._value) for variable in problem.variables()]
    solution = Solution(status, None, reading.layout.values(x), duals, attr)
    with warnings.catch_warnings():
        if any(variable.sparse_idx is not None for variable in problem.variables()):
            # CVXPY evaluates the objective through .value, and warns its own user against that.
            warnings.simplefilter("ignore", RuntimeWarning)
        problem.unpack(solution)
    solution.opt_val = problem.value
    _finish(problem, attr, compiled)
    try:
        _check_reading(problem, reading, numbers, result)
    except SolverError:
        problem._clear_solution()
        for variable, value in before:
            variable._value = value
        raise
    return problem.value


def constant_problem(problem: cp.Problem, compiled: float) -> float:
    """A problem without variables: its constraints hold or they do not."""
    attr: dict[str, Any] = {
        s.SOLVE_TIME: 0.0,
        s.SETUP_TIME: compiled,
        s.NUM_ITERS: 0,
        s.EXTRA_STATS: {"gap": 0.0},
    }
    if not all(np.all(c.value(1e-8)) for c in problem.constraints):
        return _no_point(problem, s.INFEASIBLE, attr)
    value = problem.objective.value
    if not np.all(np.isfinite(value)):
        raise ValueError("Problem data contains NaN or Inf. Check your parameter values and constants.")
    duals = {c.id: np.zeros(c.shape) for c in problem.constraints if len(c.dual_variables) == 1}
    problem.unpack(Solution(s.OPTIMAL, value, {}, duals, attr))
    _finish(problem, attr, compiled)
    return problem.value


def _status(result: LpResult, tol: float, size: Callable[[], float]) -> str | None:
    if result.success:
        return s.OPTIMAL if result.kkt.get("stationarity", 0.0) <= _STATIONARY else None
    gap = result.gap
    if not np.isfinite(gap):
        return None
    feasible = max(result.kkt.get("equality", 0.0), result.kkt.get("inequality", 0.0)) <= 1e-8
    if feasible and gap * max(abs(result.fun), abs(result.dual_fun)) <= tol * size():
        return s.OPTIMAL  # parts of the objective cancel: the gap is as small as their digits allow
    if gap > _WORTH_REPORTING:
        return s.USER_LIMIT if result.status in (LpStatus.MAX_ITER, LpStatus.STOPPED) else None
    return s.OPTIMAL_INACCURATE


def _dual_values(numbers: Numbers, result: LpResult) -> dict[int, np.ndarray]:
    factor = 1.0
    if numbers.constant:
        factor = 0.0
    elif numbers.outer is not None:  # d/df of c f^s
        c, power = numbers.outer
        factor = c * power * result.fun ** (power - 1.0)
    parts = (result.eq_dual, result.ineq_dual, result.lb_dual, result.ub_dual)
    n = numbers.problem.n
    eq, ineq, low, high = (factor * np.asarray(part) for part in parts)
    low, high = (part if part.size else np.zeros(n) for part in (low, high))
    return numbers.rows.dual_values(eq, ineq, low, high)


def _infeasibility(numbers: Numbers, result: LpResult) -> dict[int, np.ndarray]:
    """The certificate of infeasibility as dual values, as CVXPY's conic solvers give it."""
    proof = result.certificate or {}
    n = numbers.problem.n
    parts = [np.asarray(proof.get(name, np.zeros(0))) for name in ("eq", "ineq", "lb", "ub")]
    low, high = (part if part.size else np.zeros(n) for part in parts[2:])
    return numbers.rows.dual_values(parts[0], parts[1], low, high)


def _no_point(
    problem: cp.Problem, status: str, attr: dict[str, Any], duals: dict[int, np.ndarray] | None = None
) -> float:
    solution = failure_solution(status, attr, duals)
    if isinstance(problem.objective, cp.Maximize):
        solution.opt_val = -solution.opt_val
    problem.unpack(solution)
    _finish(problem, attr, attr[s.SETUP_TIME])
    return problem.value


def _finish(problem: cp.Problem, attr: dict[str, Any], compiled: float) -> None:
    problem._solver_stats = SolverStats.from_dict(attr, NAME)
    problem._compilation_time = compiled
    problem._solve_time = attr[s.SOLVE_TIME]


def _attributes(numbers: Numbers, result: LpResult | None, compiled: float) -> dict[str, Any]:
    if result is None:
        extra: dict[str, Any] = {"message": f"infeasible: {numbers.rows.contradiction}", "result": None}
        return {s.SOLVE_TIME: 0.0, s.SETUP_TIME: compiled, s.NUM_ITERS: 0, s.EXTRA_STATS: extra}
    extra = {
        "gap": result.gap,
        "kkt": result.kkt,
        "factorizations": result.factorizations,
        "linear_solver": result.linear_solver,
        "message": result.message,
        "certificate": result.certificate,
        "result": result,
    }
    return {s.SOLVE_TIME: result.time, s.SETUP_TIME: compiled, s.NUM_ITERS: result.nit, s.EXTRA_STATS: extra}


def _check_reading(problem: cp.Problem, reading: Reading, numbers: Numbers, result: LpResult) -> None:
    """CVXPY's evaluation of the user's expressions against the minimizer's: guards against a misread tree."""
    expected, value = reading.value(numbers, result.fun), problem.value
    off = abs(value - expected) if np.isfinite(value) else 0.0
    if (
        off > _READING_TOLERANCE * abs(expected)  # the cheap test first: it settles nearly every solve
        and off > _READING_TOLERANCE * reading.size(numbers, result.x)
        and off > _ROUNDING * reading.rounding(numbers, result.x)
    ):
        raise SolverError(
            f"Solver '{NAME}' failed: it minimized to {expected!r}, but CVXPY evaluates the objective there "
            f"to {value!r}. Try another solver."
        )
    for constraint in problem.constraints:
        entries = np.asarray(constraint.residual, dtype=float)
        if entries.size == 0 or np.max(entries) <= _VIOLATION:
            continue
        sizes = [float(np.max(np.abs(_dense(arg.value)), initial=0.0)) for arg in constraint.args]
        finite = [entry for entry in sizes if np.isfinite(entry)]
        if np.max(entries) > _VIOLATION * (1.0 + max(finite, default=0.0)):
            raise SolverError(
                f"Solver '{NAME}' failed: the point found violates {constraint} by {np.max(entries):.1e}. "
                "Try another solver."
            )


def _dense(value: Any) -> np.ndarray:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)
