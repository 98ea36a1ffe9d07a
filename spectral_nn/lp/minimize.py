"""The public function for one term, and the road from a stated problem to its result."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import checks, kernels
from .certificate import finish
from .diagnosis import diagnose, impossible, unbounded, unbounded_direction
from .newton import Newton
from .problem import Kind, LpProblem, LpTerm
from .program import Program, Stacked, stack
from .reduction import Reduction, compose, eliminate, eliminate_sparse, orthonormalize
from .result import LpResult, LpStatus
from .systems import System

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
) -> LpResult:
    """:meth:`LpProblem.solve`; `look_further` asks a failed run whether the problem has a solution at all."""
    began = time.perf_counter()
    tol = checks.positive(tol, "tol")
    max_iter = checks.count(max_iter, "max_iter")
    solver = _resolve(linear_solver)
    x0, dual0 = _warm_start(problem, x0, dual0)
    stacked = stack(problem)
    log = _log if verbose >= 2 else None

    reduction = Reduction(stacked.program)
    if stacked.E is not None and stacked.E.shape[0]:
        remove = eliminate_sparse if stacked.program.sparse else eliminate
        reduction = remove(stacked.program, stacked.E, stacked.e)
        if reduction.contradiction is not None:
            return impossible(problem, {"eq": reduction.contradiction}, began)
    length, log_value = _in_units(reduction.program)
    rows = reduction.program.inequalities
    if rows is not None and reduction.program.A.shape[1] == 0:  # the equalities leave one point
        if float((-rows.h).max(initial=0.0)) > 1e-9 * (
            1.0 + float(np.abs(reduction.x(np.zeros(0))).max(initial=0.0))
        ):
            return diagnose(problem, impossible(problem, {}, began), began)
        reduction.program.inequalities = None

    def new() -> Newton:
        program = reduction.program.scaled(length, log_value)
        floors, reach = _floors(program)
        return Newton(program, System(program, solver), tol_inside, max_iter, callback, log, floors, reach)

    tol_inside = tol
    if stacked.program.solo and problem.terms[0].kind == "power":
        tol_inside = -math.expm1(
            math.log1p(-min(tol, 0.5)) / problem.terms[0].p
        )  # the gap of the norm itself
    newton = new()
    spent = 0
    outcome = None
    if x0 is not None:
        y0 = None if dual0 is None else _inside(stacked, dual0, length, log_value)
        z0 = reduction.z(x0) / length
        if _better_than_zero(newton, z0):
            newton.warm(z0, y0)
            outcome = newton.run(cold=False)
    if outcome is None:
        newton.start()
        if newton.nearly_dependent():
            reduction = compose(reduction, orthonormalize(reduction.program))
            direction = unbounded_direction(problem, reduction)
            if direction is not None:
                return unbounded(problem, direction, began)
            spent = newton.system.factorizations
            newton = new()
            newton.may_reduce = False
            newton.start()
        proposed = None if start is None else _proposed(start, problem)
        cold = True
        if proposed is None and x0 is not None:
            proposed = x0  # an x0 whose first step found the columns nearly dependent
        if proposed is not None:
            z0 = reduction.z(proposed) / length
            if newton.objective(z0) < newton.objective(newton.z):
                newton.warm(z0, None)
                cold = False
        outcome = newton.run(cold)
    newton.system.factorizations += spent
    result = finish(problem, stacked, reduction, newton.system, outcome, length, log_value, tol, began)
    if look_further and not result.success and result.status != LpStatus.STOPPED:
        result = diagnose(problem, result, began)
    if verbose:
        _log.info("%s nit %d, gap %.1e, %.3g s", result.message, result.nit, result.gap, result.time)
    return result


def _in_units(program: Program) -> tuple[float, float]:
    """Units in which the data are of order one: x in units of `length`, the objective in units of exp(log_value)."""
    if program.solo:
        return 1.0, 0.0  # the iteration rescales by itself
    length = float(np.abs(program.b).max(initial=0.0)) or 1.0
    sizes = [-math.inf]
    for g in range(len(program.p)):
        size = kernels.norm(program.b, program.ptr[g], program.ptr[g + 1], program.p[g])
        if size > 0 and program.c[g] > 0:
            sizes.append(math.log(program.c[g]) + (program.p[g] if program.kind[g] else 1.0) * math.log(size))
    log_value = max(sizes)
    if log_value == -math.inf:
        log_value = 0.0
    return length, log_value


def _floors(program: Program) -> tuple[np.ndarray, float]:
    """The least size each term's residual is taken to have at the start, and the size x must have somewhere."""
    groups = len(program.p)
    if program.solo:
        return np.zeros(groups), 0.0
    A = program.A
    squares = np.asarray((A * A).sum(axis=1)).ravel() if sp.issparse(A) else np.einsum("ij,ij->i", A, A)
    counts = np.diff(program.ptr)
    spans = list(zip(program.ptr[:-1], program.ptr[1:], strict=True))
    rows = np.array([math.sqrt(squares[lo:hi].sum()) for lo, hi in spans])
    right = np.array([kernels.norm(program.b, lo, hi, 2.0) for lo, hi in spans])
    reach = float(np.max(np.divide(right, rows, out=np.zeros(groups), where=rows > 0), initial=0.0)) or 1.0
    floors = 0.1 * reach * rows
    return np.where((floors > 0) | (counts == 0), floors, 1.0), reach


def _better_than_zero(newton: Newton, z: np.ndarray) -> bool:
    """A start that is worse than z = 0 is worth less than least squares."""
    return newton.objective(z) < newton.objective(np.zeros(len(z)))


def _inside(stacked: Stacked, dual0: list[np.ndarray], length: float, log_value: float) -> np.ndarray:
    """User's duals in the program's units."""
    y = stacked.from_terms(dual0)
    return y if stacked.program.solo else y * math.exp(math.log(length) - log_value)


def _proposed(start: Callable[[LpProblem], Any], problem: LpProblem) -> np.ndarray | None:
    """What the hook proposes; a hook that fails or proposes nonsense costs its time, nothing else."""
    try:
        return checks.start(start(problem), problem.n, "the proposed start")
    except Exception as error:
        _log.warning("start= was dropped: %s", error)
        return None


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
