"""Dense collocation matrices: exact on polynomials, both layouts, batches, and solved problems."""

from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev as C
from scipy.optimize import brentq
from scipy.special import airy

from spectral_nn.bvp import BVP, collocation
from spectral_nn.chebyshev import ChebSeries


def polynomial(n, seed):
    """A random polynomial of degree n - 1 on [-1, 1] with decaying coefficients."""
    c = np.random.default_rng(seed).standard_normal(n) / (1.0 + np.arange(n)) ** 2
    return C.Chebyshev(c)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(6, 48),
    order=st.integers(0, 4),
    rows=st.sampled_from(collocation.ROWS),
    a=st.floats(-3, 3),
    length=st.floats(0.1, 10),
    seed=st.integers(0, 10**6),
)
def test_row_basis_differentiates_polynomials_exactly(n, order, rows, a, length, seed):
    domain = (a, a + length)
    u = polynomial(n, seed)
    x = collocation.grid(n, domain)
    y = collocation.row_nodes(n, order, domain, rows)
    assert x.shape == (n,) and y.shape == (n - order,) and x[0] == a
    basis = collocation.row_basis(n, order, domain, rows)

    def to_unit(s):
        return (2 * s - domain[0] - domain[1]) / length

    for k in range(order + 1):
        scale = (2 / length) ** k
        expected = u.deriv(k)(to_unit(y)) * scale
        bound = 1e-13 * n ** (2 * k) * scale * (1 + np.abs(u(to_unit(x))).max()) * (1 + abs(a) / length)
        assert np.abs(basis[k] @ u(to_unit(x)) - expected).max() <= bound


@pytest.mark.parametrize("k", [0, 1, 3])
def test_functional_evaluates_derivatives_anywhere(k):
    domain, n = (0.5, 2.0), 24
    x = collocation.grid(n, domain)
    for x0 in (0.5, 0.77, 2.0):
        error = collocation.functional(n, k, x0, domain) @ np.exp(x) - np.exp(x0)
        assert abs(error) < 1e-13 * n ** (2 * k)


def robin_rows(n, domain, left, right):
    def row(coefficients, x0):
        return np.stack(
            [sum(c * collocation.functional(n, k, x0, domain) for k, c in enumerate(coefficients))]
        )

    return row(left, domain[0]), row(right, domain[1])


@pytest.mark.parametrize("rows", collocation.ROWS)
def test_airy_converges_faster_than_any_power(rows):
    """u'' = x u on [-10, 2], values of Ai at the ends."""
    domain = (-10.0, 2.0)
    errors = []
    for n in (16, 24, 32, 48, 64):
        y = collocation.row_nodes(n, 2, domain, rows)
        left, right = robin_rows(n, domain, (1.0,), (1.0,))
        A = collocation.assemble(
            {(0, 0, 2): 1.0, (0, 0, 0): -y}, n=n, domain=domain, rows=rows, left=left, right=right
        )
        b = np.concatenate([[airy(-10)[0]], np.zeros(n - 2), [airy(2)[0]]])
        errors.append(np.abs(np.linalg.solve(A, b) - airy(collocation.grid(n, domain))[0]).max())
    assert errors[-1] < 1e-12
    # The observed order log2(e_n / e_2n) grows: 16 -> 32 against 24 -> 48.
    assert np.log2(errors[1] / errors[3]) > np.log2(errors[0] / errors[2]) > 4


def test_second_order_batch_equals_assemble_one_by_one():
    rng = np.random.default_rng(7)
    batch, n, domain = 5, 17, (-1.0, 3.0)
    a2, a1, a0 = rng.standard_normal((3, batch, n - 2))
    left, right = rng.standard_normal((2, batch, 2))
    for rows in collocation.ROWS:
        many = collocation.second_order_batch(a2, a1, a0, n, domain, left, right, rows)
        assert many.shape == (batch, n, n)
        for b in range(batch):
            top, bottom = robin_rows(n, domain, left[b], right[b])
            one = collocation.assemble(
                {(0, 0, 2): a2[b], (0, 0, 1): a1[b], (0, 0, 0): a0[b]},
                n=n, domain=domain, rows=rows, left=top, right=bottom,
            )  # fmt: skip
            np.testing.assert_allclose(many[b], one, rtol=1e-14, atol=1e-12)


def test_interior_rows_belong_to_their_grid_points():
    """With u'' dropped the classical matrix of a0 u is diagonal: row i at grid point i."""
    n, a0 = 12, np.arange(1.0, 11.0)
    A = collocation.second_order_batch(0.0, 0.0, a0, n, rows="interior")[0]
    assert np.array_equal(A[1:-1], np.diag(np.concatenate([[0], a0, [0]]))[1:-1])
    np.testing.assert_allclose(A[[0, -1]], np.eye(n)[[0, -1]], atol=1e-14)


