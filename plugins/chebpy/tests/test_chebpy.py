"""Chebfuns out of results, and into problems; ChebPy's own calculus is the independent check."""

import runpy
from pathlib import Path

import chebpy
import numpy as np
import pytest
from chebpy import chebfun, pwc
from hypothesis import given, settings
from hypothesis import strategies as st
from spectral_nn_chebpy import breakpoints, from_chebfun, solve_bvp, to_chebfun

from spectral_nn import BVP, ChebSeries, integrate
from spectral_nn import solve_bvp as core_solve

T = np.linspace(-1, 1, 41)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4), seed=st.integers(0, 10**6),
    imaginary=st.booleans(),
)  # fmt: skip
def test_round_trip_is_exact(lengths, seed, imaginary):
    rng = np.random.default_rng(seed)
    breaks = np.concatenate([[-1], np.sort(rng.uniform(-0.9, 0.9, len(lengths) - 1)), [1]])
    pieces = [rng.standard_normal(n) + 1j * imaginary * rng.standard_normal(n) for n in lengths]
    series = ChebSeries(breaks, pieces)
    f = to_chebfun(series)
    back = from_chebfun(f)
    assert np.array_equal(back.breakpoints, series.breakpoints)
    for ours, theirs in zip(series.coefficients, back.coefficients, strict=True):
        assert np.array_equal(ours, theirs)
    inside = np.setdiff1d(T, breaks)
    np.testing.assert_allclose(f(inside), series(inside), rtol=1e-12, atol=1e-12)
    assert abs(f.sum() - series.sum()) < 1e-12


@pytest.mark.parametrize(
    "f",
    [
        chebfun(np.exp, [-1, 1]),
        chebfun(np.abs, [-1, 0, 1]),
        chebfun(lambda x: np.exp(2j * x), [-1, 1]),
        chebpy.trigfun(lambda x: np.cos(3 * np.pi * x) + np.sin(np.pi * x), [-1, 1]),
        chebfun("x", [-1, 1]),
        chebfun(3.0, [-1, 1]),
    ],
    ids=["smooth", "piecewise", "complex", "trigonometric", "identity", "constant"],
)
def test_from_chebfun_is_the_same_function(f):
    s = from_chebfun(f)
    assert np.abs(s(T) - f(T)).max() < 1e-13
    assert abs(s.sum() - f.sum()) < 1e-13


def test_results_become_chebfuns():
    u = to_chebfun(core_solve(lambda x, u: u.diff(2) + np.exp(u), (0, 1), lbc=0, rbc=0))
    t = np.linspace(0.01, 0.99, 50)
    assert np.abs((u.diff().diff())(t) + np.exp(u(t))).max() < 1e-8  # ChebPy's differentiation
    p, q = to_chebfun(core_solve(lambda x, u, v: [u.diff() - v, v.diff() + u], (0, 1), lbc=[0, 1]))
    assert np.abs(p(t) - np.sin(t)).max() < 1e-12 and np.abs(q(t) - np.cos(t)).max() < 1e-12
    modes = to_chebfun(BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0).eigs(3))
    assert len(modes) == 3
    assert all(abs((f * f).sum() - 1) < 1e-10 for f in modes)  # ChebPy's quadrature
    y = integrate.solve_bvp(
        lambda x, y: np.vstack((y[1], -y[0])), lambda ya, yb: np.array([ya[0], yb[0] - 1]),
        np.linspace(0, np.pi / 2, 5), np.zeros((2, 5)), tol=1e-9,
    )  # fmt: skip
    assert abs(float(to_chebfun(y)[0](np.pi / 6)) - 0.5) < 1e-9


def test_a_broken_solution_keeps_its_pieces():
    result = core_solve(lambda x, u: u.diff(2) - np.sign(x), (-1, 1), lbc=0, rbc=0, breakpoints=[0.0])
    u = to_chebfun(result)
    assert 0.0 in np.asarray(u.breakpoints)
    t = np.setdiff1d(T, [0.0])
    exact = 0.5 * np.abs(t) * t - 0.5 * t
    assert np.abs(u(t) - exact).max() < 1e-12


