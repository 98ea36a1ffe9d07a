"""Roots, extrema, norms and jumps of functions where they are known."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn.chebyshev import ChebSeries


def _close(a, b, atol=1e-13):
    assert np.shape(a) == np.shape(b), f"{a} against {b}"
    np.testing.assert_allclose(a, b, atol=atol, rtol=0)


def test_roots_of_bessel_functions():
    u = ChebSeries.from_function(scipy.special.j0, (0, 100))
    _close(u.roots(), scipy.special.jn_zeros(0, 32), atol=1e-11)


def test_roots_of_a_high_degree_oscillation():
    u = ChebSeries.from_function(lambda x: np.sin(300 * x), (-1, 1))
    _close(u.roots(), np.arange(-95, 96) * np.pi / 300, atol=1e-13)


def test_roots_at_ends_breaks_and_double():
    u = ChebSeries.from_function(lambda x: x * (1 - x), (0, 1))
    _close(u.roots(), [0, 1], 1e-14)
    v = ChebSeries.from_function(abs, (-1, 1), (0.0,))
    _close(v.roots(), [0.0], 1e-14)
    w = ChebSeries.from_function(lambda x: (x - 0.3) ** 2 * (x + 0.5), (-1, 1))
    _close(w.roots(), [-0.5, 0.3], 1e-7)
    assert ChebSeries.from_function(lambda x: 1e-3 + x**2).roots().size == 0
    assert ChebSeries([0, 1], [[0.0]]).roots().size == 0


def test_roots_of_complex_series_are_common_zeros():
    u = ChebSeries.from_function(lambda x: np.exp(3j * x) - 1, (-1, 4))
    _close(u.roots(), [0, 2 * np.pi / 3], 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-12, 12), min_size=1, max_size=7, unique=True))
def test_roots_of_a_product_are_its_factors(twelfths):
    z = np.sort(twelfths) / 12
    u = ChebSeries.from_function(lambda x: np.prod([x - a for a in z], axis=0))
    _close(u.roots(), z, 1e-8)


def test_sign_changes_through_jumps_count_unless_told_not_to():
    u = ChebSeries.from_function(lambda x: np.sign(x - 0.25), (-1, 1), (0.25,))
    _close(u.roots(), [0.25])
    assert u.roots(jumps=False).size == 0
    assert u.jump(0.25) == 2 and u.jump(0.1) == 0 and u.jump(1.0) == 0
    _close([u.min(), u.max(), u.norm(1), u.norm(2), u.norm(np.inf)], [-1, 1, 2, np.sqrt(2), 1])


def test_kink_and_its_derivatives():
    u = ChebSeries.from_function(lambda x: abs(x - 0.5), (-1, 1), (0.5,))
    assert abs(u.jump(0.5)) < 1e-15 and abs(u.jump(0.5, 1) - 2) < 1e-13
    x, v = u.extrema()
    _close(x, [-1, 0.5, 1])
    _close(v, [1.5, 0, 0.5])


def test_extrema_of_a_damped_wave():
    u = ChebSeries.from_function(lambda x: np.exp(-x) * np.sin(5 * x), (0, 4))
    x, v = u.extrema()
    places = (np.arctan(5) + np.pi * np.arange(7)) / 5
    places = np.concatenate([[0], places[places < 4], [4]])
    _close(x, places, 1e-9)
    _close(v, np.exp(-places) * np.sin(5 * places))
    assert abs(u.argmax() - np.arctan(5) / 5) < 1e-9
    assert u.min() == v.min() and abs(u.argmin() - places[2]) < 1e-9


@pytest.mark.parametrize("breaks", [(), (0.7, 2.0)])
def test_norms_of_a_sine(breaks):
    u = ChebSeries.from_function(np.sin, (0, 2 * np.pi), breaks)
    _close([u.norm(1), u.norm(2), u.norm(np.inf)], [4, np.sqrt(np.pi), 1])


def test_norms_of_a_complex_series():
    u = ChebSeries.from_function(lambda x: (1 + x) * np.exp(7j * x), (0, 1))
    _close([u.norm(1), u.norm(2), u.norm(np.inf)], [1.5, np.sqrt(7 / 3), 2], 1e-11)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-3, 3))
def test_norms_are_norms(seed, factor):
    rng = np.random.default_rng(seed)
    u, v = (ChebSeries([0, 1], [rng.normal(size=8)]) for _ in range(2))
    for p in (1, 2, np.inf):
        assert (u + v).norm(p) <= u.norm(p) + v.norm(p) + 1e-12
        assert abs((factor * u).norm(p) - abs(factor) * u.norm(p)) < 1e-11
    assert u.norm(1) <= u.norm(2) + 1e-12 <= u.norm(np.inf) + 2e-12


def test_absolute_value_breaks_at_the_zeros():
    u = abs(ChebSeries.from_function(np.cos, (0, 10)))
    x = np.linspace(0, 10, 301)
    _close(u(x), np.abs(np.cos(x)))
    _close(u.breakpoints[1:-1], np.pi * (np.arange(3) + 0.5))


def test_restriction_keeps_the_function():
    u = ChebSeries.from_function(lambda x: np.sign(x) * np.exp(x), (-1, 1), (0.0,))
    v = u.restrict([-0.5, 0.25, 0.75])
    assert v.domain == (-0.5, 0.75) and 0.0 in v.breakpoints
    x = np.linspace(-0.5, 0.75, 77)
    _close(v(x), u(x))