def test_system_of_mixed_orders_and_parameters():
    """v' = u'' … as a system: u'' - v = 0, v' + u' = λ with λ unknown; u = sin x, v = -sin x, λ = 0."""
    n, domain = 20, (0.0, 2.0)
    orders, n_rows = (2, 1), 18
    sizes = [20, 19]
    total = sum(sizes) + 1

    def row(j, k, x0):
        r = np.zeros(total)
        start = sum(sizes[:j])
        r[start : start + sizes[j]] = collocation.functional(sizes[j], k, x0, domain)
        return r

    left = np.stack([row(0, 0, 0.0), row(0, 1, 0.0), row(1, 0, 0.0)])
    right = row(0, 0, 2.0)[None]
    A = collocation.assemble(
        {(0, 0, 2): 1.0, (0, 1, 0): -1.0, (1, 1, 1): 1.0, (1, 0, 1): 1.0},
        n=n, orders=orders, domain=domain, left=left, right=right,
        parameters={(1, 0): -1.0}, n_parameters=1,
    )  # fmt: skip
    b = np.concatenate([[0.0, 1.0, 0.0], np.zeros(2 * n_rows), [np.sin(2.0)]])
    x = np.linalg.solve(A, b)
    assert np.abs(x[:20] - np.sin(collocation.grid(20, domain))).max() < 1e-12
    assert np.abs(x[20:39] + np.sin(collocation.grid(19, domain))).max() < 1e-11
    assert abs(x[-1]) < 1e-11


