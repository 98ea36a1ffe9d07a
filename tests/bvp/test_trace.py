"""The trace: exact partial derivatives, orders, linearity, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from spectral_nn import BVP
from spectral_nn.bvp.ufuncs import KINKED, UNARY

# Operators of order two whose every term is analytic: complex steps can check them.
ANALYTIC = {
    "product": lambda x, u: u * u.diff() * x + u.diff(2),
    "quotient": lambda x, u: u.diff(2) / (2.0 + u * u) - 1.0 / (3.0 + u.diff()),
    "powers": lambda x, u: u.diff(2) ** 3 + (2.0 + u) ** 1.7 + u**-2 + u**0 + u**1,
    "expression power": lambda x, u: (2.0 + u) ** (u.diff() + x) + 2.0**u + u.diff(2),
    "composite": lambda x, u: np.exp(np.sin(u.diff()) * np.tanh(u)) + np.sqrt(3.0 + u.diff(2)),
    "reflected": lambda x, u: 1.0 - u.diff(2) + (2.0 / (u + 4.0)) - (x - u),
    "hypot": lambda x, u: np.hypot(u + 2.0, u.diff()) + u.diff(2),
}


def fields_at(rng, n, step=None, which=None):
    """Random smooth-looking values of u, u', u'' at n points; optionally one moved by a complex step."""
    values = {k: rng.uniform(0.2, 0.9, n).astype(complex) for k in range(3)}
    if which is not None:
        values[which] = values[which] + step
    return values


@pytest.mark.parametrize("name", ANALYTIC)
def test_partials_agree_with_complex_steps(name):
    problem = BVP(ANALYTIC[name], (0, 1), lbc=0, rbc=0)
    x, h = np.linspace(0.1, 0.9, 11), 1e-30
    real = {k: v.real for k, v in fields_at(np.random.default_rng(1), x.size).items()}
    lin = problem.trace(x, lambda j, k: real[k], [])
    for _, _, order, partial in lin.entries:
        moved = {k: v + (1j * h if k == order else 0.0) for k, v in real.items()}
        stepped = problem.trace(x, lambda j, k: moved[k], [])  # noqa: B023
        exact = np.broadcast_to(stepped.residual[0].imag / h, x.shape)
        assert np.allclose(np.broadcast_to(partial, x.shape), exact, rtol=1e-13, atol=1e-13)
    assert not lin.affine


@pytest.mark.parametrize("ufunc", list(UNARY), ids=str)
def test_every_listed_function_has_the_right_derivative(ufunc):
    v = np.array([1.1, 1.45]) if ufunc is np.arccosh else np.array([0.31, 0.72])
    h = 1e-6
    numeric = (ufunc(v + h) - ufunc(v - h)) / (2 * h)
    assert np.allclose(UNARY[ufunc](v, ufunc(v)), numeric, rtol=1e-8, atol=1e-8)
    assert ufunc not in KINKED or np.all(v > 0)


