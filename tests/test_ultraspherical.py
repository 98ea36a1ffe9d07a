"""The ultraspherical method and the almost-banded QR: against dense algebra, closed forms, and each other."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn.bvp.ultraspherical import discretize_ultraspherical, solve_ultraspherical
from spectral_nn.bvp.ultraspherical_operator import Condition, UltrasphericalOperator
from spectral_nn.chebyshev import ChebSeries, ultraspherical
from spectral_nn.linear import LinearSystem, solve_linear
from spectral_nn.linear.almost_banded import AlmostBanded, AlmostBandedQR


def at(point, value, k=0, unknown=0):
    """Condition u_unknown^(k)(point) = value."""
    return Condition([(point, k, 1.0, unknown)], value)


def error(u, exact, m=401):
    x = np.linspace(*u.domain, m)
    return np.abs(u(x) - exact(x)).max()


# ---- the matrix and its QR


@st.composite
def matrices(draw):
    seed, dense = draw(st.integers(0, 10**6)), draw(st.integers(0, 4))
    lower, upper = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    n = draw(st.integers(max(dense, 1), 40))
    rng = np.random.default_rng(seed)
    top, band = rng.normal(size=(dense, n)), rng.normal(size=(n - dense, lower + upper + 1))
    band[:, lower] += 5
    if draw(st.booleans()):
        top = top + 1j * rng.normal(size=top.shape)
    return AlmostBanded(top, band, lower), rng


@settings(max_examples=60, deadline=None)
@given(matrices())
def test_products_and_row_sums_are_those_of_the_dense_matrix(case):
    A, rng = case
    D, x = A.toarray(), rng.normal(size=(A.shape[0], 3)) + 1j
    np.testing.assert_allclose(A @ x, D @ x, atol=1e-12)
    np.testing.assert_allclose(A @ x[:, 0].real, D @ x[:, 0].real, atol=1e-12)
    np.testing.assert_allclose(A.row_sums(), np.abs(D).sum(axis=1), atol=1e-12)
    assert A.norm() == A.row_sums().max()


@settings(max_examples=60, deadline=None)
@given(matrices())
def test_qr_solves_what_dense_elimination_solves(case):
    A, rng = case
    b = rng.normal(size=(A.shape[0], 2)) + 1j * rng.normal(size=(A.shape[0], 2))
    solver = AlmostBandedQR()
    state = solver.factor(A)
    x = solver.solve(state, b).x
    exact = np.linalg.solve(A.toarray(), b)
    np.testing.assert_allclose(x, exact, atol=1e-12 * np.linalg.cond(A.toarray()) * np.abs(exact).max())
    np.testing.assert_allclose(
        solver.solve(state, b[:, 0].real).x, np.linalg.solve(A.toarray(), b[:, 0].real), atol=1e-9
    )


@pytest.mark.parametrize("n", [12, 2000])
@pytest.mark.parametrize("factor", [1.0, 1j])
def test_dependent_dense_rows_are_reported_whatever_the_pivots(n, factor):
    rng = np.random.default_rng(0)
    top = rng.normal(size=(2, n)) * factor
    top[1] = 3 * top[0]
    band = rng.normal(size=(n - 2, 7))
    band[:, 3] += 4
    solution = solve_linear(
        AlmostBanded(top, band, 3), rng.normal(size=n), solver="almost_banded", fallback=False
    )
    assert not solution.success and solution.status.name == "SINGULAR"


def test_a_zero_column_is_singular():
    with pytest.raises(np.linalg.LinAlgError, match="column 0"):
        AlmostBandedQR().factor(AlmostBanded(np.zeros((0, 3)), np.array([[0.0, 1.0]] * 3), 0))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: AlmostBanded(np.ones((2, 5)), np.ones((4, 3)), 1), "band: expected n - K = 3"),
        (lambda: AlmostBanded(np.ones((2, 5)), np.ones((3, 3)), 3), "lower"),
        (lambda: AlmostBanded(np.ones((2, 5)), np.ones((3, 3)), 1) @ np.ones(4), "x: expected 5"),
        (lambda: AlmostBandedQR().factor(np.eye(3)), "AlmostBanded"),
    ],
)
def test_misuse_of_the_matrix_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


# ---- assembly


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(0, 5), st.booleans())
def test_rows_are_those_of_the_sparse_operators(seed, order, degree, is_complex):
    rng = np.random.default_rng(seed)
    coefs = [rng.normal(size=rng.integers(1, degree + 2)) for _ in range(order + 1)]
    if is_complex:
        coefs = [c * np.exp(1j) for c in coefs]
    operator, n = UltrasphericalOperator(coefs, (-1, 1)), 25
    band, scale = operator.rows(0, n)
    big = n + 30
    exact = sum(
        ultraspherical.conversion(big, k, order)
        @ ultraspherical.multiplication(c, big, k)
        @ ultraspherical.differentiation(big, k)
        for k, c in enumerate(coefs)
    ).toarray()
    row, column = (
        np.arange(n)[:, None],
        np.arange(n)[:, None] + np.arange(-operator.lower, operator.upper + 1),
    )
    inside = column >= 0
    found = np.zeros((n, big), complex)
    np.add.at(
        found, (np.broadcast_to(row, column.shape)[inside], column[inside]), (band / scale[:, None])[inside]
    )
    assert np.abs(found - exact[:n]).max() <= 1e-13 * np.abs(exact).max()
    # a later piece is the same rows
    later, _ = operator.rows(10, n)
    np.testing.assert_allclose(later, band[10:], atol=1e-14)


# ---- problems with known solutions


def test_airy_layer_against_mpmath():
    eps = 1e-5
    u, info = solve_ultraspherical([lambda x: -x, 0, eps], 0, [at(-1, 1), at(1, 0)])
    assert info.success and info.n < 400
    with mpmath.workdps(30):
        c = mpmath.mpf(eps) ** (-mpmath.mpf(1) / 3)
        ai, bi = (lambda t: mpmath.airyai(c * t)), (lambda t: mpmath.airybi(c * t))
        # u = alpha Ai + beta Bi with the two conditions; Bi(c) is huge and beta as small as that
        det = ai(-1) * bi(1) - bi(-1) * ai(1)
        alpha, beta = bi(1) / det, -ai(1) / det
        for x in (-0.95, -0.123, 0.01):
            exact = float(alpha * ai(mpmath.mpf(x)) + beta * bi(mpmath.mpf(x)))
            assert abs(u(x) - exact) < 1e-11 * max(1, u.norm(np.inf))


@pytest.mark.parametrize(
    ("name", "coefs", "rhs", "conditions", "domain", "exact", "tolerance"),
    [
        ("first order", [-1, 1], 0, [at(0, 1)], (0, 3), np.exp, 1e-13),
        ("order 0", [lambda x: 2 + x], np.exp, [], (-1, 1), lambda x: np.exp(x) / (2 + x), 1e-14),
        ("wave", [1e6, 0, 1], 0, [at(0, 0), at(1, np.sin(1e3))], (0, 1), lambda x: np.sin(1e3 * x), 1e-11),
        ("complex", [40j, 1], 0, [at(0, 1)], (0, 2), lambda x: np.exp(-40j * x), 1e-13),
        ("interior point", [0, 0, 1], 2, [at(0.3, 0.09), at(0, 0, 1)], (-1, 1), lambda x: x**2, 1e-14),
        (
            "integral",
            [-1, 0, 1],
            0,
            [at(0, 1), Condition((), np.exp(0.7) - np.exp(0.2), [(0.2, 0.7, 1)])],
            (0, 1),
            np.exp,
            1e-13,
        ),
        (
            "weighted integral",
            [-1, 0, 1],
            0,
            [at(0, 1), Condition((), np.sin(2) * np.exp(2) / 2 - np.cos(2) * np.exp(2) / 2 + 0.5, [(0, 2, np.sin)])],
            (0, 2),
            np.exp,
            1e-13,
        ),
        (
            "weighted integral over a part",
            [-1, 0, 1],
            0,
            [at(0, 1), Condition((), np.exp(0.5) * (0.5 - 1) + 1, [(0, 0.5, lambda x: x)])],
            (0, 2),
            np.exp,
            1e-13,
        ),
        (
            "robin",
            [-1, 0, 1],
            0,
            [([(0, 0, 2), (0, 1, -1)], 1), ([(1, 0, 1), (0.5, 1, 1)], np.e + np.exp(0.5))],
            (0, 1),
            np.exp,
            1e-13,
        ),
        (
            "order 4, variable",
            [1, 0, 0, lambda x: np.cos(5 * x), lambda x: 1 / (1 + x**2)],
            lambda x: (1 + np.cos(5 * x) + 1 / (1 + x**2)) * np.exp(x),
            [at(s, np.exp(s), k) for s in (-1, 1) for k in (0, 1)],
            (-1, 1),
            np.exp,
            1e-13,
        ),
        (
            "order 8",
            [-1, 0, 0, 0, 0, 0, 0, 0, 1],
            0,
            [at(s, np.exp(s), k) for s in (-1, 1) for k in range(4)],
            (-1, 1),
            np.exp,
            1e-13,
        ),
        ("two layers", [-1, 0, 1e-8], -1, [at(-1, 0), at(1, 0)], (-1, 1),
         lambda x: 1 - np.exp(-(1 + x) * 1e4) - np.exp(-(1 - x) * 1e4), 1e-13),
        ("boundary layer", [1, 1e-6], 0, [at(0, 1)], (0, 1), lambda x: np.exp(-1e6 * x), 1e-10),
    ],
)  # fmt: skip
def test_known_solutions(name, coefs, rhs, conditions, domain, exact, tolerance):
    u, info = solve_ultraspherical(coefs, rhs, conditions, domain)
    assert info.success, info
    assert info.backward_error < 1e-14 and info.residual < 1e-9 and info.bc_residual < 1e-13
    assert error(u, exact) < tolerance


def test_systems_of_mixed_orders_and_an_algebraic_equation():
    wave = [[[0, 1], [-1]], [[1], [0, 1]]]
    (s, c), info = solve_ultraspherical(wave, [0, 0], [at(0, 0), at(0, 1, unknown=1)], (0, 20))
    assert info.success and error(s, np.sin) < 1e-13 and error(c, np.cos) < 1e-13
    # u'' + v = 0, v' - u' = 0: u = v = sin
    mixed = [[[0, 0, 1], [1]], [[0, -1], [0, 1]]]
    ends = [at(0, 0), at(1, np.sin(1)), at(0, 0, unknown=1)]
    (u, v), info = solve_ultraspherical(mixed, 0, ends, (0, 1))
    assert info.success and error(u, np.sin) < 1e-13 and error(v, np.sin) < 1e-13
    # u' = v, v = cos
    (u, v), info = solve_ultraspherical([[[0, 1], [-1]], [None, [1]]], [0, np.cos], [at(0, 0)], (0, 1))
    assert info.success and error(u, np.sin) < 1e-13 and error(v, np.cos) < 1e-14


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_manufactured_problems_of_random_order_and_coefficients(seed):
    rng = np.random.default_rng(seed)
    order, domain = int(rng.integers(1, 6)), (-1.0, float(rng.uniform(0.5, 3)))
    exact = ChebSeries(domain, [rng.normal(size=30) * 0.4 ** np.arange(30)])
    coefs = [0.3 * rng.normal(size=4) for _ in range(order)] + [np.array([3.0, 0.5])]
    rhs = sum(
        (ChebSeries(domain, [a]) * exact.diff(k) for k, a in enumerate(coefs)), ChebSeries(domain, [[0.0]])
    )
    points = rng.uniform(*domain, order)
    conditions = [at(p, exact(p, k % 2), k % 2) for k, p in enumerate(points)]
    u, info = solve_ultraspherical(coefs, rhs, conditions, domain)
    # the equation holds whatever the conditions; random points may make them nearly dependent
    assert info.residual < 1e-9 and info.backward_error < 1e-13
    x = np.linspace(*domain, 50)
    residual = sum(ChebSeries(domain, [a])(x) * u(x, k) for k, a in enumerate(coefs)) - rhs(x)
    assert np.abs(residual).max() < 1e-7 * (1 + np.abs(u(x, order)).max())


def test_reflection_and_scaling_of_the_domain_change_nothing():
    u, _ = solve_ultraspherical([lambda x: np.sin(x), 1, 0.01], np.cos, [at(0, 1), at(2, 3)], (0, 2))
    v, _ = solve_ultraspherical(
        [lambda y: np.sin(-y), -1, 0.01], lambda y: np.cos(-y), [at(0, 1), at(-2, 3)], (-2, 0)
    )
    w, _ = solve_ultraspherical(
        [lambda y: np.sin(y / 5), 5, 0.25], lambda y: np.cos(y / 5), [at(0, 1), at(10, 3)], (0, 10)
    )
    x = np.linspace(0, 2, 99)
    np.testing.assert_allclose(v(-x), u(x), atol=1e-12)
    np.testing.assert_allclose(w(5 * x), u(x), atol=1e-12)


def test_the_solution_is_linear_in_rhs_and_conditions():
    coefs, d = [lambda x: x, 0, 0.1], (-1, 1)
    u, _ = solve_ultraspherical(coefs, np.exp, [at(-1, 1), at(1, 0)], d)
    v, _ = solve_ultraspherical(coefs, np.sin, [at(-1, -2), at(1, 5)], d)
    w, _ = solve_ultraspherical(coefs, lambda x: 2 * np.exp(x) - np.sin(x), [at(-1, 4), at(1, -5)], d)
    x = np.linspace(-1, 1, 99)
    np.testing.assert_allclose(w(x), 2 * u(x) - v(x), atol=1e-12)


# ---- adaptivity, growth, and the slot


def test_n_grows_with_the_wave_number_and_no_faster():
    ns = []
    for k in (100, 1000, 10_000):
        u, info = solve_ultraspherical([k**2, 0, 1], 0, [at(0, 0), at(1, np.sin(k))], (0, 1))
        assert info.success and error(u, lambda x, k=k: np.sin(k * x)) < 1e-9
        ns.append(info.n)
    assert ns[2] < 1.2 * 5000 + 200 and ns[0] < 150


def test_a_million_unknowns():
    k = 1.9e6
    # exp(ikx) u' form: u' = i k u + (1 - i k x), u = x + exp(ikx)
    u, info = solve_ultraspherical([-1j * k, 1], lambda x: 1 - 1j * k * x, [at(0, 1)], (0, 1), n_max=2**20)
    assert info.success and info.n > 900_000
    x = np.array([0.1, 0.37, 0.9])
    # the phase itself is known to eps k only
    assert np.abs(u(x) - x - np.exp(1j * k * x)).max() < 20 * np.finfo(float).eps * k


def test_the_slot_and_the_march_agree():
    coefs, conditions = [lambda x: np.cos(4 * x), 1, 0.02], [at(-1, 1), at(1, 2, 1)]
    u, info = solve_ultraspherical(coefs, np.exp, conditions)
    system = discretize_ultraspherical(coefs, np.exp, conditions, info.n + 20)
    assert isinstance(system, LinearSystem) and system.structure == "almost_banded"
    for solver in ("almost_banded", "auto", "lu"):
        solution = system.solve(solver)
        assert solution.success
        v = ChebSeries((-1, 1), [solution.x])
        assert (u - v).norm(np.inf) < 1e-12


def test_convergence_is_geometric_until_the_plateau():
    coefs, conditions = [1, lambda x: np.sin(3 * x), 0.1], [at(-1, 1), at(1, 0)]
    exact, _ = solve_ultraspherical(coefs, 1, conditions)
    errors = []
    for n in (12, 18, 24, 30):
        x = discretize_ultraspherical(coefs, 1, conditions, n).solve("almost_banded").x
        errors.append((exact - ChebSeries((-1, 1), [x])).norm(np.inf))
    ratios = np.array(errors[1:]) / errors[:-1]
    assert (ratios < 0.2).all() and ratios[-1] < ratios[0]


# ---- failures


@pytest.mark.parametrize("rhs", [1, 0, np.cos])
def test_neumann_at_both_ends_is_singular(rhs):
    _, info = solve_ultraspherical([0, 0, 1], rhs, [at(-1, 0, 1), at(1, 0, 1)])
    assert not info.success and "singular" in info.message


def test_an_eigenvalue_is_singular():
    _, info = solve_ultraspherical([np.pi**2, 0, 1], 0, [at(0, 0), at(1, 1)], (0, 1))
    assert not info.success and "singular" in info.message


def test_too_small_an_n_max_is_said():
    _, info = solve_ultraspherical([1e8, 0, 1], 0, [at(0, 0), at(1, 1)], (0, 1), n_max=500)
    assert not info.success and "n_max" in info.message


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: solve_ultraspherical([1, 0, 1], 0, [at(0, 0)]), "need 2, got 1"),
        (lambda: solve_ultraspherical([1, 0, 1], 0, [at(0, 0)] * 3), "need 2, got 3"),
        (lambda: solve_ultraspherical([1, 0, 1], 0, [at(0, 0), at(2, 0)]), r"points must lie in \[-1, 1\]"),
        (lambda: solve_ultraspherical([1, 1], 0, [at(0, np.nan)]), "finite"),
        (lambda: solve_ultraspherical([1, 1], 0, [Condition()]), "no terms"),
        (
            lambda: solve_ultraspherical([1, 1], 0, [Condition((), 0, [(0, 1, abs)])]),
            r"conditions\[0\].*resolved",
        ),
        (lambda: solve_ultraspherical([1, 1], 0, [at(0, 0, -1)]), "derivative"),
        (lambda: solve_ultraspherical([1, 1], 0, [at(0, 0, unknown=1)]), "unknown"),
        (lambda: solve_ultraspherical([0, 0], 0, []), "not zero"),
        (lambda: solve_ultraspherical([1, lambda x: np.nan * x], 0, [at(0, 0)]), r"coefs\[1\].*finite"),
        (lambda: solve_ultraspherical([1, lambda x: abs(x)], 0, [at(0, 0)]), r"coefs\[1\].*resolved"),
        (lambda: solve_ultraspherical([1, 1], lambda x: np.inf * x, [at(0, 0)]), "rhs.*finite"),
        (lambda: solve_ultraspherical([1, 1], "sin", [at(0, 0)]), "rhs"),
        (lambda: solve_ultraspherical([1, 1], 0, [at(0, 0)], (1, 0)), "domain"),
        (lambda: solve_ultraspherical(3, 0, [at(0, 0)]), "coefs"),  # type: ignore[arg-type]
        (lambda: solve_ultraspherical([[[1], [1]]], 0, [at(0, 0)]), r"coefs\[0\]: expected 1"),
        (lambda: discretize_ultraspherical([1, 0, 1], 0, [at(0, 0), at(1, 0)], 1), "n must be at least 2"),
    ],
)
def test_misuse_is_named(call, word):
    with pytest.raises((ValueError, TypeError), match=word):
        call()