def test_chebfuns_as_coefficient_right_hand_side_and_guess():
    """K u'' + u = f with K, f Chebfuns, chosen so that u = sin 2x."""
    K = chebfun(lambda x: 2 + np.cos(x), [-1, 1])
    f = chebfun(lambda x: -4 * (2 + np.cos(x)) * np.sin(2 * x) + np.sin(2 * x), [-1, 1])
    ends = dict(lbc=-np.sin(2), rbc=np.sin(2))
    called = core_solve(lambda x, u: K(x) * u.diff(2) + u, (-1, 1), rhs=f, **ends)
    named = solve_bvp(lambda x, u, K: K * u.diff(2) + u, coefficients={"K": K}, rhs=f, guess=f, **ends)
    for result in (called, named):
        assert result.success and np.abs(result(T) - np.sin(2 * T)).max() < 1e-11


def test_piecewise_coefficients_bring_their_break_points():
    K = pwc([-1, 0.25, 1], [1, 10])
    result = solve_bvp(lambda x, u, K: (K * u.diff()).diff(), lbc=0, rbc=1, coefficients={"K": K})
    assert result.success and 0.25 in result.mesh and result.domain == (-1.0, 1.0)
    # The flux K u' = c is constant: c (1.25 / 1 + 0.75 / 10) = 1.
    flux = 1 / (1.25 + 0.075)
    assert abs(result(0.0, 1) - flux) < 1e-10 and abs(result(0.5, 1) - flux / 10) < 1e-10


def test_nonlinear_problem_from_a_chebfun_guess_finds_that_branch():
    low, high = (
        solve_bvp(
            lambda x, u: u.diff(2) + np.exp(u), lbc=0, rbc=0, guess=a * chebfun(lambda x: x * (1 - x), [0, 1])
        )
        for a in (0.5, 16.0)
    )
    assert low.success and high.success
    assert abs(low(0.5) - 0.1405392144) < 1e-9 and abs(high(0.5) - 4.0914669) < 1e-6


def test_system_with_a_list_of_chebfuns():
    f, g = chebfun(np.cos, [0, 1]), chebfun(lambda x: 0 * x, [0, 1])
    result = solve_bvp(lambda x, u, v: [u.diff() - v, v.diff() + u], lbc=[0, 1], rhs=[g, g], guess=[f, f])
    assert result.success and abs(result(0.5)[0] - np.sin(0.5)) < 1e-12


def test_break_points_are_merged():
    assert breakpoints(pwc([-1, 0, 1], [1, 2]), pwc([-1, 0, 0.5, 1], [1, 2, 3])) == (0.0, 0.5)
    assert breakpoints() == ()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: from_chebfun(np.sin), "f: expected a Chebfun"),
        (lambda: from_chebfun(chebfun()), "empty"),
        (lambda: from_chebfun(chebfun(np.sqrt, [0, 1], sing="left")), "resolve"),
        (lambda: to_chebfun(np.ones(3)), "solution: expected a ChebSeries"),
        (lambda: solve_bvp(lambda x, u: u.diff(2), lbc=0, rbc=0), "domain: expected a pair"),
        (
            lambda: solve_bvp(lambda x, u: u.diff(2), coefficients={"K": np.sin}),
            "coefficients: expected Chebfuns",
        ),
        (
            lambda: solve_bvp(lambda x, u: u.diff(2), coefficients={"K": chebfun("x", [0, 1])}),
            "'K' is not an argument of op",
        ),
    ],
)
def test_misuse_names_the_argument(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_the_example_gives_what_its_header_promises(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    path = Path(__file__).parents[3] / "examples" / "chebpy_roundtrip.py"
    if not path.exists():
        pytest.skip("the examples are in the repository, not in the distribution")
    figure = tmp_path / "figure.png"
    found, expected = runpy.run_path(str(path))["main"](save=str(figure))
    assert abs(found - expected) < 1e-11 and figure.stat().st_size > 5000
