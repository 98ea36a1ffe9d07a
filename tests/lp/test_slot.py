"""The hooks: any linear solver, any start. A bad one costs time, never correctness."""

import lp_data as data
import lp_reference as reference
import numpy as np
import pytest

from spectral_nn import LpProblem, LpTerm, linear_solvers, minimize_lp
from spectral_nn.linear import LinearSolution, Traits

A, B = data.gaussian(80, 6)


class Noise:
    """Answers with random numbers."""

    name = "noise"
    traits = Traits(summary="random numbers")

    def factor(self, A):
        return np.random.default_rng(0)

    def solve(self, state, b):
        return LinearSolution(state.standard_normal(b.shape))


class Raises(Noise):
    name = "raises"

    def solve(self, state, b):
        raise RuntimeError("no idea")


class Nan(Noise):
    name = "nan"

    def solve(self, state, b):
        return LinearSolution(np.full(b.shape, np.nan))


class TwoDigits(Noise):
    """A decent approximation, as a learned solver gives."""

    name = "two digits"

    def factor(self, A):
        return np.asarray(A.A if hasattr(A, "A") else A)

    def solve(self, state, b):
        x = np.linalg.solve(state, b)
        return LinearSolution(x * (1 + 0.01 * np.cos(np.arange(x.size)).reshape(x.shape)))


@pytest.mark.parametrize("solver", [Noise(), Raises(), Nan()], ids=lambda s: s.name)
@pytest.mark.parametrize("p", [1.2, 4])
@pytest.mark.parametrize(
    "extra", [{}, {"lb": 0}, {"E": np.ones((1, 6)), "e": [1.0]}], ids=["free", "bounds", "equality"]
)
def test_a_bad_solver_changes_nothing_but_the_report(solver, p, extra):
    good = minimize_lp(A, B, p, **extra)
    bad = minimize_lp(A, B, p, linear_solver=solver, **extra)
    assert bad.success and bad.fun == pytest.approx(good.fun, rel=1e-9)
    assert bad.linear_solver["solver"] == solver.name
    assert bad.linear_solver["fell_back"] + bad.linear_solver["refinements"] > 0
    assert good.linear_solver["fell_back"] == 0 and "cause" not in good.linear_solver
    if bad.linear_solver["fell_back"]:
        assert bad.linear_solver["cause"].startswith(f"{solver.name} r") and "cause" in repr(bad)
    if solver.name in ("raises", "nan"):
        sentence = f"'{solver.name}' solved none of the Newton systems, another solver did: {solver.name} r"
        assert sentence in bad.message and sentence not in good.message


def test_an_approximate_solver_is_refined():
    good = minimize_lp(A, B, 4)
    result = minimize_lp(A, B, 4, linear_solver=TwoDigits())
    assert result.success and result.nit == good.nit
    assert result.linear_solver["fell_back"] == 0 and result.linear_solver["refinements"] >= result.nit


@pytest.mark.parametrize("name", ["cholesky", "lu", "qr", "gmres"])
def test_solvers_by_name(name):
    assert name in linear_solvers()
    problem = LpProblem(LpTerm(A, B, 1.5), lb=-0.1)
    result = problem.solve(linear_solver=name)
    assert result.success and result.linear_solver["solver"] == name
    reference.verify(problem, result)


BAD_STARTS = {
    "nan": lambda problem: np.full(6, np.nan),
    "wrong shape": lambda problem: np.zeros(7),
    "nonsense": lambda problem: "x",
    "raises": lambda problem: 1 / 0,
}


@pytest.mark.parametrize("name", BAD_STARTS)
@pytest.mark.parametrize("p", [1.1, 16])
def test_a_bad_start_changes_nothing(name, p):
    plain = minimize_lp(A, B, p)
    with pytest.warns(UserWarning, match="start= was dropped: .*Error: "):
        result = minimize_lp(A, B, p, start=BAD_STARTS[name])
    assert result.success and result.nit == plain.nit
    assert np.allclose(result.x, plain.x, rtol=1e-6, atol=1e-9)
    assert "start= was dropped: " in result.message and "start=" not in plain.message


