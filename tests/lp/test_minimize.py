"""minimize_lp against an extended-precision solver, and against its own certificate recomputed in long double."""

import lp_data as data
import lp_reference as reference
import numpy as np
import pytest

from spectral_nn import LpProblem, LpTerm, minimize_lp

EXPONENTS = [1.05, 1.1, 1.2, 1.5, 1.9, 2, 2.5, 3, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("make", [data.gaussian, data.outliers])
def test_matches_the_extended_precision_solver(p, make):
    A, b = make(40, 5)
    ref = reference.solve(A, b, p)
    assert ref.fun - ref.lower <= 1e-13 * ref.fun  # the reference itself is certified
    result = minimize_lp(A, b, p, tol=1e-12)
    assert result.success and result.gap <= 1e-12
    assert abs(result.fun - ref.fun) <= 2e-12 * ref.fun
    assert np.abs(result.x - ref.x).max() <= 2e-6 * np.abs(ref.x).max()
    assert result.dual_fun <= ref.fun * (1 + 1e-13)


@pytest.mark.parametrize("p", [1.1, 1.5, 3, 8, 32])
def test_equality_constraints_match_the_extended_precision_solver(p):
    A, b = data.gaussian(40, 6)
    E, e = data.gaussian(2, 6, seed=1)
    ref = reference.solve(A, b, p, E, e)
    result = minimize_lp(A, b, p, E=E, e=e, tol=1e-12)
    assert result.success
    assert abs(result.fun - ref.fun) <= 2e-12 * ref.fun
    assert np.abs(E @ result.x - e).max() <= 1e-14 * (1 + np.abs(e).max())
    reference.verify(LpProblem(LpTerm(A, b, p), E=E, e=e), result, tol=1e-12)


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("kind", ["norm", "power"])
def test_certificate_holds_in_long_double(p, kind):
    A, b = data.outliers(200, 20)
    problem = LpProblem(LpTerm(A, b, p, kind=kind))
    result = problem.solve()
    assert result.success and result.status.name == "CONVERGED"
    reference.verify(problem, result)


# Iterations to a gap of 1e-9, the least-squares start not counted: what the secant weights and the homotopy achieve.
LIMITS = {1.05: 9, 1.1: 8, 1.2: 7, 1.5: 5, 3: 4, 4: 4, 8: 5, 16: 7, 32: 8, 64: 10}


@pytest.mark.parametrize("p", LIMITS)
@pytest.mark.parametrize("seed", range(3))
def test_iterations(p, seed):
    result = minimize_lp(*data.gaussian(500, 50, seed), p)
    assert result.success and result.nit <= LIMITS[p]
    assert result.factorizations == result.nit + 1


@pytest.mark.parametrize("p", [1.1, 8, 32])
def test_iterations_stay_few_with_outliers_and_half_as_many_unknowns_as_rows(p):
    assert minimize_lp(*data.outliers(500, 50), p).nit <= 11
    assert minimize_lp(*data.gaussian(128, 64), p).nit <= 11


@pytest.mark.parametrize("scale", [1e8, 1e-8])
@pytest.mark.parametrize("kind", ["norm", "power"])
@pytest.mark.parametrize("p", [1.1, 3, 8])
def test_scale_of_the_data_changes_nothing(scale, kind, p):
    A, b = data.gaussian(100, 8)
    plain = minimize_lp(A, b, p, kind=kind)
    scaled = minimize_lp(A * scale, b * scale, p, kind=kind)
    degree = 1 if kind == "norm" else p
    assert scaled.success and scaled.nit == plain.nit
    assert scaled.fun == pytest.approx(plain.fun * scale**degree, rel=1e-8)
    assert np.allclose(scaled.x, plain.x, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kappa", [1e3, 1e5, 1e8])
@pytest.mark.parametrize("p", [1.05, 1.2, 1.5, 4, 16])
def test_ill_conditioned_columns(kappa, p):
    A, b = data.conditioned(120, 12, kappa)
    orthonormal, _ = data.conditioned(120, 12, 1.0)  # the same range, so the same optimum
    result = minimize_lp(A, b, p)
    assert result.success
    assert result.fun == pytest.approx(minimize_lp(orthonormal, b, p).fun, rel=2e-9)


def test_columns_of_all_sizes():
    A, b = data.gaussian(100, 9)
    result = minimize_lp(A * np.logspace(-8, 8, 9), b, 4)
    assert result.success and result.fun == pytest.approx(minimize_lp(A, b, 4).fun, rel=1e-9)


@pytest.mark.parametrize("p", [1.1, 3, 16])
def test_rank_deficient_columns_give_the_shortest_x(p):
    A, b = data.gaussian(60, 6)
    result = minimize_lp(np.hstack([A, A[:, :2]]), b, p)
    single = minimize_lp(A, b, p)
    assert result.success and result.fun == pytest.approx(single.fun, rel=1e-9)
    assert np.allclose(result.x[:2], result.x[6:], atol=1e-8)  # of all minimizers the shortest shares evenly


@pytest.mark.parametrize("p", [1.1, 2, 3, 16])
@pytest.mark.parametrize("shape", [(30, 5), (5, 12)])
def test_exactly_solvable_systems_have_optimum_zero(p, shape):
    A, _ = data.gaussian(*shape)
    b = A @ np.ones(shape[1])
    result = minimize_lp(A, b, p)
    assert result.success and result.fun <= 1e-12 * np.linalg.norm(b)
    assert not result.dual[0].any()


@pytest.mark.parametrize("p", [1.1, 1.5, 3, 16])
@pytest.mark.parametrize("kind", ["norm", "power"])
def test_more_unknowns_than_rows_with_ridge(p, kind):
    A, b = data.gaussian(12, 30)
    problem = LpProblem(LpTerm(A, b, p, kind=kind), ridge=0.1)
    result = problem.solve()
    assert result.success
    reference.verify(problem, result)


def test_row_weights_sit_inside_the_norm():
    A, b = data.gaussian(30, 3)
    w = np.linspace(0.0, 2.0, 30)
    weighted = minimize_lp(A, b, 3, weights=w, kind="power")
    assert weighted.fun == pytest.approx(np.sum(np.abs(w * (A @ weighted.x - b)) ** 3), rel=1e-12)
    assert weighted.fun == pytest.approx(minimize_lp(w[:, None] * A, w * b, 3, kind="power").fun, rel=1e-12)
    reference.verify(LpProblem(LpTerm(A, b, 3, kind="power", row_weights=w)), weighted)


def test_a_power_that_overflows_is_still_minimized():
    A, b = data.gaussian(30, 3)
    result = minimize_lp(A, b * 1e8, 64, kind="power")
    assert result.success and result.fun == np.inf
    assert np.allclose(result.x, minimize_lp(A, b, 64).x * 1e8, rtol=1e-3)


def test_edge_shapes():
    assert minimize_lp(np.ones((7, 1)), np.arange(7.0), 3).success
    assert minimize_lp(np.zeros((5, 2)), np.ones(5), 3).fun == pytest.approx(5 ** (1 / 3))
    assert minimize_lp(np.ones((4, 2)), np.zeros(4), 1.5).fun == 0.0
    assert minimize_lp(np.ones((1, 3)), [2.0], 3).fun <= 1e-14


def test_result_shows_itself_and_plots():
    import matplotlib

    matplotlib.use("Agg")
    result = minimize_lp(*data.gaussian(30, 3), 4)
    text = repr(result)
    assert "duality gap" in text and all(
        f"{name}: " in text for name in ("fun", "gap", "nit", "linear_solver")
    )
    assert len(result.plot().lines[0].get_xdata()) == result.nit + 1
    with pytest.raises(AttributeError):
        result.x = 0


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("make", [data.gaussian, data.outliers])
def test_the_compiled_road_and_the_general_one_agree(p, make):
    A, b = make(120, 10)
    problem = LpProblem(LpTerm(A, b, p, weight=2.0, row_weights=np.linspace(0.5, 1, 120)))
    compiled = problem.solve()
    general = problem.solve(
        callback=lambda info: None
    )  # a callback needs the road that is not compiled whole
    assert compiled.success and general.success
    assert abs(compiled.nit - general.nit) <= 1
    assert compiled.fun == pytest.approx(general.fun, rel=1e-9)
    assert [h["nit"] for h in compiled.history] == list(range(compiled.nit + 1))
    assert compiled.history[0]["fun"] == pytest.approx(general.history[0]["fun"], rel=1e-6)
    assert compiled.history[-1]["gap"] <= 1e-9
    reference.verify(problem, compiled)
    reference.verify(problem, general)


# -- the descent without a matrix, for large well-conditioned data -----------------------------------------------------


@pytest.mark.parametrize("p", [1.5, 2.5, 4, 8])
@pytest.mark.parametrize("kind", ["norm", "power"])
def test_descent_agrees_with_newton_and_is_certified(p, kind):
    A, b = data.gaussian(1600, 100)
    problem = LpProblem(LpTerm(A, b, p, kind=kind, weight=3.0))
    result, newton = problem.solve(), problem.solve(callback=lambda info: None)
    assert result.success and newton.linear_solver["solver"] == "cholesky"
    assert p in (1.5, 8) or result.linear_solver["solver"] == "l-bfgs"
    assert result.fun == pytest.approx(newton.fun, rel=1e-9)
    assert np.abs(result.x - newton.x).max() <= 1e-4 * np.abs(newton.x).max()
    reference.verify(problem, result)


@pytest.mark.parametrize("kappa", [10, 1e3, 1e5, 1e8])
@pytest.mark.parametrize("p", [1.5, 4])
def test_descent_is_not_fooled_by_ill_conditioned_data(p, kappa):
    A, b = data.conditioned(900, 100, kappa)
    plain, _ = data.conditioned(900, 100, 1.0)
    result = minimize_lp(A, b, p)
    assert result.success
    assert result.fun == pytest.approx(minimize_lp(plain, b, p, callback=lambda info: None).fun, rel=2e-9)


def test_descent_is_not_fooled_by_a_direction_that_few_rows_see():
    A, _ = data.gaussian(1600, 100)
    A[:, 7] = 0.0
    A[3, 7] = 1e-7  # one row alone says what x_7 is
    b = A @ np.ones(100) + data.gaussian(1600, 1)[1]
    result = minimize_lp(A, b, 4)
    newton = minimize_lp(A, b, 4, callback=lambda info: None)
    assert result.success and newton.success
    assert result.fun <= newton.fun * (1 + 1e-9)
