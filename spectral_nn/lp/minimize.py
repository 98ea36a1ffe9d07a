"""The public function for one term, and the road from a stated problem to its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .problem import Kind, LpProblem, LpTerm
from .result import LpResult


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
    """minimize ``||diag(weights) (A x - b)||_p`` (or its p-th power) under linear constraints."""
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
    raise NotImplementedError
