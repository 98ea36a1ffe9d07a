"""Laws that a boundary value solver must obey, whatever the problem: checked on random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn import BVP, solve_bvp
from tests.problems import problem

X = np.linspace(0.0, 1.0, 57)
number = st.floats(-2.0, 2.0)
few = settings(max_examples=15, deadline=None, derandomize=True)


def smooth(c: float, d: float) -> Any:
    return lambda x: 1 + c * np.sin(3 * x) + d * x**2


def solve_linear(c: float, d: float, left: float, right: float, rhs: Any) -> np.ndarray:
    """-(u'' + c u') + (2 + d^2 x) u = rhs: uniquely solvable for every c, d."""
    result = solve_bvp(
        lambda x, u: -u.diff(2) - c * u.diff() + (2 + d**2 * x) * u, (0, 1), lbc=left, rbc=right, rhs=rhs
    )
    assert result.success, result.message
    return result(X)


@few
@given(number, number, number, number)
def test_superposition(c: float, d: float, left: float, weight: float) -> None:
    f, g = smooth(c, d), np.cos
    first = solve_linear(c, d, left, 1.0, f)
    second = solve_linear(c, d, 1.0, left, g)
    both = solve_linear(c, d, left + weight, 1.0 + weight * left, lambda x: f(x) + weight * g(x))
    scale = 1 + np.abs(first).max() + np.abs(second).max()
    assert np.abs(first + weight * second - both).max() <= 1e-10 * scale


@few
@given(st.floats(-50.0, 50.0), st.floats(0.01, 100.0), number)
def test_map_of_the_domain(shift: float, length: float, c: float) -> None:
    """x = shift + length t: derivatives scale, values do not."""
    unit = solve_bvp(lambda t, u: u.diff(2) + c * u.diff() - np.exp(u), (0, 1), lbc=1, rbc=0)
    mapped = solve_bvp(
        lambda x, u: length**2 * u.diff(2) + c * length * u.diff() - np.exp(u),
        (shift, shift + length),
        lbc=1,
        rbc=0,
    )
    assert unit.success and mapped.success
    assert np.abs(unit(X) - mapped(shift + length * X)).max() <= 1e-10


@few
@given(number, number)
def test_reflection(c: float, left: float) -> None:
    forward = solve_bvp(lambda x, u: 0.1 * u.diff(2) + c * x * u.diff() - u, (0, 1), lbc=left, rbc=1)
    backward = solve_bvp(lambda x, u: 0.1 * u.diff(2) - c * (1 - x) * u.diff() - u, (0, 1), lbc=1, rbc=left)
    assert np.abs(forward(X) - backward(1 - X)).max() <= 1e-9 * (1 + np.abs(forward(X)).max())


@few
@given(st.floats(1e-8, 1e8), st.booleans())
def test_scaling_an_equation_changes_nothing(factor: float, negative: bool) -> None:
    factor = -factor if negative else factor
    plain = solve_bvp(lambda x, u: u.diff(2) + np.sin(u) - x, (0, 1), lbc=1, rbc=0)
    scaled = solve_bvp(lambda x, u: factor * (u.diff(2) + np.sin(u) - x), (0, 1), lbc=1, rbc=0)
    assert scaled.success
    assert np.abs(plain(X) - scaled(X)).max() <= 1e-11


def test_order_of_unknowns_and_equations_does_not_matter() -> None:
    first = solve_bvp(
        lambda x, u, v: [u.diff() - v, v.diff() + np.sin(u)],
        (0, 2),
        lbc=lambda u, v: u - 1,
        rbc=lambda u, v: u,
    )
    second = solve_bvp(
        lambda x, v, u: [v.diff() + np.sin(u), u.diff() - v],
        (0, 2),
        lbc=lambda v, u: u - 1,
        rbc=lambda v, u: u,
    )
    assert np.abs(first(X) - second(X)[::-1]).max() <= 1e-11


@pytest.mark.parametrize(
    "name", ["bratu_3.5", "carrier", "pendulum", "mathieu", "duffing_periodic", "T19_0.01"]
)
def test_restart_from_its_own_solution(name: str) -> None:
    """chebfun#829: the exact solution as guess must not fail, and costs at most one iteration."""
    arguments = problem(name).arguments()
    first = solve_bvp(**arguments)
    again = solve_bvp(**{**arguments, "guess": first})
    assert again.success and again.nit <= 1
    x = np.linspace(*problem(name).domain, 31)
    assert np.abs(first(x) - again(x)).max() <= 1e-9 * (1 + np.abs(first(x)).max())


@pytest.mark.parametrize("name", ["T1_0.0001", "bratu_3.5", "carrier", "blasius", "interior_condition"])
def test_derivatives_of_the_result_are_consistent(name: str) -> None:
    """result(x, 1) integrates back to result(x): Gauss rule on panels of the mesh."""
    p = problem(name)
    result = solve_bvp(**p.arguments())
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.asarray(result.mesh)
    h = np.diff(edges)
    x = edges[:-1, None] + h[:, None] * (nodes + 1) / 2
    gain = (np.asarray(result(x.ravel(), 1)).reshape(x.shape) * weights * h[:, None] / 2).sum(axis=1)
    values = result(edges)
    assert np.abs(gain - np.diff(values)).max() <= 1e-11 * (1 + np.abs(values).max())


@pytest.mark.parametrize("name", ["T4_0.001", "T15_0.0001", "bratu_3.5", "carrier"])
def test_error_follows_the_tolerance(name: str) -> None:
    p = problem(name)
    x, reference = p.reference()
    errors = []
    for tol in (1e-4, 1e-7, 1e-10):
        result = solve_bvp(**{**p.arguments(), "tol": tol})
        assert result.success and result.residual <= tol and result.bc_residual <= tol
        errors.append(float(np.abs(result(x) - reference).max()))
        assert errors[-1] <= 1000 * tol * (1 + np.abs(reference).max())
    assert errors[2] <= max(errors[0], 1e-12)


def test_one_problem_solved_for_many_right_hand_sides() -> None:
    """A BVP is stated once; solving it again gives what a fresh statement gives."""
    stated = BVP(lambda x, u: u.diff(2) - u, (0, 1), lbc=0, rbc=1)
    for k in (1.0, 2.0, 5.0):
        found = stated.solve(rhs=lambda x, k=k: np.sin(k * x))
        exact = (1 + np.sin(k) / (1 + k**2)) * np.sinh(X) / np.sinh(1) - np.sin(k * X) / (1 + k**2)
        assert found.success
        assert np.abs(found(X) - exact).max() <= 1e-12


@pytest.mark.parametrize("n", [8, 12, 16, 20, 24])
def test_dense_collocation_converges_faster_than_any_power(n: int) -> None:
    """u'' = exp(4 x) on (-1, 1): at n points the error is below 20 * (4 e / (2 n))^n, down to rounding."""
    system = BVP(lambda x, u: u.diff(2), (-1, 1), lbc=0, rbc=0, rhs=lambda x: np.exp(4 * x)).discretize(n)
    u = np.linalg.solve(np.asarray(system.A), np.asarray(system.b))
    x = -np.cos(np.pi * np.arange(n) / (n - 1))
    exact = (np.exp(4 * x) - np.sinh(4) * x - np.cosh(4)) / 16
    assert np.abs(u.ravel()[:n] - exact).max() <= 20 * (2 * np.e / n) ** n + 1e-12
