"""`solve_bvp` as SciPy's users call it, solved on a mesh of spectral elements."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike

from ..bvp import adapt
from ..bvp.mesh import Mesh, State
from ..bvp.result import Status
from ..linear.registry import resolve
from .equations import FirstOrderProblem
from .solution import BVPResult, Solution

#: Nodes of SciPy's mesh that one element takes the place of, where the initial mesh is long.
NODES_PER_ELEMENT = 4
FEWEST_ELEMENTS = 4
MOST_ELEMENTS = 100
#: The mesh solver's own tolerance at most: accuracy beyond tol costs a spectral method little.
LOOSEST = 1e-8
#: How often the mesh solver is asked for a tenth of its tolerance until SciPy's norm is within tol.
TIGHTENINGS = 4
#: Newton iterations in all.
MAX_ITER = 300
#: Points of an element at most: max_nodes counts elements, the mesh solver counts points.
MOST_POINTS = 16
EPS = float(np.finfo(float).eps)

MESSAGES = {
    0: "The algorithm converged to the desired accuracy.",
    1: "The maximum number of mesh nodes is exceeded. Raise max_nodes, take a larger tol, or give a better guess.",
    2: "A singular Jacobian encountered when solving the collocation system. Check that bc determines the solution.",
    3: "The solver was unable to satisfy boundary conditions tolerance. Raise bc_tol, or scale bc.",
    4: "Newton's method did not converge from this guess. Give a better one in y (and p), or on a finer mesh x.",
}
#: Status 1 below max_nodes: the mesh solver stopped for its own reasons.
STOPPED = (
    "The residual did not fall below {:.1e}: rounding, not the number of nodes, limits it. Take a larger tol, or "
    "scale the problem."
)
#: What the mesh solver's failures are called here.
_FAILURES = {Status.SINGULAR: 2, Status.NOT_CONVERGED: 4, Status.ITERATION_LIMIT: 4, Status.NOT_FINITE: 4}


def solve_bvp(
    fun: Callable[..., ArrayLike],
    bc: Callable[..., ArrayLike],
    x: ArrayLike,
    y: ArrayLike,
    p: ArrayLike | None = None,
    S: ArrayLike | None = None,
    fun_jac: Callable | None = None,
    bc_jac: Callable | None = None,
    tol: float = 1e-3,
    max_nodes: int = 1000,
    verbose: int = 0,
    bc_tol: float | None = None,
) -> BVPResult:
    """Solve ``y' = f(x, y, p) + S y / (x - a)``, ``bc(y(a), y(b), p) = 0``; as `scipy.integrate.solve_bvp`.

    Change the import, keep the call. The answers are those of a spectral method: far more accurate than `tol`
    asks for smooth problems, and on few nodes. The page "Coming from SciPy" lists the differences.

    Parameters
    ----------
    fun : callable
        ``fun(x, y)`` or ``fun(x, y, p)`` with x (m,), y (n, m), p (k,); returns f (n, m), column by column.
    bc : callable
        ``bc(ya, yb)`` or ``bc(ya, yb, p)`` with ya, yb (n,); returns n + k residuals, in any order.
    x : array_like (m,)
        Initial mesh, strictly increasing, from a to b.
    y : array_like (n, m)
        Guess at the mesh nodes. A complex dtype makes the problem complex; f and bc must then be complex
        differentiable.
    p : array_like (k,), optional
        Guess of the unknown parameters.
    S : array_like (n, n), optional
        Matrix of the singular term. The solution must satisfy S y(a) = 0, and bc must not contradict that.
    fun_jac : callable, optional
        ``fun_jac(x, y[, p])`` returns df_dy (n, n, m), or (df_dy, df_dp) with df_dp (n, k, m) where there are
        parameters. Default: central differences (10 digits).
    bc_jac : callable, optional
        ``bc_jac(ya, yb[, p])`` returns dbc_dya, dbc_dyb (n + k, n)[, dbc_dp (n + k, k)].
    tol : float
        Bound on the root mean square of ``norm(r / (1 + abs(f)))`` over each mesh interval, r = y' - f;
        default 1e-3.
    max_nodes : int
        Largest number of mesh nodes. A mesh interval of this solver holds a polynomial of degree 16.
    verbose : {0, 1, 2}
        0: silent; 1: a report at the end; 2: a line for each Newton step, too.
    bc_tol : float, optional
        Bound on every ``abs(bc)``; default `tol`.

    Returns
    -------
    BVPResult
        A `scipy.optimize.OptimizeResult` with

        sol : Solution
            ``sol(x, nu=0)`` gives y or its derivatives, shape (n, *x.shape).
        p : ndarray (k,) or None
        x : ndarray (m,)
            The initial mesh and the ends of the elements.
        y, yp : ndarray (n, m)
            Solution and derivative at x.
        rms_residuals : ndarray (m - 1,)
            As bounded by `tol`.
        niter : int
            Newton steps.
        status : int
            0: converged. 1: too many nodes. 2: singular Jacobian. 3: bc_tol not met. 4: Newton's method
            failed.
        message : str
        success : bool
            Whether status is 0.

    Raises
    ------
    ValueError, TypeError
        For wrong shapes and arguments out of range.

    Examples
    --------
    Bratu's problem y'' + e^y = 0, y(0) = y(1) = 0, from SciPy's own page:

    >>> import numpy as np
    >>> from spectral_nn.integrate import solve_bvp
    >>> def fun(x, y):
    ...     return np.vstack((y[1], -np.exp(y[0])))
    >>> def bc(ya, yb):
    ...     return np.array([ya[0], yb[0]])
    >>> x = np.linspace(0, 1, 5)
    >>> res = solve_bvp(fun, bc, x, np.zeros((2, x.size)))
    >>> res.status, round(float(res.sol(0.5)[0]), 8)
    (0, 0.14053921)
    """
    start = time.perf_counter()
    mesh, guess, known, singular, dtype = _check(x, y, p, S, verbose)
    if tol < 100 * EPS:
        warn(f"`tol` is too low, setting to {100 * EPS:.2e}", stacklevel=2)
        tol = 100 * EPS
    bc_tol = tol if bc_tol is None else bc_tol
    ends = float(mesh[0]), float(mesh[-1])
    problem = FirstOrderProblem(fun, bc, ends, guess.shape[0], known, singular, fun_jac, bc_jac, dtype)
    with np.errstate(all="ignore"):  # what is not finite is found, and named, below
        problem.check(fun(mesh, guess, known) if known.size else fun(mesh, guess), guess.shape, "fun")
        problem.bc(guess[:, 0], guess[:, -1], known)

    found = _solve(problem, mesh, guess, known, tol, bc_tol, max_nodes, verbose, start)
    result = _result(problem, found, mesh, tol, bc_tol, max_nodes)
    if verbose:
        print(_report(problem, result, verbose))
    return result


def _check(x: Any, y: Any, p: Any, S: Any, verbose: int) -> tuple:
    x = np.asarray(x, dtype=float)
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"x: expected a one-dimensional mesh of at least 2 nodes, got shape {x.shape}")
    if not np.isfinite(x).all() or not (np.diff(x) > 0).all():
        raise ValueError("x: expected a strictly increasing sequence of finite numbers")
    y = np.asarray(y)
    dtype = complex if np.issubdtype(y.dtype, np.complexfloating) else float
    if y.ndim != 2 or y.shape[1] != x.size:
        raise ValueError(f"y: expected shape (n, {x.size}), got {y.shape}")
    y = y.astype(dtype)
    p = np.zeros(0, dtype) if p is None else np.asarray(p, dtype=dtype)
    if p.ndim != 1:
        raise ValueError(f"p: expected shape (k,), got {p.shape}")
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise ValueError("y, p: the guess holds NaN or infinity, expected finite values")
    if S is not None:
        S = np.asarray(S, dtype=dtype)
        if S.shape != (y.shape[0], y.shape[0]):
            raise ValueError(f"S: expected shape {(y.shape[0], y.shape[0])}, got {S.shape}")
        y[:, 0] -= np.linalg.pinv(S) @ (S @ y[:, 0])  # the solution satisfies S y(a) = 0
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose: expected 0, 1 or 2, got {verbose!r}")
    return x, y, p, S, dtype


def _solve(
    problem: FirstOrderProblem,
    x: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    tol: float,
    bc_tol: float,
    max_nodes: int,
    verbose: int,
    start: float,
) -> Any:
    """The mesh solver's result, tightened until SciPy's norm of the residual is within tol."""
    loop = adapt.AdaptiveLoop(
        problem, None, min(0.1 * tol, LOOSEST), adapt.Slot(resolve("auto")), MAX_ITER,  # type: ignore[arg-type]
        max_nodes * MOST_POINTS, True, _table(verbose),
    )  # fmt: skip
    state = _guess(problem, x, y, p)
    status = loop.run(state, tight=True)
    found = adapt.finish(problem, status, loop, bc_tol, start)  # type: ignore[arg-type]
    if status in adapt.GIVEN_UP and not _accepted(problem, found, x, tol, bc_tol):
        status = adapt.rescue_newton(loop, [_interpolant(x, row) for row in y], status)
        found = adapt.finish(problem, status, loop, bc_tol, start)  # type: ignore[arg-type]
    for _ in range(TIGHTENINGS):
        if not found.success or _accepted(problem, found, x, tol, bc_tol):
            break
        loop.tol *= 0.1
        again = adapt.finish(problem, loop.run(found.state, tight=True), loop, bc_tol, start)  # type: ignore[arg-type]
        if not again.success:
            break
        found = again
    return found


def _guess(problem: FirstOrderProblem, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> State:
    """The guess on elements whose ends are nodes of the initial mesh."""
    wanted = min(max(FEWEST_ELEMENTS, -(-(x.size - 1) // NODES_PER_ELEMENT)), MOST_ELEMENTS)
    count = min(wanted, x.size - 1)
    edges = x[np.round(np.linspace(0, x.size - 1, count + 1)).astype(int)]
    nodes = adapt.first_mesh(problem, None).p  # type: ignore[arg-type]
    mesh = Mesh(edges, nodes, problem.structure.orders)
    state = State.zeros(mesh, p.size, problem.dtype)
    for j, row in enumerate(y):
        curve = _interpolant(x, row)
        state.W[:, j] = curve(mesh.x, 1).reshape(mesh.E, mesh.p)
        state.Z[:, j] = curve(mesh.t)
    state.lam[:] = p
    return state


def _interpolant(x: np.ndarray, values: np.ndarray) -> Callable:
    """Monotone cubic through the guess: no overshoot, one derivative."""
    from scipy.interpolate import PchipInterpolator

    if np.iscomplexobj(values):
        re, im = PchipInterpolator(x, values.real), PchipInterpolator(x, values.imag)
        return lambda s, nu=0: re(s, nu) + 1j * im(s, nu)
    return PchipInterpolator(x, values)


def _nodes(x: np.ndarray, found: Any) -> np.ndarray:
    """The user's nodes and the ends of the elements, without doubles up to rounding."""
    merged = np.union1d(x, found.mesh)
    keep = np.concatenate([[True], np.diff(merged) > 1e-13 * (x[-1] - x[0])])
    nodes = merged[keep]
    nodes[-1] = x[-1]
    return nodes


