"""SciPy's signature: its own test problems, the same calls side by side, and what SciPy cannot do."""

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

import spectral_nn
from spectral_nn.integrate import solve_bvp
from tests.problems import all_problems, problem


class Case:
    """y' = f with conditions and exact first component, on SciPy's initial mesh of 5 nodes."""

    def __init__(
        self, fun, bc, domain, exact, n=2, y=0.0, p=None, S=None, fun_jac=None, bc_jac=None, nodes=5
    ):
        self.fun, self.bc, self.exact = fun, bc, exact
        self.x = np.linspace(*domain, nodes)
        self.y = np.full((n, nodes), y) if np.ndim(y) == 0 else np.tile(np.array(y)[:, None], (1, nodes))
        self.options = {k: v for k, v in {"p": p, "S": S}.items() if v is not None}
        self.jacobians = {"fun_jac": fun_jac, "bc_jac": bc_jac}

    def solve(self, solver=solve_bvp, **options):
        return solver(self.fun, self.bc, self.x, self.y, **self.options, **options)


def constant(matrix):
    return lambda x, y: np.repeat(np.array(matrix, float)[:, :, None], x.size, axis=2)


def sturm_jac(x, y, p):
    df_dy = np.zeros((2, 2, x.size))
    df_dy[0, 1], df_dy[1, 0] = 1.0, -(p[0] ** 2)
    df_dp = np.zeros((2, 1, x.size))
    df_dp[1, 0] = -2 * p[0] * y[0]
    return df_dy, df_dp


def emden_jac(x, y):
    df_dy = np.zeros((2, 2, x.size))
    df_dy[0, 1], df_dy[1, 0] = 1.0, -5 * y[0] ** 4
    return df_dy


EPS = 1e-3
CASES = {
    "linear": Case(
        lambda x, y: np.vstack((y[1], y[0])), lambda ya, yb: np.array([ya[0] - 1, yb[0]]), (0, 1),
        lambda x: np.sinh(1 - x) / np.sinh(1),
        fun_jac=constant([[0, 1], [1, 0]]),
        bc_jac=lambda ya, yb: (np.array([[1, 0], [0, 0]]), np.array([[0, 0], [1, 0]])),
    ),
    "complex conditions": Case(
        lambda x, y: np.vstack((y[1], y[0])), lambda ya, yb: np.array([ya[0] - 1 - 1j, yb[0]]), (0, 1),
        lambda x: (1 + 1j) * np.sinh(1 - x) / np.sinh(1), y=0j,
        fun_jac=constant([[0, 1], [1, 0]]),
    ),
    "Sturm-Liouville": Case(
        lambda x, y, p: np.vstack((y[1], -(p[0] ** 2) * y[0])),
        lambda ya, yb, p: np.array([ya[0], yb[0], ya[1] - p[0]]), (0, np.pi), np.sin, y=1.0, p=[0.5],
        fun_jac=sturm_jac,
        bc_jac=lambda ya, yb, p: (
            np.array([[1, 0], [0, 0], [0, 1]]), np.array([[0, 0], [1, 0], [0, 0]]), np.array([[0], [0], [-1]])
        ),
    ),
    "Emden with a singular term": Case(
        lambda x, y: np.vstack((y[1], -(y[0] ** 5))),
        lambda ya, yb: np.array([ya[1], yb[0] - np.sqrt(0.75)]), (0, 1), lambda x: (1 + x**2 / 3) ** -0.5,
        y=[np.sqrt(0.75), 1e-4], S=[[0, 0], [0, -2]], nodes=10, fun_jac=emden_jac,
    ),
    "shock": Case(
        lambda x, y: np.vstack(
            (y[1], -(x * y[1] + EPS * np.pi**2 * np.cos(np.pi * x) + np.pi * x * np.sin(np.pi * x)) / EPS)
        ),
        lambda ya, yb: np.array([ya[0] + 2, yb[0]]), (-1, 1),
        lambda x: np.cos(np.pi * x) + erf(x / np.sqrt(2 * EPS)) / erf(1 / np.sqrt(2 * EPS)),
    ),
    "sixty equations": Case(
        lambda x, y: np.stack([y[j + 1] if j % 2 == 0 else 0 * x for j in range(60)]),
        lambda ya, yb: np.hstack((ya[::2], yb[::2] - 1)), (0, 1), lambda x: x, n=60,
    ),
}  # fmt: skip


