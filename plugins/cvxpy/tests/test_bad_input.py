"""What cannot be solved, or cannot be solved this way: the right exception or status, with a reason one can
act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from cvxpy.error import DCPError, DPPError, ParameterError, SolverError
from spectral_nn_cvxpy import Refused

RNG = np.random.default_rng(0)
A, b = RNG.standard_normal((20, 4)), RNG.standard_normal(20)
x, X = cp.Variable(4, name="x"), cp.Variable((3, 3), name="X")
S = cp.Variable((2, 2), PSD=True)
fit = cp.norm(A @ x - b, 3)
bad_A, inf_A, bad_b = A.copy(), A.copy(), b.copy()
bad_A[2, 1], inf_A[2, 1], bad_b[7] = np.nan, np.inf, np.nan
unset = cp.Parameter(20, name="measured")
p1, p2 = cp.Parameter(nonneg=True, value=1.0), cp.Parameter(nonneg=True, value=2.0)
exponent = cp.Parameter(value=3.0)
indefinite = np.diag([1.0, -1.0, 1.0, 1.0])

# name: (objective, constraints, options, exception, part of its message)
RAISES: dict[str, tuple[Any, list[Any], dict[str, Any], type[Exception], str]] = {
    "minimize a concave function": (cp.Minimize(-fit), [], {}, DCPError, "DCP rules"),
    "maximize a norm": (cp.Maximize(fit), [], {}, DCPError, "DCP rules"),
    "p below 1": (cp.Minimize(cp.pnorm(x, 0.5)), [], {}, DCPError, "objective"),
    "norm bounded from below": (cp.Minimize(fit), [cp.norm(x, 2) >= 1], {}, DCPError, "constraint"),
    "parameter as exponent": (cp.Minimize(cp.sum(cp.abs(x) ** exponent)), [], {}, DCPError, "objective"),
    "parameter without a value": (cp.Minimize(cp.norm(A @ x - unset, 3)), [], {}, ParameterError, "measured"),
    "not DPP where DPP is enforced": (
        cp.Minimize(p1 * p2 * fit), [], {"enforce_dpp": True}, DPPError, "not DPP"),
    "l_1 norm": (cp.Minimize(cp.norm(A @ x - b, 1)), [], {}, Refused, "norm1"),
    "l_1 term among others": (cp.Minimize(fit + 0.1 * cp.norm1(x)), [], {}, Refused, "1 < p < inf"),
    "sum of absolute values": (cp.Minimize(cp.sum(cp.abs(A @ x - b))), [], {}, Refused, "l_1"),
    "l_inf norm": (cp.Minimize(cp.norm(A @ x - b, "inf")), [], {}, Refused, "norm_inf"),
    "p rounded to 1": (cp.Minimize(cp.norm(A @ x - b, 1.0001)), [], {}, DCPError, "approx=False"),
    "maximum": (cp.Minimize(cp.max(A @ x - b)), [], {}, Refused, "l_inf"),
    "Huber": (cp.Minimize(cp.sum(cp.huber(A @ x - b))), [], {}, Refused, "huber"),
    "exponential": (cp.Minimize(fit + cp.sum(cp.exp(x))), [], {}, Refused, "'exp'"),
    "logistic": (cp.Minimize(cp.sum(cp.logistic(A @ x))), [], {}, Refused, "logistic"),
    "nuclear norm": (cp.Minimize(cp.normNuc(X)), [], {}, Refused, "normNuc"),
    "spectral norm": (cp.Minimize(cp.sigma_max(X - 1)), [], {}, Refused, "sigma_max"),
    "mixed norm": (cp.Minimize(cp.mixed_norm(X - 1, 2, 3)), [], {}, Refused, "no l_p norm"),
    "norm squared beside another term": (cp.Minimize(fit**2 + cp.sum_squares(x)), [], {}, Refused, "power 2"),
    "linear objective": (cp.Minimize(cp.sum(x)), [x >= 0], {}, Refused, "no curvature"),
    "norm in a constraint": (cp.Minimize(fit), [cp.norm(x, 3) <= 1], {}, Refused, "objective alone"),
    "second-order cone": (cp.Minimize(fit), [cp.SOC(x[0], x[1:])], {}, Refused, "SOC"),
    "semidefinite constraint": (cp.Minimize(cp.sum_squares(X)), [X >> 0], {}, Refused, "PSD"),
    "boolean variable": (cp.Minimize(cp.norm(cp.Variable(3, boolean=True), 3)), [], {}, Refused, "boolean"),
    "integer variable": (cp.Minimize(cp.norm(cp.Variable(3, integer=True), 3)), [], {}, Refused, "integer"),
    "complex variable": (cp.Minimize(cp.norm(cp.Variable(3, complex=True), 3)), [], {}, Refused, "complex"),
    "semidefinite variable": (cp.Minimize(cp.sum_squares(S)), [], {}, Refused, "conic"),
    "complex data": (cp.Minimize(cp.norm(A @ x - (b + 1j), 3)), [], {}, Refused, "complex"),
    "complex equality": (cp.Minimize(fit), [x[0] == 1j], {}, Refused, "complex"),
    "indefinite form called PSD": (
        cp.Minimize(cp.quad_form(x, indefinite, assume_PSD=True)), [], {}, Refused, "indefinite"),
    "NaN in the matrix": (cp.Minimize(cp.norm(bad_A @ x - b, 3)), [], {}, ValueError, "NaN"),
    "infinity in the matrix": (cp.Minimize(cp.norm(inf_A @ x - b, 3)), [], {}, ValueError, "Inf"),
    "NaN on the right-hand side": (cp.Minimize(cp.norm(A @ x - bad_b, 3)), [], {}, ValueError, "NaN"),
    "NaN in an equality": (cp.Minimize(fit), [x[0] == np.nan], {}, ValueError, "NaN"),
    "NaN in an inequality": (cp.Minimize(fit), [A @ x <= bad_b], {}, ValueError, "NaN"),
    "infinity in an equality": (cp.Minimize(fit), [x[0] == np.inf], {}, ValueError, "Inf"),
    "unknown keyword": (cp.Minimize(fit), [], {"max_iters": 7}, TypeError, "max_iters"),
    "geometric program": (cp.Minimize(fit), [], {"gp": True}, Refused, "gp=True"),
    "quasiconvex program": (cp.Minimize(fit), [], {"qcp": True}, Refused, "qcp=True"),
    "derivatives": (cp.Minimize(fit), [], {"requires_grad": True}, Refused, "requires_grad=True"),
    "negative tolerance": (cp.Minimize(fit), [], {"tol": -1.0}, ValueError, "tol"),
    "no iterations": (cp.Minimize(fit), [], {"max_iter": -5}, ValueError, "max_iter"),
    "unknown linear solver": (cp.Minimize(fit), [], {"linear_solver": "colesky"}, ValueError, "colesky"),
}  # fmt: skip


@pytest.mark.parametrize("name", RAISES)
def test_raises(name: str) -> None:
    objective, constraints, options, exception, words = RAISES[name]
    problem = cp.Problem(objective, constraints)
    with pytest.raises(exception, match=_escaped(words)):
        problem.solve(method="newton_lp", **options)
    assert problem.status is None and problem.value is None


# name: (objective, constraints, status, value)
ENDS: dict[str, tuple[Any, list[Any], str, float]] = {
    "contradicting equalities": (cp.Minimize(fit), [cp.sum(x) == 1, cp.sum(x) == 2], cp.INFEASIBLE, np.inf),
    "contradicting bounds": (cp.Minimize(fit), [x[1] >= 1, x[1] <= 0], cp.INFEASIBLE, np.inf),
    "contradicting inequalities": (
        cp.Minimize(fit), [cp.sum(x) >= 1, x[0] + x[1] <= 0, x[2] + x[3] <= 0], cp.INFEASIBLE, np.inf),
    "infeasible maximization": (cp.Maximize(-fit), [cp.sum(x) == 1, cp.sum(x) == 2], cp.INFEASIBLE, -np.inf),
    "a false constant constraint": (cp.Minimize(fit), [cp.Constant(1) <= 0], cp.INFEASIBLE, np.inf),
    "a bound of minus infinity": (cp.Minimize(fit), [x <= -np.inf], cp.INFEASIBLE, np.inf),
    "unbounded in a free variable": (cp.Minimize(fit + cp.Variable(name="free")), [], cp.UNBOUNDED, -np.inf),
    "unbounded maximization": (cp.Maximize(X[0, 0] - fit), [X[0, 0] >= 1], cp.UNBOUNDED, np.inf),
    "norm against a longer slope": (cp.Minimize(cp.norm(x, 3) - 2 * x[0]), [], cp.UNBOUNDED, -np.inf),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_ends_in_a_status(name: str) -> None:
    objective, constraints, status, value = ENDS[name]
    problem = cp.Problem(objective, constraints)
    assert problem.solve(method="newton_lp") == value
    assert problem.status == status and problem.value == value
    assert all(variable.value is None for variable in problem.variables())
    if status == cp.UNBOUNDED:
        assert all(constraint.dual_value is None for constraint in problem.constraints)
    assert problem.solver_stats.solver_name == "NEWTON_LP"


INFEASIBLE = [name for name, end in ENDS.items() if end[2] == cp.INFEASIBLE and "infinity" not in name]


@pytest.mark.parametrize("name", INFEASIBLE)
def test_infeasibility_is_proven_by_the_duals(name: str) -> None:
    """The dual values combine the constraints, lhs - rhs == 0 and <= 0, into a positive constant <= 0."""
    objective, constraints, _, _ = ENDS[name]
    cp.Problem(objective, constraints).solve(method="newton_lp")

    def combined(point: np.ndarray) -> float:
        x.value = point
        return float(sum(np.sum(c.dual_value * c.expr.value) for c in constraints))

    for constraint in constraints:
        equality = isinstance(constraint, cp.constraints.Equality)
        assert equality or np.all(constraint.dual_value >= 0)
    constant = combined(np.zeros(4))
    assert constant > 0
    assert all(combined(RNG.standard_normal(4)) == pytest.approx(constant, abs=1e-7) for _ in range(4))


def test_there_are_enough_bad_inputs() -> None:
    assert len(RAISES) + len(ENDS) >= 25


def test_a_refusal_names_the_sub_expression() -> None:
    culprit = cp.norm1(x - 3)
    with pytest.raises(Refused) as caught:
        cp.Problem(cp.Minimize(2 * fit + 0.5 * culprit)).solve(method="newton_lp")
    assert caught.value.expression is culprit
    assert str(culprit) in str(caught.value)
    assert isinstance(caught.value, SolverError)


@pytest.mark.parametrize(
    "build",
    [
        lambda: cp.norm(np.ones((3, 5)) @ x - b, 3),  # shapes that do not match
        lambda: cp.pnorm(X, 3, axis=0),  # an axis is for p = 2 in CVXPY
        lambda: cp.pnorm(x, 0),
        lambda: cp.Variable(3, bounds=[1, 0]),
        lambda: cp.Parameter(20, value=bad_b),
    ],
)
def test_cvxpy_itself_refuses_to_build(build: Callable[[], Any]) -> None:
    with pytest.raises(ValueError):
        build()


def test_an_earlier_answer_survives_a_refusal() -> None:
    y = cp.Variable(4)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ y - b, 1)))
    value = problem.solve(solver=cp.CLARABEL)
    with pytest.raises(Refused):
        problem.solve(method="newton_lp")
    assert problem.value == value and problem.status == cp.OPTIMAL


def test_too_few_iterations_are_reported_as_inaccurate_or_refused() -> None:
    y = cp.Variable(4)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ y - b, 16)))
    with pytest.warns(UserWarning, match="may be inaccurate"):
        problem.solve(method="newton_lp", max_iter=1)
    assert problem.status in (cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
    assert problem.solver_stats.extra_stats["gap"] > 1e-9


def _escaped(words: str) -> str:
    import re

    return re.escape(words)