def _rms_residuals(problem: FirstOrderProblem, found: Any, nodes: np.ndarray) -> np.ndarray:
    """Root mean square of |r / (1 + |f|)| over each interval, by Gauss quadrature with five points."""
    t, w = np.polynomial.legendre.leggauss(5)
    h = np.diff(nodes)
    x = (nodes[:-1, None] + 0.5 * h[:, None] * (t + 1.0)).ravel()
    sol = Solution(found.u)
    y, p = sol(x), _parameters(found)
    with np.errstate(all="ignore"):
        f = problem.f(x, y.astype(problem.dtype), p)
        r = np.abs((sol(x, 1) - f) / (1.0 + np.abs(f)))
    return np.sqrt(0.5 * (np.sum(r**2, axis=0).reshape(h.size, -1) @ w))


def _accepted(problem: FirstOrderProblem, found: Any, x: np.ndarray, tol: float, bc_tol: float) -> bool:
    """SciPy's criterion: the residuals are within their bounds, however Newton's method came there."""
    rms = _rms_residuals(problem, found, _nodes(x, found)).max()
    return bool(rms <= tol and _bc_residual(problem, found) <= bc_tol)


def _bc_residual(problem: FirstOrderProblem, found: Any) -> float:
    y = Solution(found.u)(np.array(problem.domain))
    with np.errstate(all="ignore"):
        return float(np.abs(problem.bc(y[:, 0], y[:, 1], _parameters(found))).max())


