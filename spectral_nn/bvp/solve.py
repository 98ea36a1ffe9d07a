"""`solve_bvp`: the recipe. State the problem, linearize, discretize, solve; resolved? else refine; certify."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..linear import registry
from .checks import rhs_values
from .problem import Problem
from .trace import is_number

if TYPE_CHECKING:
    from .result import BVPResult

METHODS = ("auto", "mesh", "collocation", "ultraspherical")
USEFUL_GUESS = 1e-4
"""Residual up to which what collocation found is where Newton's method starts on the mesh."""


def solve_bvp(
    op: Callable,
    domain: Sequence[float] = (-1.0, 1.0),
    lbc: Any = None,
    rbc: Any = None,
    bc: Any = None,
    *,
    rhs: Any = 0.0,
    guess: Any = None,
    params: dict[str, Any] | None = None,
    breakpoints: Sequence[float] = (),
    unknowns: int | None = None,
    tol: float = 1e-10,
    bc_tol: float | None = None,
    method: str = "auto",
    linear_solver: Any = "auto",
    max_iter: int = 300,
    max_n: int = 200_000,
    damping: bool = True,
    rescue: bool = True,
    verbose: int = 0,
    callback: Callable | None = None,
    raise_on_failure: bool = False,
) -> BVPResult:
    """Solve a two-point boundary value problem to spectral accuracy.

    Parameters
    ----------
    op, domain, lbc, rbc, bc, params, breakpoints, unknowns
        The problem, see `BVP`.
    rhs : number, callable of x, or list of those
        Right-hand side(s) of the equations, default 0.
    guess : number, callable, array, pair (x, y), ChebSeries, BVPResult, or list of those, optional
        Where Newton's method starts; for a system one for each unknown. An array holds values at Chebyshev points
        of the second kind. Default: low-degree polynomials that meet the linear conditions.
    tol : float
        Bound on the relative residual of the equations between the nodes, default 1e-10. On element e it is, for
        equation i, ``max |F_i| / (max_e Σ|terms| + max(1, L / (E h)) mean Σ|terms|)`` with the terms of equation i
        linearized around the solution, h the length of the element, E elements on a domain of length L; the maximum
        is taken over two different sets of points off the nodes, and the largest of all equations and elements counts.
    bc_tol : float, optional
        Bound on the residual of each condition, relative to its constant and its terms (coefficients times the largest
        value of what they multiply), default `tol`.
    method : {"auto", "mesh", "collocation", "ultraspherical"}
        Discretization. "mesh": elements with h-refinement, for everything. "collocation": one dense matrix, what learned
        solvers take. "ultraspherical": almost banded, for linear equations with smooth coefficients.
    linear_solver : str or LinearSolver
        Who solves the linear systems (`spectral_nn.linear_solvers` lists them). Every answer is certified. One that
        takes dense systems of its own sizes only, as learned ones do, is given collocation matrices; break points, and
        what it does not solve on those grids, go to the mesh, where it is asked again and block elimination takes over.
    max_iter : int
        Newton iterations in all, rescue included, default 300.
    max_n : int
        Points in all, default 200 000.
    damping : bool
        Affine-invariant damping of Newton's method (P. Deuflhard 2004), default True.
    rescue : bool
        Where Newton's method fails, try a finer first mesh, bolder steps, marching or a homotopy, default True.
    verbose : {0, 1, 2}
        0: silent; 1: prints the result; 2: prints a line for each Newton step, too.
    callback : callable, optional
        Called with each Newton record; raising StopIteration ends the solve.
    raise_on_failure : bool
        Raise RuntimeError with the status sentence instead of returning ``success=False``.

    Returns
    -------
    BVPResult
        Callable, with the certificate; ``success`` says whether the tolerances were met.

    Raises
    ------
    ValueError, TypeError
        For a problem that is stated wrongly: the argument, what was expected and what came.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import solve_bvp
    >>> sol = solve_bvp(lambda x, u: u.diff(2) + np.exp(u), (0, 1), lbc=0, rbc=0)
    >>> sol.success, round(float(sol(0.5)), 10)
    (True, 0.1405392144)
    """
    problem = Problem(op, domain, lbc, rbc, bc, params=params, unknowns=unknowns, breakpoints=breakpoints)
    return solve(
        problem,
        rhs=rhs,
        guess=guess,
        tol=tol,
        bc_tol=bc_tol,
        method=method,
        linear_solver=linear_solver,
        max_iter=max_iter,
        max_n=max_n,
        damping=damping,
        rescue=rescue,
        verbose=verbose,
        callback=callback,
        raise_on_failure=raise_on_failure,
    )


