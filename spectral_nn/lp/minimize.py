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
from .certificate import finish, impossible, unbounded_direction
from .newton import Newton, Outcome
from .problem import Kind, LpProblem, LpTerm
from .program import Program, stack
from .reduction import Reduction, compose, eliminate, orthonormalize
from .result import LpResult, LpStatus
from .systems import System

WEAK_PIVOT = 1e-9  # of A'A at the start: condition numbers above about 3e4 are orthonormalized first

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
) -> LpResult:
    """:meth:`LpProblem.solve`."""
    began = time.perf_counter()
    tol = checks.positive(tol, "tol")
    max_iter = checks.count(max_iter, "max_iter")
    solver = _resolve(linear_solver)
    x0, dual0 = _warm_start(problem, x0, dual0)
    stacked = stack(problem)
    log = _log if verbose >= 2 else None

    reduction = Reduction(stacked.program)
    if stacked.E is not None and stacked.E.shape[0]:
        reduction = eliminate(stacked.program, stacked.E, stacked.e)
        if reduction.contradiction is not None:
            return impossible(problem, reduction.contradiction, began)
    program, length, log_value = _in_units(reduction.program)
    system = System(program, solver)
    newton = Newton(program, system, tol, max_iter, callback, log)
    newton.start(_floors(program))
    if system.smallest_pivot < WEAK_PIVOT and solver is None and not program.sparse:
        reduction = compose(reduction, orthonormalize(reduction.program))
        spent = system.factorizations
        program = reduction.program.scaled(length, log_value)
        system = System(program, solver)
        system.factorizations = spent
        newton = Newton(program, system, tol, max_iter, callback, log)
        newton.start(_floors(program))
    cold = True
    outcome = newton.run(cold)
    return finish(problem, stacked, reduction, system, outcome, length, log_value, tol, began)


def _in_units(program: Program) -> tuple[Program, float, float]:
    """The program with data of order one: x in units of `length`, objective in units of exp(log_value)."""
    if program.solo:
        return program, 1.0, 0.0  # the iteration rescales by itself
    length = float(np.abs(program.b).max(initial=0.0)) or 1.0
    sizes = [-math.inf]
    for g in range(len(program.p)):
        size = kernels.norm(program.b, program.ptr[g], program.ptr[g + 1], program.p[g])
        if size > 0 and program.c[g] > 0:
            sizes.append(math.log(program.c[g]) + (program.p[g] if program.kind[g] else 1.0) * math.log(size))
    log_value = max(sizes)
    if log_value == -math.inf:
        log_value = 0.0
    return program.scaled(length, log_value), length, log_value


def _floors(program: Program) -> np.ndarray:
    """The least size each term's residual is taken to have at the start, from the size x must have somewhere."""
    groups = len(program.p)
    if program.solo:
        return np.zeros(groups)
    A = program.A
    squares = np.asarray((A * A).sum(axis=1)).ravel() if sp.issparse(A) else np.einsum("ij,ij->i", A, A)
    counts = np.diff(program.ptr)
    rows = np.array([math.sqrt(squares[lo:hi].sum()) for lo, hi in zip(program.ptr[:-1], program.ptr[1:], strict=True)])
    right = np.array([kernels.norm(program.b, lo, hi, 2.0) for lo, hi in zip(program.ptr[:-1], program.ptr[1:], strict=True)])
    reach = float(np.max(np.divide(right, rows, out=np.zeros(groups), where=rows > 0), initial=0.0)) or 1.0
    floors = 0.1 * reach * rows
    return np.where((floors > 0) | (counts == 0), floors, 1.0)


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