def _parameters(found: Any) -> np.ndarray:
    return np.array(list(found.params.values()))


def _result(
    problem: FirstOrderProblem, found: Any, x: np.ndarray, tol: float, bc_tol: float, max_nodes: int
) -> BVPResult:
    nodes = _nodes(x, found)
    sol, p = Solution(found.u), _parameters(found)
    rms = _rms_residuals(problem, found, nodes)
    y = sol(nodes)
    if rms.max() <= tol and nodes.size <= max_nodes:
        status = 0 if _bc_residual(problem, found) <= bc_tol else 3
    else:
        status = 1
    if status and found.status in _FAILURES:
        status = _FAILURES[found.status]
    elif status == 1 and found.status is Status.ILL_CONDITIONED:
        status = 2
    message = MESSAGES[status]
    if found.status is Status.NOT_FINITE:
        where = found.message.split(". ")[0].removeprefix("op: ")
        message = f"fun is not finite at the guess: {where}. Give a y (and p) for which it is."
    elif status == 1 and nodes.size <= max_nodes and found.status is not Status.NOT_RESOLVED:
        message = STOPPED.format(rms.max())
    if status == 0 and found.status in _FAILURES:  # the residuals are met, but Newton's steps do not settle
        message += " The Jacobian is (nearly) singular there: the solution may not be unique."
    if status == 0 and found.status is Status.ILL_CONDITIONED:
        message += f" The problem is ill-conditioned: errors up to {found.error_estimate:.1e} are possible."
    return BVPResult(
        sol=sol, p=p if p.size else None, x=nodes, y=y, yp=sol(nodes, 1), rms_residuals=rms, niter=found.nit,
        status=status, message=message, success=status == 0,
    )  # fmt: skip