def test_complex_batch_and_reused_output():
    n, k = 32, np.array([[1.0], [3.0 + 1j]])
    out = np.empty((2, n, n), complex)
    A = collocation.second_order_batch(1.0, 0.0, k**2, n, (0.0, 1.0), out=out)
    assert A is out
    b = np.zeros((2, n), complex)
    b[:, -1] = np.sin(k[:, 0])
    u = np.linalg.solve(A, b[..., None])[..., 0]
    assert np.abs(u - np.sin(k * collocation.grid(n, (0.0, 1.0)))).max() < 1e-10


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: collocation.row_nodes(3, 4), "n: expected at least 5 points"),
        (lambda: collocation.row_nodes(8, 2, rows="square"), "rows: expected one of"),
        (lambda: collocation.assemble({(0, 0, 2): 1.0}, n=8), "expected 2 condition rows"),
        (
            lambda: collocation.assemble({(0, 0, 2): 1.0}, n=8, left=np.ones((2, 7))),
            "expected rows of 8 unknowns",
        ),
        (
            lambda: collocation.assemble(
                {(0, 0, 2): np.ones((2, 6)), (0, 0, 0): np.ones((3, 6))}, n=8, left=np.ones((2, 8))
            ),
            "one batch size",
        ),
        (lambda: collocation.second_order_batch(1, 0, 0, 8, left_bc=1.0), "left_bc: expected"),
        (lambda: collocation.second_order_batch(1, 0, 0, 8, out=np.empty((1, 9, 9))), "out: expected shape"),
    ],
)
def test_misuse_names_the_argument(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def solution(problem, n, **options):
    """Values on the grid of the first unknown, the scalars, and the grid."""
    system = problem.discretize(n, **options)
    answer = system.solve("lu")
    assert answer.success
    x = answer.x
    first = system.meta["sizes"][0]
    return x[:first], x[sum(system.meta["sizes"]) :], system.meta["grid"]


def test_discretize_makes_a_batch_of_parameters():
    k = np.array([[1.0], [2.0], [3.0]])
    problem = BVP(lambda x, u: u.diff(2) + k**2 * u, (0, 1), lbc=0, rbc=1, rhs=lambda x: k * x)
    system = problem.discretize(24)
    assert system.A.shape == (3, 24, 24) and system.b.shape == (3, 24)
    for i in range(3):
        one = BVP(
            lambda x, u, k=k[i, 0]: u.diff(2) + k**2 * u, (0, 1), lbc=0, rbc=1,
            rhs=lambda x, k=k[i, 0]: k * x,
        ).discretize(24)  # fmt: skip
        np.testing.assert_allclose(system.A[i], one.A, rtol=1e-13, atol=1e-10)
        np.testing.assert_allclose(system.b[i], one.b, rtol=1e-14)


def test_conditions_come_in_batches_too():
    c = np.array([[1.0], [2.0], [3.0]])
    problem = BVP(lambda x, u: u.diff(2) - u, (0, 1), lbc=lambda u: u - c, rbc=lambda u: u.diff() + c * u)
    system = problem.discretize(20)
    assert system.A.shape == (3, 20, 20) and system.b.shape == (3, 20)
    u = system.solve("lu").x
    series = [ChebSeries.from_values(row, (0, 1)) for row in u]
    for value, s in zip(c[:, 0], series, strict=True):
        assert abs(s(0.0) - value) < 1e-12 and abs(s(1.0, 1) + value * s(1.0)) < 1e-10
        assert np.abs(s(np.linspace(0, 1, 20), 2) - s(np.linspace(0, 1, 20))).max() < 1e-8
    with pytest.raises(ValueError, match="op: expected one problem, got a batch of 3"):
        problem.solve()
    with pytest.raises(ValueError, match="op: expected one problem, got a batch of 3"):
        BVP(lambda x, u: c * u.diff(2), (0, 1), lbc=0, rbc=0).eigs()


@pytest.mark.parametrize("rows", collocation.ROWS)
def test_discretize_meta_tells_where_the_conditions_stand(rows):
    system = BVP(lambda x, u: u.diff(2) - u, (0, 2), lbc=0, rbc=lambda u: u.diff() - 1).discretize(
        16, rows=rows
    )
    meta = system.meta
    assert meta["boundary_rows"].tolist() == [0, 15] and meta["interior_rows"].tolist() == list(range(1, 15))
    assert meta["equation_order"] == 2 and meta["domain"] == (0.0, 2.0)
    x = meta["grid"]
    # Row by row the matrix is what it says: the operator at row_nodes, the conditions at the ends.
    u = np.exp(0.3 * x)
    np.testing.assert_allclose(
        system.A[1:15] @ u, (0.09 - 1) * np.exp(0.3 * meta["row_nodes"]), rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(system.A[[0, 15]] @ u, [1.0, 0.3 * np.exp(0.6)], rtol=1e-12)


PROBLEMS = {
    "mixed system": (
        BVP(lambda x, u, v: [u.diff(2) + v, v.diff() - u.diff()], (0, 1), lbc=[0, 0], rbc=[1, None]),
        lambda x: np.sin(x) / np.sin(1),  # v = u
    ),
    "derivative of a product": (  # the trace makes v = x u an algebraic equation beside u'' + v' = 0
        BVP(lambda x, u: u.diff(2) + (x * u).diff(), (0, 1), lbc=1, rbc=np.exp(-0.5)),
        lambda x: np.exp(-(x**2) / 2),
    ),
    "value and integral in the equation": (
        BVP(lambda x, u: u.diff() + u.sum() + u(0.3) - x, (0, 1), lbc=0),
        lambda x: x**2 / 2 - (1 / 6 + 0.045) / 1.8 * x,
    ),
    "Volterra equation": (BVP(lambda x, u: u - u.cumsum() - 1, (0, 1)), np.exp),
    "kernel with a kink": (
        BVP(lambda x, u: u - u.fredholm(lambda x, t: np.minimum(x, t)) - 1, (0, 1)),
        lambda x: np.cos(x) + np.tan(1) * np.sin(x),
    ),
    "Volterra kernel": (BVP(lambda x, u: u + u.volterra(lambda x, t: x - t) - 1, (0, 1)), np.cos),
    "pantograph": (
        BVP(lambda x, u: u.diff() - u(x / 2), (0, 1), lbc=1),
        lambda x: sum(2.0 ** (-n * (n - 1) / 2) * x**n / factorial(n) for n in range(25)),
    ),
    "periodic": (
        BVP(lambda x, u: u.diff(2) - u - np.cos(x), (0, 2 * np.pi), bc="periodic"),
        lambda x: -np.cos(x) / 2,
    ),
    "interior and integral conditions": (
        BVP(lambda x, u: u.diff(3) - u.diff(), (-1, 1), lbc=0, bc=lambda x, u: [u(0.5) - 1, u.sum()]),
        None,
    ),
    "unknown parameter": (
        BVP(lambda x, u, c: u.diff(2) - c, (0, 1), lbc=[0, 0], rbc=1, params={"c": 0.0}),
        lambda x: x**2,
    ),
    "complex": (
        BVP(lambda x, u: u.diff(2) + 9 * u, (0, 1), lbc=1, rbc=lambda u: u.diff() - 3j * u),
        lambda x: np.exp(3j * x),
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_discretize_solves(name):
    problem, exact = PROBLEMS[name]
    u, scalars, x = solution(problem, 26)
    if exact is not None:
        assert np.abs(u - exact(x)).max() < 1e-10
    if name == "unknown parameter":
        assert abs(scalars[0] - 2) < 1e-11
    if name == "interior and integral conditions":
        series = ChebSeries.from_values(u, (-1, 1))
        t = np.linspace(-1, 1, 41)
        assert np.abs(series(t, 3) - series(t, 1)).max() < 1e-8
        assert abs(series(0.5) - 1) < 1e-11 and abs(series.sum()) < 1e-11 and abs(series(-1.0)) < 1e-12


@pytest.mark.parametrize("rows", collocation.ROWS)
def test_conservative_form_is_expanded_by_the_product_rule(rows):
    """(K u')' gives the matrix of K u'' + K' u', of the size of u alone, for a batch of coefficients too."""
    alpha = np.array([[0.1], [0.5], [0.8]])

    def K(x):
        return 1 + alpha * np.cos(2 * x)

    ends = dict(domain=(-1, 1), lbc=0, rbc=lambda u: u + u.diff(), rhs=np.exp)
    conservative = BVP(lambda x, u: -(K(x) * u.diff()).diff() + u, **ends).discretize(40, rows=rows)
    expanded = BVP(
        lambda x, u: -K(x) * u.diff(2) + 2 * alpha * np.sin(2 * x) * u.diff() + u, **ends
    ).discretize(40, rows=rows)  # fmt: skip
    assert conservative.A.shape == (3, 40, 40)
    np.testing.assert_allclose(conservative.A, expanded.A, atol=1e-11 * np.abs(expanded.A).max())
    np.testing.assert_allclose(conservative.b, expanded.b, atol=1e-13)
    assert conservative.meta["sizes"] == (40,)


def test_derivatives_of_expressions_nested_nonlinear_and_with_a_parameter():
    """Each against the problem with its products written out, around u = exp(x)."""
    ends = dict(domain=(0, 1), lbc=1, rbc=np.e)
    pairs = [
        (
            lambda x, u: ((1 + x) * ((2 + x) * u).diff()).diff(),
            lambda x, u: (1 + x) * ((2 + x) * u.diff(2) + 2 * u.diff()) + (2 + x) * u.diff() + u,
        ),
        (lambda x, u: (u**2 / 2).diff(2), lambda x, u: u * u.diff(2) + u.diff() ** 2),
    ]
    for written, expanded in pairs:
        a, b = (BVP(op, **ends).discretize(24, u=np.exp) for op in (written, expanded))
        np.testing.assert_allclose(a.A, b.A, atol=1e-10 * np.abs(b.A).max())
        np.testing.assert_allclose(a.b, b.b, atol=1e-8)
    conditions = dict(domain=(0, 1), lbc=[1, 0], rbc=2, params={"c": 1.0})
    a = BVP(lambda x, u, c: (u.diff() - c * x).diff(), **conditions).discretize(16)
    b = BVP(lambda x, u, c: u.diff(2) - c, **conditions).discretize(16)
    np.testing.assert_allclose(a.A, b.A, atol=1e-10)


def test_an_integral_of_a_derivative_of_an_expression():
    """∫ (x u)' over (0, x) by a Volterra kernel is x u: u' + ∫ (x u)' = u' + x u, so u = exp(-x²/2)."""
    problem = BVP(
        lambda x, u: u.diff() + (x * u).diff().volterra(lambda x, t: 1.0 + 0 * x * t), (0, 1), lbc=1
    )  # fmt: skip
    u, _, x = solution(problem, 24)
    assert np.abs(u - np.exp(-(x**2) / 2)).max() < 1e-12


def test_discretize_around_a_function_is_newtons_method():
    """Bratu u'' + e^u = 0: each solution is the next iterate, and the errors square."""
    problem = BVP(lambda x, u: u.diff(2) + np.exp(u), (0, 1), lbc=0, rbc=0)
    iterates, steps = [0.0], []
    for _ in range(5):
        u, _, x = solution(problem, 24, u=iterates[-1])
        last = iterates[-1] if np.isscalar(iterates[-1]) else iterates[-1](x)
        steps.append(np.abs(u - last).max())
        iterates.append(ChebSeries.from_values(u, (0, 1)))
    assert steps[1] < steps[0] ** 2 and steps[2] < steps[1] ** 2 and steps[-1] < 1e-11
    theta = brentq(lambda c: c - np.sqrt(2) * np.cosh(c / 4), 0.1, 3)
    exact = -2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4))
    assert np.abs(u - exact).max() < 1e-11


@pytest.mark.parametrize(
    ("problem", "options", "words"),
    [
        (BVP(lambda x, u: u.diff(2) + u**2, (0, 1), lbc=0, rbc=0), {}, "nonlinear"),
        (BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0), {"n": 2}, "n: expected at least 3"),
        (BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0), {"rows": "all"}, "rows: expected one of"),
        (BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0, breakpoints=[0.5]), {}, "break points"),
        (
            BVP(lambda x, u, v: [u.diff(2), v.diff()], (0, 1), lbc=[0, 0], rbc=[0, None]),
            {"rows": "interior"},
            "unknowns of one order",
        ),
    ],
)
def test_discretize_misuse(problem, options, words):
    with pytest.raises(ValueError, match=words):
        problem.discretize(**options)