def test_a_start_that_is_worse_than_least_squares_is_not_taken():
    plain = minimize_lp(A, B, 16)
    result = minimize_lp(A, B, 16, start=lambda problem: np.full(6, 1e9))
    assert result.success and result.nit == plain.nit and result.message == plain.message


@pytest.mark.parametrize("wrong", ["learned", 3, np.zeros(6), dict])
def test_a_start_that_is_no_hook_is_misuse(wrong):
    with pytest.raises(TypeError, match="start must be callable, start\\(problem\\) -> x, got"):
        minimize_lp(A, B, 8, start=wrong)


@pytest.mark.parametrize("p", [8, 16, 32])
def test_a_good_start_saves_iterations(p):
    plain = minimize_lp(A, B, p)
    shaken = plain.x * (1 + 1e-3 * np.cos(np.arange(6)))
    result = minimize_lp(A, B, p, start=lambda problem: shaken)
    assert result.success and result.nit < plain.nit


# -- warm starts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.1, 1.5, 4, 16, 32])
@pytest.mark.parametrize(
    "extra", [{}, {"E": np.ones((1, 6)), "e": [1.0]}, {"ridge": 0.1}], ids=["free", "equality", "ridge"]
)
def test_a_result_as_start_pays(p, extra):
    cold = minimize_lp(A, B, p, **extra)
    again = minimize_lp(A, B, p, x0=cold, **extra)
    assert again.success and again.nit <= 1
    moved = B + 1e-3 * np.cos(np.arange(80))
    fresh = minimize_lp(A, moved, p, **extra)
    warm = minimize_lp(A, moved, p, x0=cold, **extra)
    assert warm.success and warm.fun == pytest.approx(fresh.fun, rel=1e-9)
    assert warm.factorizations < fresh.factorizations


@pytest.mark.parametrize("p", [1.2, 3, 16])
@pytest.mark.parametrize(
    "change", [{"ridge": 0.2}, {"ridge": 0.0, "q": np.full(6, 0.01)}, {"ridge": 0.1, "lb": 0}]
)
def test_the_dual_of_another_problem_proves_nothing(p, change):
    first = LpProblem(LpTerm(A, B, p), ridge=0.1).solve()
    problem = LpProblem(LpTerm(A, B, p), **change)
    result = problem.solve(x0=first)
    assert result.success and result.nit > 0 and result.history[0]["gap"] == np.inf
    assert result.fun == pytest.approx(problem.solve().fun, rel=3e-9)
    reference.verify(problem, result)


@pytest.mark.parametrize("p", [1.1, 4, 32])
def test_x0_alone_pays(p):
    cold = minimize_lp(A, B, p)
    warm = minimize_lp(A, B, p, x0=cold.x)
    assert warm.success and warm.factorizations <= 3 < cold.factorizations + (p == 4)


@pytest.mark.parametrize("p", [1.1, 4, 64])
@pytest.mark.parametrize("x0", [np.full(6, 1e8), np.zeros(6)], ids=["far", "zero"])
def test_a_poor_x0_does_no_harm(p, x0):
    cold = minimize_lp(A, B, p)
    result = minimize_lp(A, B, p, x0=x0)
    assert result.success and result.fun == pytest.approx(cold.fun, rel=1e-9)


def test_x0_need_not_be_feasible():
    result = minimize_lp(A, B, 3, x0=np.full(6, -3.0), lb=0, E=np.ones((1, 6)), e=[1.0])
    assert result.success and result.x.min() >= -1e-9 and result.x.sum() == pytest.approx(1.0)


def test_a_start_that_leads_into_a_corner_is_left_for_least_squares():
    """The optimum for p = 30 is a better start than least squares for p = 300, and the way from there stalls."""
    rng = np.random.default_rng(3)
    tall, b = rng.standard_normal((128, 64)), rng.standard_normal(128)
    result = minimize_lp(tall, b, 300, start=lambda problem: minimize_lp(tall, b, 30).x)
    assert result.success and result.gap <= 1e-8
    assert result.fun == pytest.approx(minimize_lp(tall, b, 300).fun, rel=1e-7)