def _table(verbose: int) -> Callable | None:
    if verbose < 2:
        return None
    print(f"{'Iteration':^12}{'Step':^12}{'Damping':^12}{'Contraction':^12}{'Points':^12}")

    def row(record: Any) -> None:
        print(f"{record.iteration:^12}{record.step_norm:^12.2e}{record.damping:^12.2e}"
              f"{record.contraction:^12.2e}{record.n:^12}")  # fmt: skip

    return row


def _report(problem: FirstOrderProblem, result: BVPResult, verbose: int) -> str:
    first = {
        0: f"Solved in {result.niter} iterations, number of nodes {result.x.size}.",
        1: f"Number of nodes is exceeded after iteration {result.niter}.",
        2: f"Singular Jacobian encountered on iteration {result.niter}.",
        3: f"The solver was unable to satisfy the boundary conditions on iteration {result.niter}.",
        4: f"Newton's method failed on iteration {result.niter}.",
    }[result.status]
    p = np.zeros(0) if result.p is None else result.p
    bc = np.abs(problem.bc(result.y[:, 0], result.y[:, -1], p)).max()
    if verbose > 1:
        titles = ("Iteration", "Max residual", "Max BC residual", "Total nodes")
        row = f"{result.niter:^15}{result.rms_residuals.max():^15.2e}{bc:^15.2e}{result.x.size:^15}"
        first = "".join(f"{title:^15}" for title in titles) + f"\n{row}\n{first}"
    return (
        f"{first}\nMaximum relative residual: {result.rms_residuals.max():.2e}\n"
        f"Maximum boundary residual: {bc:.2e}"
    )
