"""The public function for one term, and the road from a stated problem to its result."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import checks
from .certificate import finish
from .descent import solve_by_descent
from .diagnosis import FEASIBILITY_TOL, diagnose, impossible, point_within, unbounded, unbounded_direction
from .newton import Newton
from .problem import Kind, LpProblem, LpTerm
from .program import Stacked, stack
from .quick import solve_quickly
from .reduction import Reduction, compose, eliminate, eliminate_sparse, orthonormalize
from .result import LpResult, LpStatus
from .smoothing import rescue
from .state import Outcome
from .systems import System

DENSE_RETRY = 4_000_000  # entries of A up to which a sparse problem that failed is tried again as a dense one
NO_LIMIT = 100  # a max_iter below counts Newton iterations, and that is what is run

_log = logging.getLogger("spectral_nn")


def minimize_lp(
    A: Any,
    b: Any,
    p: float,
    *,
    weights: Any = None,
    kind: Kind = "norm",
    ridge: float = 0.0,
    E: Any = None,
    e: Any = None,
    G: Any = None,
    h: Any = None,
    lb: Any = None,
    ub: Any = None,
    x0: Any = None,
    dual0: Sequence[Any] | None = None,
    tol: float = 1e-9,
    max_iter: int = 200,
    linear_solver: Any = "cholesky",
    start: Callable[[LpProblem], Any] | None = None,
    verbose: int = 0,
    callback: Callable[[dict[str, float]], Any] | None = None,
) -> LpResult:
    """minimize ``||diag(weights) (A x - b)||_p`` (or its p-th power) under linear constraints.

    Parameters
    ----------
    A : array or scipy.sparse (m, n)
    b : array (m,)
    p : float, 1 < p < inf
    weights : array (m,), optional
        Nonnegative row weights, inside the norm: kind "power" minimizes ``sum_i |weights_i (A x - b)_i|^p``.
    kind : {"norm", "power"}, default "norm"
        Without a ridge the minimizer is the same, the value and the duals are not.
    ridge : float, default 0
        Adds ``ridge * ||x||_2^2``.
    E, e, G, h, lb, ub : optional
        Constraints ``E x = e``, ``G x <= h``, ``lb <= x <= ub``; see :class:`LpProblem`.
    x0, dual0, tol, max_iter, linear_solver, start, verbose, callback
        See :meth:`LpProblem.solve`.

    Returns
    -------
    LpResult
        With ``x``, ``fun``, the certified relative duality gap ``gap``, and the rest of :class:`LpResult`.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense; infeasible problems and failures to converge are a status.

    Notes
    -----
    Damped primal-dual Newton from the least-squares start with exact line search; it ends when a feasible point of
    the dual, ``max -b'y s.t. A'y = 0, ||y||_q <= 1`` with 1/p + 1/q = 1, proves the objective optimal to `tol`. The
    cost is one product A'DA and one Cholesky factorization per iteration, 3 to 10 of them for p from 1.1 to 32.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import minimize_lp
    >>> rng = np.random.default_rng(1)
    >>> A = rng.standard_normal((200, 3))
    >>> b = A @ [1.0, -2.0, 0.5]
    >>> b[:20] += 5                                     # outliers
    >>> result = minimize_lp(A, b, 1.1)
    >>> result.success, np.round(result.x, 3)
    (True, array([ 1. , -2. ,  0.5]))
    """
    term = LpTerm(A, b, p, kind=kind, row_weights=weights)
    problem = LpProblem(term, ridge=ridge, E=E, e=e, G=G, h=h, lb=lb, ub=ub)
    return problem.solve(x0, dual0, tol, max_iter, linear_solver, start, verbose, callback)


def solve_problem(
    problem: LpProblem,
    x0: Any,
    dual0: Sequence[Any] | None,
    tol: float,
    max_iter: int,
    linear_solver: Any,
    start: Callable[[LpProblem], Any] | None,
    verbose: int,
    callback: Callable[[dict[str, float]], Any] | None,
    look_further: bool = True,
    dense: bool = False,
) -> LpResult:
    """:meth:`LpProblem.solve`; `look_further` asks a failed run whether the problem has a solution at all."""
    began = time.perf_counter()
    tol = checks.positive(tol, "tol")
    max_iter = checks.count(max_iter, "max_iter")
    solver = _resolve(linear_solver)
    checks.hook(start, "start", "start(problem) -> x")
    checks.hook(callback, "callback", "callback(record)")
    x0, dual0 = _warm_start(problem, x0, dual0)
    if solver is None and start is None and callback is None and not verbose:
        if x0 is None and max_iter >= NO_LIMIT:
            found = solve_by_descent(problem, tol, began)
            if isinstance(found, LpResult):
                return found
            x0 = found
        quick = solve_quickly(problem, x0, dual0, tol, max_iter, began)
        if quick is not None:
            return quick
    stacked = stack(problem, dense)
    reduction = _without_equalities(stacked)
    if reduction.contradiction is not None:
        return impossible(problem, {"eq": reduction.contradiction}, began)
    if _one_point_outside(reduction):
        return diagnose(problem, impossible(problem, {}, began), began)
    log = _log if verbose >= 2 else None
    road = _Road(problem, stacked, reduction, solver, tol, max_iter, callback, log)
    outcome = None if x0 is None else road.from_x0(x0, dual0)
    if outcome is None:
        outcome = road.from_least_squares(start, x0)
    if outcome is None:
        assert road.direction is not None
        return unbounded(problem, road.direction, began)
    if outcome.status == LpStatus.STALLED:
        outcome = road.smoothed(outcome)
    result = finish(
        problem, stacked, road.reduction, road.newton.system, outcome, road.length, road.log_value, tol, began
    )
    if look_further and not result.success and result.status != LpStatus.STOPPED:
        result = diagnose(problem, result, began)
        A = stacked.program.A
        if stacked.program.sparse and A.shape[0] * A.shape[1] <= DENSE_RETRY and not _is_proof(result):
            # dense roads know more remedies: orthonormal bases, pivoting, smoothed norms
            again = solve_problem(
                problem, None, None, tol, max_iter, linear_solver, None, verbose, callback, look_further, True
            )
            result = again if again.success else result
    if road.note:
        result = replace(result, message=f"{result.message} {road.note}")
    if verbose:
        _log.info("%s nit %d, gap %.1e, %.3g s", result.message, result.nit, result.gap, result.time)
    return result


class _Road:
    """From a start to an outcome; changes to an orthonormal basis where the columns turn out nearly dependent."""

    def __init__(
        self,
        problem: LpProblem,
        stacked: Stacked,
        reduction: Reduction,
        solver: Any,
        tol: float,
        max_iter: int,
        callback: Any,
        log: logging.Logger | None,
    ) -> None:
        self.problem, self.stacked, self.reduction, self.solver = problem, stacked, reduction, solver
        self.tol, self.max_iter, self.callback, self.log = tol, max_iter, callback, log
        if stacked.program.solo and problem.terms[0].kind == "power":
            # the iteration minimizes the norm itself, whose relative gap is about p times smaller
            self.tol = -math.expm1(math.log1p(-min(tol, 0.5)) / problem.terms[0].p)
        self.note = ""  # of a start that failed
        self.length, self.log_value = reduction.program.units()
        self.direction: np.ndarray | None = None  # of unbounded descent
        self.newton = self._new()

    def from_x0(self, x0: np.ndarray, dual0: list[np.ndarray] | None) -> Outcome | None:
        """None where x0 is worse than no start at all, or showed the columns to be nearly dependent."""
        newton = self.newton
        z0 = self.reduction.z(x0) / self.length
        if not newton.objective(z0) < newton.objective(np.zeros(len(z0))):
            return None
        y0 = None
        if dual0 is not None:
            y0 = self.stacked.from_terms(dual0)
            if not self.stacked.program.solo:
                y0 = y0 * math.exp(math.log(self.length) - self.log_value)
        newton.warm(z0, y0)
        return newton.run(cold=False)

    def from_least_squares(
        self, start: Callable[[LpProblem], Any] | None, x0: np.ndarray | None
    ) -> Outcome | None:
        """From the least-squares start, or from what `start` proposes if that is better. None if unbounded."""
        self.newton.start()
        if self.newton.nearly_dependent():
            if not self._orthonormalize():
                return None
            self.newton.start()
        if self.newton.fits and self.newton.rows is not None and not self.newton.exact_fit():
            self._fit_within(self.newton)
        proposed = x0 if start is None else self._proposed(start)
        cold = True
        if proposed is not None:
            z0 = self.reduction.z(proposed) / self.length
            if self.newton.objective(z0) < self.newton.objective(self.newton.z):
                self.newton.warm(z0, None)
                cold = False
        outcome = self.newton.run(cold)
        if outcome is None:  # stalled, and not yet in an orthonormal basis
            stalled = self.newton
            x = self.reduction.x(stalled.z * self.length)
            if not self._orthonormalize():
                return None
            self.newton.nit, self.newton.history = stalled.nit, stalled.history
            self.newton.start_level = stalled.start_level
            self.newton.warm(self.reduction.z(x) / self.length, stalled.y)
            outcome = self.newton.run(cold=False)
        stuck = outcome is not None and outcome.status == LpStatus.STALLED
        if stuck and (self.newton.rows is not None or not cold):  # a start can lead into a corner for large p
            self.newton.patient = self.newton.rows is not None
            self.newton.start(may_fit=False)
            outcome = self.newton.run(cold=True)
        return outcome

    def _fit_within(self, newton: Newton) -> None:
        """Where residuals can be 0 without the inequalities, ask a linear program whether they can be with them."""
        found = point_within(newton.program)
        if found is not None:
            newton.warm(found, None)
        if found is None or not newton.exact_fit():
            newton.start(may_fit=False)

    def smoothed(self, stalled: Outcome) -> Outcome:
        """The outcome of a second attempt by smoothing, or `stalled`."""
        newton = self.newton
        steps = rescue(newton)
        if steps is None:
            return stalled
        newton.system.factorizations += steps
        nit = stalled.nit + steps
        fun, gap = self._shown(newton.fun, newton.gap)
        history = [*stalled.history, {"nit": nit, "fun": fun, "gap": gap, "step": 1.0}]
        theta = newton.theta
        return Outcome(
            newton.z, newton.r, theta * newton.y, theta * newton.zd, newton.mu, LpStatus.CONVERGED, newton.gap, nit,
            newton.start_level, history,
        )  # fmt: skip

    def _proposed(self, start: Callable[[LpProblem], Any]) -> np.ndarray | None:
        """What the hook proposes; one that fails or proposes nonsense costs its time, and the result says so."""
        try:
            return checks.start(start(self.problem), self.problem.n, "the proposed start")
        except Exception as error:
            self.note = f"start= was dropped: {type(error).__name__}: {error}".rstrip(". ") + "."
            _log.warning("%s", self.note)
            warnings.warn(self.note, UserWarning, stacklevel=6)
            return None

    def _orthonormalize(self) -> bool:
        self.reduction = compose(self.reduction, orthonormalize(self.reduction.program))
        self.direction = unbounded_direction(self.problem, self.reduction)
        if self.direction is not None:
            return False
        spent = self.newton.system.factorizations
        self.newton = self._new()
        self.newton.may_reduce = False
        self.newton.system.factorizations = spent
        return True

    def _shown(self, fun: float, gap: float) -> tuple[float, float]:
        if not self.stacked.program.solo:
            return fun * math.exp(self.log_value), gap
        term = self.problem.terms[0]
        degree = 1.0 if term.kind == "norm" else term.p
        with np.errstate(over="ignore"):
            return float(term.weight * np.float64(fun) ** degree), degree * gap

    def _new(self) -> Newton:
        program = self.reduction.program.scaled(self.length, self.log_value)
        system = System(program, self.solver)
        return Newton(program, system, self.tol, self.max_iter, self.callback, self.log, self._shown)


def _is_proof(result: LpResult) -> bool:
    return result.status in (LpStatus.INFEASIBLE, LpStatus.UNBOUNDED)


def _without_equalities(stacked: Stacked) -> Reduction:
    if stacked.E is None or not stacked.E.shape[0]:
        return Reduction(stacked.program)
    assert stacked.e is not None
    remove = eliminate_sparse if stacked.program.sparse else eliminate
    return remove(stacked.program, stacked.E, stacked.e)


def _one_point_outside(reduction: Reduction) -> bool:
    """Whether the equalities leave one point and it violates an inequality; if it does not, those are dropped."""
    rows = reduction.program.inequalities
    if rows is None or reduction.program.A.shape[1]:
        return False
    size = 1.0 + float(np.abs(reduction.x(np.zeros(0))).max(initial=0.0))
    if float((-rows.h).max(initial=0.0)) > FEASIBILITY_TOL * size:
        return True
    reduction.program.inequalities = None
    return False


def _resolve(linear_solver: Any) -> Any:
    """None for LAPACK's Cholesky, else a LinearSolver."""
    if isinstance(linear_solver, str) and linear_solver == "cholesky":
        return None
    from spectral_nn.linear import resolve

    return resolve(linear_solver)


def _warm_start(problem: LpProblem, x0: Any, dual0: Any) -> tuple[np.ndarray | None, list[np.ndarray] | None]:
    if isinstance(x0, LpResult):
        if dual0 is None:
            dual0 = x0.dual
        x0 = x0.x
    if isinstance(dual0, LpResult):
        dual0 = dual0.dual
    if x0 is not None:
        x0 = checks.start(x0, problem.n, "x0")
    if dual0 is not None:
        dual0 = list(dual0)
        if len(dual0) != len(problem.terms):
            raise ValueError(f"dual0 must hold {len(problem.terms)} vectors, one per term; got {len(dual0)}")
        dual0 = [
            checks.vector(y, term.A.shape[0], f"dual0[{k}]", "one entry per row of the term's A")
            for k, (y, term) in enumerate(zip(dual0, problem.terms, strict=True))
        ]
    return x0, dual0
