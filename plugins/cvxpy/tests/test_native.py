"""What a CVXPY user touches: statistics, warm start, parameters, dual signs, verbose, fallback,
attributes."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import spectral_nn_cvxpy
from spectral_nn_cvxpy import reading

RNG = np.random.default_rng(3)
A, b = RNG.standard_normal((60, 6)), RNG.standard_normal(60)


def problem_with(p: float = 3.0) -> tuple[cp.Problem, cp.Variable]:
    x = cp.Variable(6)
    return cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [cp.sum(x) == 1, x >= -0.2]), x


def gradient(x: np.ndarray, p: float) -> np.ndarray:
    r = A @ x - b
    return A.T @ (np.sign(r) * (np.abs(r) / np.linalg.norm(r, p)) ** (p - 1))


def test_statistics_are_filled() -> None:
    problem, _ = problem_with()
    value = problem.solve(method="newton_lp")
    stats = problem.solver_stats
    assert value == problem.value == problem.solution.opt_val
    assert stats.solver_name == "NEWTON_LP"
    assert stats.num_iters > 0 and stats.solve_time > 0 and stats.setup_time > 0
    assert problem.compilation_time > 0
    assert stats.extra_stats["gap"] <= 1e-9
    assert stats.extra_stats["factorizations"] >= stats.num_iters


def test_the_function_is_the_method() -> None:
    one, x = problem_with()
    two, y = problem_with()
    assert spectral_nn_cvxpy.solve(one) == two.solve(method="newton_lp")
    assert np.array_equal(x.value, y.value)


@pytest.mark.parametrize("p", [1.5, 3.0])
def test_stationarity_by_the_dual_signs_of_cvxpy(p: float) -> None:
    """grad f + sum over constraints of the derivative of (lhs - rhs) times its dual value vanishes."""
    x = cp.Variable(6)
    equality, at_most, at_least = cp.sum(x) == 1, x[:2] <= 0.05, 0.1 <= x[3]
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [equality, at_most, at_least])
    problem.solve(method="newton_lp")
    left = gradient(x.value, p) + equality.dual_value
    left[:2] += at_most.dual_value
    left[3] -= at_least.dual_value
    assert np.max(np.abs(left)) <= 1e-4
    assert np.all(at_most.dual_value >= 0) and at_least.dual_value >= 0


def test_duals_agree_with_clarabel() -> None:
    x = cp.Variable(6)
    constraints = [
        cp.Constant(0.5) == x[0] + x[1],
        A[:4] @ x <= 0.1,
        x >= -0.1,
        cp.reshape(x, (2, 3), order="F") <= 0.3,
    ]
    problem = cp.Problem(cp.Maximize(-cp.sum_squares(A @ x - b) - 2 * cp.norm(x, 3)), constraints)
    problem.solve(solver=cp.CLARABEL)
    theirs = [np.array(c.dual_value) for c in constraints]
    problem.solve(method="newton_lp")
    for constraint, other in zip(constraints, theirs, strict=True):
        assert np.shape(constraint.dual_value) == other.shape
        assert np.max(np.abs(constraint.dual_value - other)) <= 1e-4 * (1 + np.max(np.abs(other)))


def test_a_bound_stated_twice_has_one_multiplier() -> None:
    x = cp.Variable(6)
    loose, tight, again = x <= 1.0, x <= 0.01, 2 * x <= 0.02
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, 3)), [loose, tight, again])
    problem.solve(method="newton_lp")
    left = gradient(x.value, 3.0) + loose.dual_value + tight.dual_value + 2 * again.dual_value
    assert np.max(np.abs(left)) <= 1e-4
    assert np.max(np.abs(loose.dual_value)) == 0.0


def test_a_pinned_variable_has_the_dual_of_the_side_it_pushes_on() -> None:
    x = cp.Variable(6)
    low, high = x[0] >= 0.7, x[0] <= 0.7
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, 3)), [low, high])
    problem.solve(method="newton_lp")
    assert x.value[0] == pytest.approx(0.7, abs=1e-12)
    left = gradient(x.value, 3.0)
    left[0] += high.dual_value - low.dual_value
    assert np.max(np.abs(left)) <= 1e-4
    assert min(low.dual_value, high.dual_value) == 0.0


def test_parameters_are_put_in_without_reading_again(monkeypatch: pytest.MonkeyPatch) -> None:
    PA, Pb, weight = cp.Parameter((60, 6)), cp.Parameter(60), cp.Parameter(nonneg=True)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(PA @ x - Pb, 3) + weight * cp.sum_squares(x)), [x <= weight])
    PA.value, Pb.value, weight.value = A, b, 0.1
    problem.solve(method="newton_lp")

    def never(*_: object) -> None:
        raise AssertionError("the tree was read again")

    monkeypatch.setattr(reading.Reading, "__init__", never)
    for k in range(3):
        PA.value, Pb.value, weight.value = A + 0.1 * k, b - k, 0.3 * k
        value = problem.solve(method="newton_lp")
        y = cp.Variable(6)
        fresh = cp.Problem(
            cp.Minimize(cp.norm((A + 0.1 * k) @ y - b + k, 3) + 0.3 * k * cp.sum_squares(y)), [y <= 0.3 * k]
        )
        monkeypatch.undo()
        assert value == pytest.approx(fresh.solve(method="newton_lp"), rel=1e-9)
        monkeypatch.setattr(reading.Reading, "__init__", never)


def test_products_of_parameters_replay_though_they_are_not_dpp() -> None:
    one, two = cp.Parameter(nonneg=True, value=1.0), cp.Parameter(nonneg=True, value=2.0)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(one * two * (A @ x) - b, 3)))
    assert not problem.is_dpp()
    first = problem.solve(method="newton_lp")
    x_first = x.value
    two.value = 4.0
    assert problem.solve(method="newton_lp") == pytest.approx(first, rel=1e-9)
    assert np.max(np.abs(2 * x.value - x_first)) <= 1e-5


def test_a_parametrized_constant_in_an_atom_that_cvxpy_extracts() -> None:
    kernel = cp.Parameter(3, value=[1.0, 2.0, 0.5])
    x, y = cp.Variable(6), cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(cp.convolve(kernel, x) - 1, 3)))
    problem.solve(method="newton_lp")
    kernel.value = [3.0, -1.0, 0.2]
    fresh = cp.Problem(cp.Minimize(cp.norm(cp.convolve(kernel.value, y) - 1, 3)))
    assert problem.solve(method="newton_lp") == pytest.approx(fresh.solve(method="newton_lp"), rel=1e-9)


def test_a_term_of_weight_zero_is_no_term() -> None:
    weight = cp.Parameter(nonneg=True, value=0.0)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, 3) + weight * cp.norm(x, 1.5)))
    plain = cp.Problem(cp.Minimize(cp.norm(A @ x - b, 3)))
    assert problem.solve(method="newton_lp") == pytest.approx(plain.solve(method="newton_lp"), rel=2e-9)


def test_warm_start_pays_and_does_not_move_the_answer() -> None:
    problem, x = problem_with(16.0)
    cold = problem.solve(method="newton_lp")
    iterations, answer = problem.solver_stats.num_iters, x.value.copy()
    x.value = answer * (1 + 1e-6)
    warm = problem.solve(method="newton_lp")
    assert problem.solver_stats.num_iters < iterations
    assert warm == pytest.approx(cold, rel=1e-9)
    x.value = 1e6 * RNG.standard_normal(6)
    assert problem.solve(method="newton_lp") == pytest.approx(cold, rel=1e-9)
    x.value = answer
    problem.solve(method="newton_lp", warm_start=False)
    assert problem.solver_stats.num_iters == iterations


def test_a_solve_repeated_needs_no_iteration_and_a_near_one_fewer() -> None:
    shift = cp.Parameter(value=0.0)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b - shift, 32)))
    first = problem.solve(method="newton_lp")
    cold = problem.solver_stats.num_iters
    assert problem.solve(method="newton_lp") == pytest.approx(first, rel=1e-12)
    assert problem.solver_stats.num_iters == 0
    shift.value = 1e-4
    problem.solve(method="newton_lp")
    assert problem.solver_stats.num_iters < cold


def test_a_value_that_is_not_finite_is_no_start() -> None:
    problem, x = problem_with()
    cold = problem.solve(method="newton_lp")
    x.save_value(np.full(6, np.nan))
    assert problem.solve(method="newton_lp") == pytest.approx(cold, rel=1e-9)


def test_the_user_data_is_not_copied_and_not_changed() -> None:
    constant = cp.Constant(A)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(3 * cp.norm(b - 2 * (constant @ x), 3)))
    numbers = spectral_nn_cvxpy.read(problem).numbers()
    assert np.shares_memory(numbers.problem.terms[0].A, constant.value)
    before = constant.value.copy()
    problem.solve(method="newton_lp")
    assert np.array_equal(before, constant.value)


def test_verbose_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    problem, _ = problem_with()
    problem.solve(method="newton_lp", verbose=True)
    out = capsys.readouterr().out
    assert "expression tree read" in out and "gap" in out
    problem.solve(method="newton_lp", verbose=True)
    assert "parameter values put in" in capsys.readouterr().out
    problem.solve(method="newton_lp")
    assert capsys.readouterr().out == ""


def test_fallback_goes_to_cvxpy_and_says_so() -> None:
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, 3) + 0.1 * cp.norm1(x)))
    with pytest.raises(spectral_nn_cvxpy.Refused):
        problem.solve(method="newton_lp", fallback=False)
    value = problem.solve(method="newton_lp", fallback=True, solver="CLARABEL")
    stats = problem.solver_stats
    assert stats.solver_name == "CLARABEL"
    assert stats.extra_stats["delegated_by"] == "newton_lp"
    assert "l_1" in stats.extra_stats["reason"]
    assert value == pytest.approx(problem.solve(solver=cp.CLARABEL), rel=1e-7)


def test_fallback_options_reach_the_delegate() -> None:
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm1(A @ x - b)))
    with pytest.warns(UserWarning, match="inaccurate"):
        problem.solve(method="newton_lp", fallback=True, solver="SCS", fallback_options={"max_iters": 5})
    assert problem.solver_stats.num_iters <= 5


def test_fallback_is_not_taken_where_the_method_applies() -> None:
    problem, _ = problem_with()
    problem.solve(method="newton_lp", fallback=True)
    assert problem.solver_stats.solver_name == "NEWTON_LP"


def test_solver_path() -> None:
    problem, _ = problem_with()
    value = problem.solve(method="newton_lp", solver_path=["CLARABEL"])
    assert problem.status == cp.OPTIMAL and np.isfinite(value)


def test_solving_elsewhere_in_between_does_no_harm() -> None:
    problem, x = problem_with()
    mine = problem.solve(method="newton_lp")
    theirs = problem.solve(solver=cp.CLARABEL)
    again = problem.solve(method="newton_lp")
    assert mine == pytest.approx(again, rel=1e-9) and mine == pytest.approx(theirs, rel=1e-5)


def test_attribute_variables_are_met_exactly() -> None:
    T = RNG.standard_normal((3, 3))
    n, s = cp.Variable((3, 3), nonneg=True), cp.Variable((3, 3), symmetric=True)
    box = cp.Variable(3, bounds=[0.1, np.array([0.2, 0.3, np.inf])])
    d = cp.Variable((3, 3), diag=True)
    objective = cp.pnorm(n - T, 3) + cp.pnorm(s - T, 1.5) + cp.norm(box - T[0], 4) + cp.pnorm(d - T, 3)
    problem = cp.Problem(cp.Minimize(objective))
    problem.solve(method="newton_lp")
    assert np.all(n.value >= 0) and np.array_equal(s.value, s.value.T)
    assert np.all(box.value >= 0.1) and np.all(box.value[:2] <= [0.2, 0.3])
    assert np.count_nonzero(d.value.toarray() - np.diag(d.value.diagonal())) == 0
    mine = problem.value
    assert mine == pytest.approx(problem.solve(solver=cp.CLARABEL), rel=1e-6)


def test_a_sparse_variable() -> None:
    T = RNG.standard_normal((4, 4))
    v = cp.Variable((4, 4), sparsity=[(0, 1, 3), (2, 1, 0)])
    problem = cp.Problem(cp.Minimize(cp.pnorm(v - T, 3)))
    problem.solve(method="newton_lp")
    expected = np.zeros((4, 4))
    expected[(0, 1, 3), (2, 1, 0)] = T[(0, 1, 3), (2, 1, 0)]
    assert np.max(np.abs(v.value_sparse.toarray() - expected)) <= 1e-3


def test_bounds_by_parameters_follow_them() -> None:
    top = cp.Parameter(value=0.1)
    x = cp.Variable(6, bounds=[None, top])
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b - 5, 3)))
    problem.solve(method="newton_lp")
    assert np.max(x.value) <= 0.1
    top.value = -0.3
    problem.solve(method="newton_lp")
    assert np.max(x.value) <= -0.3


def test_a_problem_without_variables() -> None:
    holds = cp.Problem(cp.Minimize(cp.norm(np.array([3.0, 4.0]), 2)), [cp.Constant(1) <= 2])
    assert holds.solve(method="newton_lp") == 5.0 and holds.status == cp.OPTIMAL
    fails = cp.Problem(cp.Minimize(0), [cp.Constant(2) <= 1])
    assert fails.solve(method="newton_lp") == np.inf and fails.status == cp.INFEASIBLE


def test_a_constant_objective_finds_a_feasible_point() -> None:
    x = cp.Variable(3)
    constraint = cp.sum(x) == 6
    problem = cp.Problem(cp.Minimize(7), [constraint, x >= 1])
    assert problem.solve(method="newton_lp") == 7
    assert np.sum(x.value) == pytest.approx(6) and np.all(x.value >= 1 - 1e-9)
    assert constraint.dual_value == 0


def test_an_exactly_solvable_system_has_value_zero() -> None:
    x = cp.Variable(6)
    solution = RNG.standard_normal(6)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - A @ solution, 3)))
    assert problem.solve(method="newton_lp") <= 1e-12
    assert problem.status == cp.OPTIMAL
    assert np.max(np.abs(x.value - solution)) <= 1e-10


@pytest.mark.parametrize(
    ("term", "limits"),
    [
        (lambda x: cp.quad_form(x, np.eye(6)), lambda x: [x >= 0]),
        (lambda x: cp.norm(x, 1.5), lambda x: [x >= 0]),
        (lambda x: cp.norm(A @ x - A @ np.ones(6), 3), lambda x: [cp.sum(x) == 6]),
        (lambda x: cp.sum(cp.power(A @ x - A @ np.ones(6), 4)), lambda x: [x <= 1]),
        (lambda x: cp.norm(A @ x, 3) + cp.sum_squares(x), lambda x: [x >= -1]),
    ],
)
def test_an_optimum_of_zero_under_constraints(term: Any, limits: Any) -> None:
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(term(x)), limits(x))
    assert 0 <= problem.solve(method="newton_lp") <= 1e-12
    assert problem.status == cp.OPTIMAL
    assert all(np.all(np.abs(c.dual_value) <= 1e-5) for c in problem.constraints)


def test_a_copied_problem_has_its_own_variables() -> None:
    problem, x = problem_with()
    problem.solve(method="newton_lp")
    twin = copy.deepcopy(problem)
    for variable in twin.variables():
        variable.value = None
    twin.solve(method="newton_lp")
    assert np.max(np.abs(twin.variables()[0].value - x.value)) <= 1e-9


def test_a_reading_does_not_keep_its_problem_alive() -> None:
    problem, _ = problem_with()
    problem.solve(method="newton_lp")
    gone = weakref.ref(problem)
    del problem
    gc.collect()
    assert gone() is None


def test_a_misread_tree_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVXPY evaluates the objective at the answer; a reader that had lost a sign would be caught there."""
    problem, x = problem_with()
    monkeypatch.setattr(reading.Reading, "value", lambda self, numbers, fun: 1.01 * fun)
    with pytest.raises(cp.error.SolverError, match="evaluates the objective"):
        problem.solve(method="newton_lp")
    assert problem.status is None and x.value is None


def test_a_bad_start_costs_time_alone() -> None:
    problem, x = problem_with(8.0)
    good = problem.solve(method="newton_lp")
    bad = problem.solve(method="newton_lp", warm_start=False, start=lambda lp: 1e3 * np.ones(lp.n))
    assert bad == pytest.approx(good, rel=1e-9)
