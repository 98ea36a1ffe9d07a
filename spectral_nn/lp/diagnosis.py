"""Why a run did not converge: constraints that contradict, or an objective without a lower bound; with the proof."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from .program import Program
from .reduction import Reduction
from .result import LpResult, LpStatus

if TYPE_CHECKING:
    from .problem import LpProblem

FEASIBILITY_TOL = 1e-8  # a violation that no x can avoid, relative to the right-hand sides
DESCENT_TOL = 1e-6  # slope of a direction of descent in the box |d| <= 1, relative to |q|


def diagnose(problem: LpProblem, result: LpResult, began: float) -> LpResult:
    """`result`, or INFEASIBLE or UNBOUNDED with a certificate where one is found."""
    if problem.G is not None or problem.lb is not None or problem.ub is not None:
        certificate = _contradiction(problem)
        if certificate is not None:
            return impossible(problem, certificate, began)
    if problem.q is not None and problem.q.any():
        direction = _descent_forever(problem)
        if direction is not None:
            return unbounded(problem, direction, began)
    return result


def impossible(problem: LpProblem, certificate: dict[str, np.ndarray], began: float) -> LpResult:
    """The result for contradicting constraints."""
    found = {
        "eq": np.zeros(0 if problem.E is None else problem.E.shape[0]),
        "ineq": np.zeros(0 if problem.G is None else problem.G.shape[0]),
        "lb": np.zeros(0 if problem.lb is None else problem.n),
        "ub": np.zeros(0 if problem.ub is None else problem.n),
        **certificate,
    }
    return _empty(problem, LpStatus.INFEASIBLE, np.full(problem.n, np.nan), np.inf, found, began)


def unbounded(problem: LpProblem, direction: np.ndarray, began: float) -> LpResult:
    """The result for an objective that falls forever along `direction`."""
    return _empty(
        problem, LpStatus.UNBOUNDED, np.full(problem.n, np.nan), -np.inf, {"direction": direction}, began
    )


def unbounded_direction(problem: LpProblem, reduction: Reduction) -> np.ndarray | None:
    """A direction that changes no term and no constraint but the linear term, if there is one."""
    if problem.q is None or reduction.null is None or not reduction.null.shape[1]:
        return None
    slope = reduction.null.T @ problem.q
    if np.linalg.norm(slope) <= DESCENT_TOL * np.linalg.norm(problem.q):
        return None
    return -reduction.null @ slope


def point_within(program: Program) -> np.ndarray | None:
    """A z with A z = b (and E z = 0) that meets the inequalities, if there is one: a linear program."""
    from scipy.optimize import linprog

    rows = program.inequalities
    assert rows is not None
    equal, right = sp.csr_array(program.A), program.b
    if program.E is not None:
        equal, right = sp.vstack([equal, program.E]), np.concatenate([right, np.zeros(program.E.shape[0])])
    n = equal.shape[1]
    answer = linprog(
        np.zeros(n), A_ub=rows.rows(), b_ub=rows.h, A_eq=equal, b_eq=right,
        bounds=(None, None), method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )  # fmt: skip
    if answer.x is None:
        return None
    dense = equal.toarray()
    return answer.x + np.linalg.lstsq(dense, right - dense @ answer.x, rcond=None)[0]


def _contradiction(problem: LpProblem) -> dict[str, np.ndarray] | None:
    """Multipliers of the least violation any x can have, if that is not 0 (Farkas' lemma through an LP).

    minimize t  s.t.  G x - h <= t, lb - x <= t, x - ub <= t, |E x - e| <= t, t >= 0.
    """
    from scipy.optimize import linprog

    n = problem.n
    blocks, rights, names = [], [], []
    eye = sp.eye_array(n, format="csr")
    for name, matrix, right in (
        ("ineq", problem.G, problem.h),
        ("lb", -eye, None if problem.lb is None else -problem.lb),
        ("ub", eye, problem.ub),
        ("eq", problem.E, problem.e),
        ("qe", None if problem.E is None else -problem.E, None if problem.E is None else -problem.e),
    ):
        if matrix is None or right is None:
            continue
        matrix = sp.csr_array(matrix)
        size = np.maximum(np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()), 1e-300)
        finite = np.flatnonzero(np.isfinite(right))
        blocks.append((sp.diags_array(1 / size) @ matrix).tocsr()[finite])
        rights.append((right / size)[finite])
        names.append((name, finite, size))
    stackable = sp.vstack(blocks, format="csr")
    right = np.concatenate(rights)
    with_t = sp.hstack([stackable, sp.csr_array(-np.ones((stackable.shape[0], 1)))], format="csr")
    cost = np.zeros(n + 1)
    cost[n] = 1.0
    limits = np.array([[-np.inf, np.inf]] * n + [[0.0, np.inf]])
    answer = linprog(cost, A_ub=with_t, b_ub=right, bounds=limits, method="highs")
    if answer.x is None or answer.fun <= FEASIBILITY_TOL * (1.0 + np.abs(right).max(initial=0.0)):
        return None
    multipliers = -np.asarray(answer.ineqlin.marginals)
    violated = -float(multipliers @ right)
    if not violated > 0:
        return None
    certificate: dict[str, Any] = {}
    at = 0
    for name, finite, size in names:
        part = np.zeros(len(size))
        part[finite] = multipliers[at : at + len(finite)] / size[finite] / violated
        certificate[name] = part
        at += len(finite)
    if "qe" in certificate:
        certificate["eq"] = certificate["eq"] - certificate.pop("qe")
    return certificate


def _descent_forever(problem: LpProblem) -> np.ndarray | None:
    """A direction d with A_t d = 0 for powers, Q d = 0, E d = 0, G d <= 0 and sum c ||A_t d|| + q'd < 0.

    The objective along d is bounded below exactly where this convex problem in the box |d| <= 1 has optimum 0.
    """
    from .problem import LpProblem

    fixed = [term.A for term in problem.terms if term.kind == "power" and term.weight > 0]
    fixed += [matrix for matrix in (problem.Q, problem.E) if matrix is not None]
    if problem.ridge:
        return None
    assert problem.q is not None
    size = float(np.abs(problem.q).max())
    norms = [_homogeneous(term, size) for term in problem.terms if term.kind == "norm" and term.weight > 0]
    low, high = np.full(problem.n, -1.0), np.full(problem.n, 1.0)
    if problem.lb is not None:
        low[np.isfinite(problem.lb)] = 0.0
    if problem.ub is not None:
        high[np.isfinite(problem.ub)] = 0.0
    boxed = low == high
    if boxed.all():
        return None
    if boxed.any():  # bounded on both sides: d = 0 there, which an interior point cannot do by bounds
        fixed.append(np.eye(problem.n)[boxed])
        low[boxed], high[boxed] = -1.0, 1.0
    E = np.vstack([m.toarray() if sp.issparse(m) else m for m in fixed]) if fixed else None
    inner = LpProblem(
        norms,
        q=problem.q / size,
        E=E,
        e=None if E is None else np.zeros(len(E)),
        G=problem.G,
        h=None if problem.G is None else np.where(np.isfinite(problem.h), 0.0, np.inf),
        lb=low,
        ub=high,
        n=problem.n,
    )
    from .minimize import solve_problem

    answer = solve_problem(inner, None, None, 1e-8, 100, "cholesky", None, 0, None, look_further=False)
    d = answer.x
    if not np.isfinite(d).all() or inner.objective(d) > -DESCENT_TOL:
        return None
    return d if _violation(inner, d) <= DESCENT_TOL * -inner.objective(d) else None


def _violation(problem: LpProblem, d: np.ndarray) -> float:
    worst = 0.0
    if problem.E is not None:
        worst = float(np.abs(problem.E @ d).max(initial=0.0))
    if problem.G is not None:
        rows = np.isfinite(problem.h)
        worst = max(worst, float((problem.G @ d)[rows].max(initial=0.0)))
    for bound, sign in ((problem.lb, -1.0), (problem.ub, 1.0)):
        if bound is not None:
            worst = max(worst, float((sign * (d - bound)).max(initial=0.0)))
    return worst


def _homogeneous(term: Any, size: float) -> Any:
    """The term with b = 0, divided by `size`."""
    from .problem import LpTerm

    return LpTerm(term.A, 0.0, term.p, term.weight / size, term.kind, term.row_weights, term.groups)


def _empty(
    problem: LpProblem,
    status: LpStatus,
    x: np.ndarray,
    fun: float,
    certificate: dict[str, np.ndarray],
    began: float,
) -> LpResult:
    nan = float("nan")
    return LpResult(
        x=x,
        fun=fun,
        success=False,
        status=status,
        message=status.sentence,
        nit=0,
        gap=nan,
        dual_fun=fun,
        dual=[np.full(term.A.shape[0], np.nan) for term in problem.terms],
        eq_dual=np.full(0 if problem.E is None else problem.E.shape[0], np.nan),
        ineq_dual=np.full(0 if problem.G is None else problem.G.shape[0], np.nan),
        lb_dual=np.full(0 if problem.lb is None else problem.n, np.nan),
        ub_dual=np.full(0 if problem.ub is None else problem.n, np.nan),
        kkt={},
        factorizations=0,
        time=time.perf_counter() - began,
        linear_solver={"solver": "none", "solves": 0, "refinements": 0, "fell_back": 0},
        certificate=certificate,
    )
