"""``problem.solve(method="newton_lp")``: check as CVXPY checks, read, minimize, write back as CVXPY
writes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.atoms.pnorm import PnormApprox
from cvxpy.error import DCPError, DPPError, ParameterError, SolverError
from cvxpy.reductions.solvers.solving_chain import DPP_ERROR_MSG

from spectral_nn import LpResult

from . import vanishing, writeback
from .reading import Numbers, Reading, is_read, read
from .refusal import Refused

METHOD = "newton_lp"
# Options of Problem.solve that ask for another problem class or another output than a minimizer.
_FOREIGN = {
    "gp": "geometric programs",
    "qcp": "quasiconvex programs",
    "nlp": "nonlinear programs",
    "requires_grad": "derivatives of the solution",
}
# Options of Problem.solve that concern compilation alone; accepted, handed on when CVXPY's own path is taken.
_COMPILATION = ("enforce_dpp", "ignore_dpp", "canon_backend", "bibtex")


def solve(
    problem: cp.Problem,
    solver: str | None = None,
    warm_start: bool = True,
    verbose: bool = False,
    *,
    tol: float = 1e-9,
    max_iter: int = 200,
    linear_solver: Any = "cholesky",
    start: Any = None,
    fallback: bool = False,
    fallback_options: dict[str, Any] | None = None,
    **options: Any,
) -> float:
    """Solve a CVXPY problem by the Newton l_p minimizer; the same as ``problem.solve(method="newton_lp",
    ...)``.

    Parameters
    ----------
    problem : cvxpy.Problem
        Minimize (or Maximize the negative of) sums of l_p norms and their powers, 1 < p < inf, quadratics and
        linear parts, under affine equalities, inequalities and bounds.
    solver : str, optional
        Whom CVXPY should call where `fallback` applies. Ignored otherwise.
    warm_start : bool, default True
        Start from the variables' present values, where all have one, and from the dual of the last solve
        where they are still its values. The answer does not depend on it beyond
        `tol`.
    verbose : bool, default False
        Print a summary, and log the iterations.
    tol : float, default 1e-9
        Relative duality gap at which the solution is called optimal.
    max_iter : int, default 200
    linear_solver : str or LinearSolver, default "cholesky"
        Who solves the Newton systems; every answer is checked.
    start : callable, optional
        ``start(problem: LpProblem) -> x`` proposes a start, for instance a learned one.
    fallback : bool, default False
        What the minimizer does not take, or does not finish, goes to CVXPY's own path instead of raising;
        ``solver_stats.extra_stats`` says so.
    fallback_options : dict, optional
        Keyword arguments for CVXPY's own path.
    **options
        ``enforce_dpp``, ``ignore_dpp``, ``canon_backend``, ``bibtex`` are accepted; anything else is a
        TypeError.

    Returns
    -------
    float
        The optimal value. Statuses, variable values, dual values and ``solver_stats`` are set on the problem
        as by CVXPY's own solvers.

    Raises
    ------
    cvxpy.error.ParameterError, cvxpy.error.DCPError, cvxpy.error.DPPError
        As by CVXPY itself.
    spectral_nn_cvxpy.Refused
        A cvxpy.error.SolverError: the problem is not of this method's kind (and `fallback` is off).
    cvxpy.error.SolverError
        No answer of use was reached.
    ValueError
        NaN or Inf in the problem data.
    TypeError
        An unknown keyword.

    Examples
    --------
    >>> import cvxpy as cp, numpy as np
    >>> import spectral_nn_cvxpy
    >>> rng = np.random.default_rng(0)
    >>> A, b, x = rng.standard_normal((60, 5)), rng.standard_normal(60), cp.Variable(5)
    >>> problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, 1.5)), [x >= 0])
    >>> value = problem.solve(method="newton_lp")
    >>> problem.status, bool(problem.solver_stats.extra_stats["gap"] <= 1e-9)
    ('optimal', True)
    """
    began = time.perf_counter()
    _check_options(options)
    _check_problem(problem, options)
    try:
        for name, what in _FOREIGN.items():
            if options.get(name):
                raise Refused(None, f"{name}=True asks for {what}")
        if not problem.variables():
            return writeback.constant_problem(problem, time.perf_counter() - began)
        known = is_read(problem)
        reading = read(problem)
        numbers = reading.numbers()
    except Refused as refusal:
        if not fallback:
            raise
        return _delegate(problem, refusal, solver, warm_start, verbose, options, fallback_options or {})
    compiled = time.perf_counter() - began
    if verbose:
        _announce(numbers, compiled, known)
    result = _minimize(reading, numbers, tol, max_iter, linear_solver, start, warm_start, verbose)
    try:
        value = writeback.write(problem, reading, numbers, result, tol, compiled)
    except SolverError as failure:
        if not fallback:
            raise
        return _delegate(problem, failure, solver, warm_start, verbose, options, fallback_options or {})
    if verbose:
        print(result)
    return value


def register() -> None:
    """Make ``problem.solve(method="newton_lp")`` known to CVXPY. Importing :mod:`spectral_nn_cvxpy` does
    it."""
    cp.Problem.register_solve(METHOD, solve)


def _check_options(options: dict[str, Any]) -> None:
    unknown = [name for name in options if name not in _FOREIGN and name not in _COMPILATION]
    if unknown:
        raise TypeError(
            f"newton_lp got unknown keyword arguments {', '.join(map(repr, unknown))}; it takes solver, "
            "warm_start, verbose, tol, max_iter, linear_solver, start, fallback, fallback_options"
        )


def _check_problem(problem: cp.Problem, options: dict[str, Any]) -> None:
    """The checks that Problem.solve would have made on CVXPY's own path, with its exceptions."""
    for parameter in problem.parameters():
        if parameter.value is None:
            raise ParameterError(
                f"A Parameter (whose name is '{parameter.name()}') does not have a value associated with it; "
                "all Parameter objects must have values before solving a problem."
            )
    if any(options.get(name) for name in ("gp", "qcp", "nlp")):
        return  # another grammar than DCP decides; the method refuses these
    if not problem.is_dcp():
        raise DCPError(_dcp_message(problem))
    if options.get("enforce_dpp") and not problem.is_dpp():
        raise DPPError(DPP_ERROR_MSG)