@pytest.mark.parametrize(
    "f", [special.erf, special.erfc, special.expit, special.gamma, special.gammaln, special.j0, special.j1]
)
def test_special_functions_of_an_unknown(f):
    problem = BVP(lambda x, u: u.diff() + f(u), (0, 1), lbc=1)
    x, v, h = np.linspace(0, 1, 5), np.linspace(0.4, 2.0, 5), 1e-6
    (partial,) = [p for *_, k, p in problem.trace(x, lambda j, k: v, []).entries if k == 0]
    assert np.allclose(partial, (f(v + h) - f(v - h)) / (2 * h), rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(a=st.floats(-3, 3), b=st.floats(-3, 3), c=st.floats(-3, 3))
def test_affine_operators_are_traced_exactly(a, b, c):
    """F(u) = a u'' + b x u' + c u − 1 has these partials wherever it is traced, and is found affine."""
    problem = BVP(lambda x, u: u.diff(2) + a * u.diff(2) + b * x * u.diff() + c * u - 1, (0, 1), lbc=0, rbc=0)
    x = np.linspace(0.05, 0.95, 7)
    values = np.random.default_rng(0).standard_normal((3, 7))
    lin = problem.trace(x, lambda j, k: values[k], [])
    total = -1.0 + sum(np.broadcast_to(p, 7) * values[k] for _, _, k, p in lin.entries)
    assert problem.linear and np.allclose(lin.residual[0], total, atol=1e-12)


@pytest.mark.parametrize(
    "op, linear",
    [
        (lambda x, u: u.diff(2) + np.sin(x) * u, True),
        (lambda x, u: (u + x) * 2 - u.diff(2) / 3, True),
        (lambda x, u: u.diff(2) + np.where(x > 0.5, u, -u), True),
        (lambda x, u: u.diff(2) + u.sum() + u(0.3) + u.cumsum() + u(x / 2), True),
        (lambda x, u: ((1 + x) * u.diff()).diff(), True),
        (lambda x, u: u.diff(2) + u**2, False),
        (lambda x, u: u.diff(2) + np.abs(u), False),
        (lambda x, u: u.diff(2) + np.where(u > 0, 1.0, 2.0), False),
        (lambda x, u: u.diff(2) + u * u.sum(), False),
        (lambda x, u: u.diff(2) + (u**2).sum(), False),
    ],
)
def test_linearity_is_found(op, linear):
    assert BVP(op, (0, 1), lbc=0, rbc=0).linear is linear


def test_linear_equation_with_nonlinear_condition_is_nonlinear():
    assert not BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=lambda u: u.diff() + u**4 - 1).linear


def test_orders_and_names_come_from_the_operator():
    problem = BVP(
        lambda x, u, v, w: [u.diff(3) - v, v.diff() + w, w - u],
        (0, 1),
        lbc=lambda u, v, w: [u, u.diff(), v],
        rbc=lambda u, v, w: u - 1,
    )
    assert problem.names == ("u", "v", "w") and problem.orders == (3, 1, 0)


def test_parameters_broadcast_to_a_batch():
    alpha = np.array([[0.1], [0.5], [0.9]])
    problem = BVP(
        lambda x, u: (1 + alpha * x) * u.diff(2), (0, 1), lbc=0, rbc=0, rhs=lambda x: alpha * np.sin(x)
    )
    x = np.linspace(0, 1, 7)
    lin = problem.trace(x, lambda j, k: 0.0, [])
    assert lin.entries[0][3].shape == (3, 7) and np.shape(lin.residual[0]) == (3, 7)


@pytest.mark.parametrize(
    "op, error, words",
    [
        (lambda x, u: u.diff(2) + np.floor_divide(u, 2), TypeError, ["floor_divide"]),
        (lambda x, u: u.diff(2) + float(u), TypeError, ["NumPy"]),
        (lambda x, u: u.diff(2) if u else u, TypeError, ["np.where"]),
        (lambda x, u: u.diff(2) + np.sum(u), TypeError, ["u.sum()"]),
        (lambda x, u: u.diff(2) + "1", TypeError, ["str"]),
        (lambda x, u: u.diff(2) + np.sin * u, TypeError, ["ufunc"]),
        (lambda x, u: u.diff(-1), ValueError, ["k", "-1"]),
        (lambda x, u: u.diff(1.5), ValueError, ["1.5"]),
        (lambda x, u: u.diff(2) + (u * u)(0.5), TypeError, ["u(x0)"]),
        (lambda x, u: u.diff(2) + u(u), TypeError, ["depend"]),
        (lambda x, u: u.diff(2) + u(5.0), ValueError, ["5", "domain"]),
    ],
)
def test_refusals_name_what_is_wrong(op, error, words):
    with pytest.raises(error) as caught:
        BVP(op, (0, 1), lbc=0, rbc=0)
    assert all(w in str(caught.value) for w in words)


def test_complex_conjugates_are_refused_for_complex_problems_only():
    assert BVP(lambda x, u: u.diff() + np.conj(u) + u.real, (0, 1), lbc=1).linear
    with pytest.raises(TypeError, match="complex differentiable"):
        BVP(lambda x, u: u.diff() + (1j * u).conj(), (0, 1), lbc=1)