def solve(
    problem: Problem,
    *,
    rhs: Any = None,
    guess: Any = None,
    tol: float = 1e-10,
    bc_tol: float | None = None,
    method: str = "auto",
    linear_solver: Any = "auto",
    max_iter: int = 300,
    max_n: int = 200_000,
    damping: bool = True,
    rescue: bool = True,
    verbose: int = 0,
    callback: Callable | None = None,
    raise_on_failure: bool = False,
) -> BVPResult:
    """`BVP.solve`: check the options, choose the discretization, solve."""
    start = time.perf_counter()
    if problem.batch > 1:
        raise ValueError(
            f"op: expected one problem, got a batch of {problem.batch}; solve them one by one, or take their linear "
            "systems from BVP.discretize(n)"
        )
    rhs = problem.rhs if rhs is None else rhs
    _check_options(problem, rhs, tol, bc_tol, method, max_iter, max_n)
    solver = _resolve(linear_solver)
    method = choose_method(problem, method, solver)
    options = {
        "rhs": rhs,
        "tol": tol,
        "bc_tol": tol if bc_tol is None else bc_tol,
        "solver": solver,
        "max_n": max_n,
        "start": start,
    }
    watch = _watcher(verbose, callback)
    loop = {"guess": guess, "max_iter": max_iter, "damping": damping, "callback": watch, **options}
    result: Any = _try_coefficients(problem, options) if method == "auto" else None
    if method == "ultraspherical":
        from .coefficients import solve_ultraspherical_problem

        result = solve_ultraspherical_problem(problem, **options)
    elif method == "collocation":
        from .collocation_solve import solve_collocation

        result = solve_collocation(problem, **loop)
    elif method == "dense":
        result = _dense_then_mesh(problem, rescue, loop)
    elif result is None:
        from .adapt import solve_mesh

        result = solve_mesh(problem, rescue=rescue, **loop)
    if verbose:
        print(result)
    if raise_on_failure and not result.success:
        raise RuntimeError(result.message)
    return result


def choose_method(problem: Problem, method: str, solver: Any) -> str:
    """What the linear solver allows: "dense" for those that take dense systems of their own size only.

    That is collocation and, where it fails or there are break points, the mesh. "auto" remains where anything goes:
    linear oscillating problems are then tried with "ultraspherical", all others, and what that cannot do, solved on
    the mesh.
    """
    if method != "auto" or solver.name == "auto":
        return method
    structures = solver.traits.structures
    if "block" not in structures and (solver.traits.sizes is not None or not solver.traits.exact):
        return "dense"
    if structures != ("almost_banded",):
        return "mesh"
    if not problem.linear:
        raise ValueError(
            f"linear_solver: {solver.name!r} takes linear problems only; expected 'auto' for this one"
        )
    return "ultraspherical"


def _dense_then_mesh(problem: Problem, rescue: bool, loop: dict[str, Any]) -> BVPResult:
    """Dense collocation as far as the solver is of use there, then the mesh; the result tells of both."""
    from .adapt import solve_mesh
    from .newton import STOPPED
    from .slot import Record

    record, first = Record(), None
    if not problem.breakpoints:
        from .collocation_solve import solve_collocation

        try:
            first = solve_collocation(problem, **loop, brief=True, record=record)
        except ValueError:  # not finite at a node of the grid: the mesh has others, or says so again
            record = Record()
    if first is None:
        return solve_mesh(problem, rescue=rescue, record=record, **loop)
    left = loop["max_iter"] - first.nit
    if first.success or first.message.startswith(STOPPED) or left <= 0:
        return first
    near = not problem.linear and first.residual <= USEFUL_GUESS
    loop = {**loop, "max_iter": left, "guess": first if near else loop["guess"]}
    result = solve_mesh(problem, rescue=rescue, record=record, **loop)
    return replace(result, nit=first.nit + result.nit, history=(*first.history, *result.history))


def _try_coefficients(problem: Problem, options: dict[str, Any]) -> BVPResult | None:
    """A linear problem with many waves and smooth coefficients by "ultraspherical"; None if it is not one."""
    from .rates import oscillates

    if not oscillates(problem, options["rhs"]):
        return None
    from .coefficients import solve_ultraspherical_problem

    try:
        result = solve_ultraspherical_problem(problem, **options)
    except ValueError:  # coefficients that are not smooth, weighted integrals: the mesh takes them
        return None
    return result if result.success else None


def _resolve(linear_solver: Any) -> Any:
    try:
        return registry.resolve(linear_solver)
    except (ValueError, TypeError) as error:
        raise type(error)(
            f"linear_{error}" if str(error).startswith("solver") else f"linear_solver: {error}"
        ) from None


def _check_options(
    problem: Problem, rhs: Any, tol: Any, bc_tol: Any, method: Any, max_iter: Any, max_n: Any
) -> None:
    import numpy as np

    for name, value in (("tol", tol), ("bc_tol", tol if bc_tol is None else bc_tol)):
        if not is_number(value) or isinstance(value, complex) or not 0.0 < value < 1.0:
            raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    for name, value, least in (("max_iter", max_iter, 1), ("max_n", max_n, 16)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")
    a, b = problem.domain
    x = a + (b - a) * np.array([0.3, 0.7])
    parts = rhs_values(rhs, x, len(problem.names))
    problem.complex |= any(np.iscomplexobj(p) for p in parts)


def _watcher(verbose: int, callback: Callable | None) -> Callable | None:
    """The callback of the Newton loop: the user's, a printed table, or both."""
    if verbose < 2:
        return callback
    print(f"{'iter':>4} {'|du|':>10} {'damping':>9} {'contraction':>12} {'n':>7}")

    def watch(record: Any) -> None:
        print(
            f"{record.iteration:4d} {record.step_norm:10.2e} {record.damping:9.2e} {record.contraction:12.2e} {record.n:7d}"
        )
        if callback is not None:
            callback(record)

    return watch