def rms_residuals(case, result, p):
    """The docstring's norm, recomputed by another quadrature from what was returned."""
    s = np.linspace(0, 1, 40)[1:-1]
    x = (result.x[:-1, None] + np.diff(result.x)[:, None] * s).ravel()
    y = result.sol(x)
    f = case.fun(x, y, p) if p is not None else case.fun(x, y)
    if "S" in case.options:
        f = f + np.array(case.options["S"]) @ y / (x - case.x[0])
    r = np.abs((result.sol(x, 1) - f) / (1 + np.abs(f)))
    return np.sqrt((r**2).sum(axis=0).reshape(-1, s.size).mean(axis=1))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tol", [1e-3, 1e-9])
@pytest.mark.parametrize("jacobians", [False, True], ids=["differences", "jacobians"])
def test_scipys_problems(name, tol, jacobians):
    case = CASES[name]
    if jacobians and not any(case.jacobians.values()):
        pytest.skip("no Jacobian is written for this problem")
    result = case.solve(tol=tol, **(case.jacobians if jacobians else {}))
    assert result.success and result.status == 0
    t = np.linspace(case.x[0], case.x[-1], 201)
    assert np.abs(result.sol(t)[0] - case.exact(t)).max() < min(tol, 1e-6)
    assert result.rms_residuals.shape == (result.x.size - 1,) and result.rms_residuals.max() <= tol
    assert rms_residuals(case, result, result.p).max() <= 2 * tol + 1e-13
    assert np.isin(case.x, result.x).all() and result.x.size < 60
    np.testing.assert_allclose(result.sol(result.x), result.y, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(result.sol(result.x, 1), result.yp, rtol=1e-13, atol=1e-10)
    if name == "Sturm-Liouville":
        assert abs(result.p[0] - 1) < 1e-6 and result.p.shape == (1,)
    else:
        assert result.p is None


@pytest.mark.parametrize("name", CASES)
def test_side_by_side_with_scipy(name):
    case = CASES[name]
    ours, theirs = case.solve(), case.solve(scipy.integrate.solve_bvp)
    assert set(theirs.keys()) == set(ours.keys())
    assert ours.status == theirs.status == 0
    for field in theirs:
        assert type(ours[field]) is type(theirs[field]) or field == "sol", field
        if isinstance(theirs[field], np.ndarray):
            assert ours[field].ndim == theirs[field].ndim and ours[field].dtype == theirs[field].dtype
    t = np.linspace(case.x[0], case.x[-1], 50)
    for nu in (0, 1):
        assert ours.sol(t, nu).shape == theirs.sol(t, nu).shape
        size = 1 + np.abs(theirs.sol(t, nu)).max()
        assert np.abs(ours.sol(t, nu) - theirs.sol(t, nu)).max() < 5e-3 * size
    assert ours.sol(0.5 * (t[0] + t[-1])).shape == (case.y.shape[0],)


def test_both_solutions_of_bratus_problem():
    """The example of SciPy's docstring."""

    def fun(x, y):
        return np.vstack((y[1], -np.exp(y[0])))

    def bc(ya, yb):
        return np.array([ya[0], yb[0]])

    x = np.linspace(0, 1, 5)
    found = []
    for start in (0.0, 3.0):
        y = np.zeros((2, x.size))
        y[0] = start
        result = solve_bvp(fun, bc, x, y, tol=1e-8)
        assert result.success
        y, slope = result.sol(np.linspace(0, 1, 101))
        assert np.ptp(0.5 * slope**2 + np.exp(y)) < 1e-7  # energy
        found.append(result.sol(0.5)[0])
    assert abs(found[0] - 0.14053921440) < 1e-9 and abs(found[1] - 4.0914669) < 1e-6


def test_the_same_problem_through_both_doors():
    """One equation stated in operator form and as SciPy has it."""
    eps = 0.05
    operator = spectral_nn.solve_bvp(
        lambda x, u: eps * u.diff(2) + u * u.diff() - u, (0, 1), lbc=-0.3, rbc=1.5
    )
    first_order = solve_bvp(
        lambda x, y: np.vstack((y[1], (y[0] - y[0] * y[1]) / eps)),
        lambda ya, yb: np.array([ya[0] + 0.3, yb[0] - 1.5]),
        np.linspace(0, 1, 20), np.vstack((np.linspace(-0.3, 1.5, 20), np.full(20, 1.8))), tol=1e-8,
    )  # fmt: skip
    t = np.linspace(0, 1, 101)
    assert operator.success and first_order.success
    assert np.abs(operator(t) - first_order.sol(t)[0]).max() < 1e-7


def test_complex_problems_that_scipy_gives_up_on():
    """Helmholtz with an impedance condition: SciPy exhausts its nodes, since its line search forgets a conjugate."""
    k = 50.0

    def fun(x, y):
        return np.vstack((y[1], -(k**2) * y[0]))

    def bc(ya, yb):
        return np.array([ya[0] - 1, yb[1] - 1j * k * yb[0]])

    x = np.linspace(0, 1, 11)
    result = solve_bvp(fun, bc, x, np.ones((2, 11), complex), tol=1e-6)
    t = np.linspace(0, 1, 201)
    assert result.success and np.abs(result.sol(t)[0] - np.exp(1j * k * t)).max() < 1e-6
    assert (
        scipy.integrate.solve_bvp(fun, bc, x, np.ones((2, 11), complex), tol=1e-6, max_nodes=2000).status == 1
    )


def test_nonlinear_conditions_and_a_parameter_in_them():
    """y' = p y, y(0) = 1, y(1)² = 4: p = log 2."""
    result = solve_bvp(
        lambda x, y, p: p[0] * y, lambda ya, yb, p: np.array([ya[0] - 1, yb[0] ** 2 - 4]),
        [0, 0.5, 1], [[1, 1.5, 2]], p=[0.5], tol=1e-9,
    )  # fmt: skip
    assert result.success and abs(result.p[0] - np.log(2)) < 1e-9


def test_more_than_fifty_equations_with_parameters():
    """SciPy's big problem (gh-13284): 60 equations whose Jacobian is singular, as amplitudes are free."""

    def fun(x, y, p):
        f = np.zeros_like(y)
        f[::2] = y[1::2]
        f[1::4], f[3::4] = -(p[0] ** 2) * y[::4], -(p[1] ** 2) * y[2::4]
        return f

    def bc(ya, yb, p):
        return np.hstack((ya[::2], yb[::2], ya[1] - p[0], ya[3] - p[1]))

    x = np.linspace(0, np.pi, 5)
    result = solve_bvp(fun, bc, x, np.ones((60, 5)), p=[0.5, 0.5])
    assert result.success
    np.testing.assert_allclose(result.p, 1, atol=1e-6)
    t = np.linspace(0, np.pi, 20)
    assert np.abs(result.sol(t)[0] - np.sin(t)).max() < 1e-6


def layer(eps):
    return dict(
        fun=lambda x, y: np.vstack((y[1], y[0] / eps)), bc=lambda ya, yb: np.array([ya[0] - 1, yb[0] - 1]),
        x=np.linspace(-1, 1, 5), y=np.ones((2, 5)),
    )  # fmt: skip


def test_failures_have_scipys_codes():
    few = solve_bvp(**layer(1e-8), max_nodes=6)
    assert few.status == 1 and not few.success and "max_nodes" in few.message
    singular = solve_bvp(
        lambda x, y: np.zeros_like(y), lambda ya, yb: np.array([ya[0], yb[0] - 1]), np.linspace(0, 1, 5),
        np.zeros((2, 5)),
    )  # fmt: skip
    assert singular.status == 2 and not singular.success
    none = solve_bvp(
        lambda x, y: np.vstack((y[1], -4 * np.exp(y[0]))), lambda ya, yb: np.array([ya[0], yb[0]]),
        np.linspace(0, 1, 5), np.zeros((2, 5)),
    )  # fmt: skip
    assert none.status in (1, 4) and not none.success


def test_a_guess_where_fun_is_not_finite_is_named():
    result = solve_bvp(
        lambda x, y: np.vstack((y[1], np.log(y[0]))), lambda ya, yb: np.array([ya[0] - 1, yb[0] - 2]),
        np.linspace(0, 1, 5), np.zeros((2, 5)),
    )  # fmt: skip
    assert result.status == 4 and "equation 2 is infinite at x" in result.message


def test_contradicting_conditions_are_not_success():
    result = solve_bvp(
        lambda x, y: 0 * y, lambda ya, yb: np.array([ya[0], yb[0] - 1, ya[1]]) [:2], [0.0, 1.0], np.zeros((2, 2))
    )  # fmt: skip
    assert not result.success


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose(capsys, verbose):
    CASES["linear"].solve(verbose=verbose)
    text = capsys.readouterr().out
    assert bool(text) == (verbose > 0)
    assert ("Solved in" in text and "Maximum boundary residual" in text) == (verbose > 0)
    assert ("Damping" in text) == (verbose > 1)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-5, 5), length=st.floats(0.1, 8))