def _dcp_message(problem: cp.Problem) -> str:
    culprits = [] if problem.objective.is_dcp() else [f"the objective is not DCP: {problem.objective}"]
    culprits += [f"this constraint is not DCP: {c}" for c in problem.constraints if not c.is_dcp()]
    message = "Problem does not follow DCP rules. Specifically, " + "; ".join(culprits)
    for atom in _atoms(problem.objective.expr):
        if isinstance(atom, PnormApprox) and float(atom.p) == 1.0:
            p = float(atom.original_p)
            message += f". CVXPY rounded p = {p} to 1; cp.pnorm(..., approx=False) keeps the exponent"
    return message


def _atoms(expr: Any) -> Iterator[Any]:
    yield expr
    for arg in expr.args:
        yield from _atoms(arg)


def _minimize(
    reading: Reading,
    numbers: Numbers,
    tol: float,
    max_iter: int,
    linear_solver: Any,
    start: Any,
    warm: bool,
    verbose: bool,
) -> LpResult | None:
    if numbers.rows.contradiction is not None:
        return None
    x0 = reading.layout.start() if warm else None
    dual0 = None if x0 is None else reading.dual_start(numbers.problem, x0)
    level = 2 if verbose else 0
    try:
        result = numbers.problem.solve(x0, dual0, tol, max_iter, linear_solver, start, level)
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise SolverError(f"Solver 'NEWTON_LP' failed: {error}. Try another solver.") from error
    if not result.success:
        result = vanishing.recognised(numbers.problem, result, lambda x: reading.rounding(numbers, x))
    reading.last = result if result.success else None
    return result


def _delegate(
    problem: cp.Problem,
    refusal: SolverError,
    solver: str | None,
    warm_start: bool,
    verbose: bool,
    options: dict[str, Any],
    more: dict[str, Any],
) -> float:
    """CVXPY's own path, noted in the statistics."""
    if solver is not None and solver.lower() == METHOD:
        solver = None
    with warnings.catch_warnings():
        value = problem._solve(solver=solver, warm_start=warm_start, verbose=verbose, **options, **more)
    stats = problem._solver_stats
    if stats is not None:
        stats.extra_stats = {
            "delegated_by": METHOD,
            "delegated_to": stats.solver_name,
            "reason": getattr(refusal, "reason", str(refusal)),
            "solver_stats": stats.extra_stats,
        }
    return value


def _announce(numbers: Numbers, compiled: float, known: bool) -> None:
    how = "parameter values put in" if known else "expression tree read"
    print(f"(newton_lp) {how} in {compiled:.2e} s")
    print(f"(newton_lp) {numbers.problem}")