def test_units_do_not_matter(scale, shift, length):
    """Scaling y and mapping x changes neither success nor, relatively, the answer."""
    x = np.linspace(shift, shift + length, 6)
    result = solve_bvp(
        lambda t, y: np.vstack((y[1], y[0])) / length, lambda ya, yb: np.array([ya[0] - scale, yb[0]]), x,
        np.zeros((2, 6)), tol=1e-8,
    )  # fmt: skip
    t = np.linspace(shift, shift + length, 31)
    exact = scale * np.sinh(1 - (t - shift) / length) / np.sinh(1)
    assert result.success and np.abs(result.sol(t)[0] - exact).max() < 1e-7 * scale


def ok(x, y):
    return np.vstack((y[1], y[0]))


def ok_bc(ya, yb):
    return np.array([ya[0] - 1, yb[0]])


X, Y = np.linspace(0, 1, 5), np.zeros((2, 5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: solve_bvp(ok, ok_bc, [0, 1, 0.5], np.zeros((2, 3))), "x: expected a strictly increasing"),
        (lambda: solve_bvp(ok, ok_bc, [[0, 1]], np.zeros((2, 2))), "x: expected a one-dimensional"),
        (lambda: solve_bvp(ok, ok_bc, X, np.zeros((2, 4))), r"y: expected shape \(n, 5\), got \(2, 4\)"),
        (lambda: solve_bvp(ok, ok_bc, X, Y * np.nan), "holds NaN"),
        (
            lambda: solve_bvp(lambda x, y, p: ok(x, y), lambda a, b, p: ok_bc(a, b), X, Y, p=[1]),
            r"bc: expected .*\(3,\)",
        ),
        (lambda: solve_bvp(lambda x, y: np.zeros(3), ok_bc, X, Y), "fun: expected a return value of shape"),
        (lambda: solve_bvp(ok, ok_bc, X, Y, S=[[0, 0]]), r"S: expected shape \(2, 2\)"),
        (lambda: solve_bvp(ok, ok_bc, X, Y, p=[[1.0]]), "p: expected shape"),
        (lambda: solve_bvp(ok, ok_bc, X, Y, verbose=3), "verbose: expected 0, 1 or 2"),
        (lambda: solve_bvp(ok, lambda a, b: ok_bc(a, b) + 1j, X, Y), "give y with a complex dtype"),
        (lambda: solve_bvp(ok, ok_bc, X, Y, fun_jac=lambda x, y: np.eye(2)), "fun_jac: expected"),
        (lambda: solve_bvp(ok, ok_bc, X, Y, bc_jac=lambda a, b: np.eye(2)), "bc_jac: expected"),
    ],
)
def test_misuse_names_the_argument(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_a_tolerance_below_rounding_is_raised_with_a_warning():
    with pytest.warns(UserWarning, match="`tol` is too low"):
        CASES["linear"].solve(tol=1e-17)


def test_solution_calculus():
    sol = CASES["linear"].solve(tol=1e-9).sol
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(sol.derivative()(t), sol(t, 1), atol=1e-12)
    np.testing.assert_allclose(sol.antiderivative()(1.0), sol.integrate(0, 1), atol=1e-12)
    assert abs(sol.integrate(0, 1)[0] - (np.cosh(1) - 1) / np.sinh(1)) < 1e-9
    assert abs(sol(1.05)[0] - np.sinh(-0.05) / np.sinh(1)) < 1e-6  # extrapolates, as PPoly does


#: Reported as failures (rounding limits the residual; Newton's method at a turning point), or not unique.
HARD = {"T4_1e-06", "T15_1e-06", "T35_0.01"}
CLOSED = [
    p.name
    for p in all_problems()
    if p.first_order is not None and p.exact is not None and "singular" not in p.note
]


@pytest.mark.parametrize("name", CLOSED)
def test_the_zoo_through_scipys_door(name):
    """Every problem of the zoo with a closed form, as a first-order system from SciPy's kind of guess."""
    p = problem(name)
    assert p.first_order is not None and p.exact is not None
    x = np.linspace(*p.domain, 41)
    result = solve_bvp(
        p.first_order.fun, p.first_order.bc, x, p.first_order.guess(x), tol=1e-8, max_nodes=5000,
        p=list(p.params.values()) if p.params else None,
    )  # fmt: skip
    assert result.success or name in HARD
    if "ill_conditioned" in p.tags:
        assert not result.success or "ill-conditioned" in result.message or "not be unique" in result.message
    elif result.success:
        exact = np.atleast_2d(p.exact(x))
        error = np.abs(result.sol(x)[list(p.first_order.rows)] - exact).max()
        assert error < 1e-5 * (1 + np.abs(exact).max())
