"""ChebSeries: construction, evaluation, calculus, arithmetic, and the laws that bind them."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.interpolate
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev as C

from spectral_nn.chebyshev import ChebSeries, grid
from spectral_nn.chebyshev.nonuniform import is_faster
from spectral_nn.chebyshev.transform import values_to_coefficients

X = np.linspace(0, 1, 203)


@st.composite
def series(draw):
    """Random coefficients of random lengths on random pieces of [-1, 2]."""
    count = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    inner = np.sort(rng.uniform(-0.9, 1.9, size=count - 1))
    inner = inner + 1e-3 * np.arange(count - 1)
    lengths = rng.integers(1, 12, size=count)
    coefs = [rng.normal(size=n) / (1 + np.arange(n)) ** 2 for n in lengths]
    if draw(st.booleans()):
        coefs = [c * np.exp(1j * rng.uniform(0, 6, size=c.size)) for c in coefs]
    return ChebSeries([-1, *inner, 2], coefs)


def _reference(u, x, k=0):
    e = np.clip(np.searchsorted(u.breakpoints, x, side="right") - 1, 0, u.pieces - 1)
    out = np.empty(x.shape, u.dtype)
    for i, (t, p) in enumerate(zip(x, e, strict=True)):
        a, b = u.breakpoints[p : p + 2]
        c = u.coefficients[p]
        c = C.chebder(c, k, scl=2 / (b - a)) if k < c.size else np.zeros(1)
        out[i] = C.chebval((2 * t - a - b) / (b - a), c)
    return out


law = settings(max_examples=25, deadline=None)


@law
@given(series(), st.integers(0, 3), st.booleans())
def test_call_agrees_with_numpy(u, k, shuffled):
    x = -1 + 3 * X
    if shuffled:
        x = np.random.default_rng(0).permutation(x)
    scale = 1 + np.abs(_reference(u, x, k)).max()
    np.testing.assert_allclose(u(x, k), _reference(u, x, k), atol=1e-10 * scale)
    assert u(x.reshape(7, 29)).shape == (7, 29) and np.ndim(u(0.5)) == 0
    assert np.isnan(u(np.array([np.nan, 0.0]))[0])


@law
@given(series())
def test_diff_undoes_cumsum_and_cumsum_is_continuous(u):
    primitive = u.cumsum()
    np.testing.assert_allclose(primitive.diff()(-1 + 3 * X), u(-1 + 3 * X), atol=1e-12)
    assert abs(primitive(-1)) < 1e-14
    assert all(abs(primitive.jump(x)) < 1e-13 for x in u.breakpoints)
    assert abs(u.integrate(-0.5, 0.25) + u.integrate(0.25, 1.5) - u.integrate(-0.5, 1.5)) < 1e-13


@law
@given(series(), series())
def test_product_and_sum_rules(u, v):
    x = -1 + 3 * X
    np.testing.assert_allclose((u * v)(x), u(x) * v(x), atol=1e-12)
    np.testing.assert_allclose((u + v)(x), u(x) + v(x), atol=1e-13)
    np.testing.assert_allclose((2 - u)(x), 2 - u(x), atol=1e-13)
    left, right = (u * v).diff()(x), (u.diff() * v + u * v.diff())(x)
    np.testing.assert_allclose(left, right, atol=1e-11 * (1 + np.abs(right).max()))
    np.testing.assert_allclose((u**3)(x), u(x) ** 3, atol=1e-12 * (1 + np.abs(u(x)).max() ** 3))


@law
@given(series(), st.complex_numbers(max_magnitude=10), st.complex_numbers(max_magnitude=10))
def test_calculus_is_linear(u, a, b):
    v = u.diff()
    x = -1 + 3 * X
    scale = 100 * (1 + np.abs(v.diff()(x)).max() + np.abs(v(x)).max())
    np.testing.assert_allclose(
        (a * u + b * v).diff()(x), a * u.diff()(x) + b * v.diff()(x), atol=1e-13 * scale
    )
    assert abs((a * u + b * v).sum() - a * u.sum() - b * v.sum()) < 1e-13 * scale


@law
@given(st.floats(-100, 100), st.floats(0.01, 100))
def test_a_change_of_variable_changes_nothing(a, width):
    u = ChebSeries.from_function(lambda t: np.exp(np.sin(3 * t)), (0, 1))
    v = ChebSeries((a, a + width), u.coefficients)
    x = grid.from_reference(2 * X - 1, v.domain)
    slack = 1e-13 * (1 + abs(a) / width)
    np.testing.assert_allclose(v(x), u(X), atol=10 * slack)
    assert abs(v.sum() - width * u.sum()) < 10 * slack * width
    assert abs(v.norm(2) - np.sqrt(width) * u.norm(2)) < 10 * slack * np.sqrt(width)


@pytest.mark.parametrize(
    ("f", "domain"),
    [
        (np.sin, (0, 10)),
        (lambda x: np.exp(1j * 40 * x), (-1, 2)),
        (lambda x: 1 / (1 + 1000 * x**2), (-1, 1)),
        (lambda x: np.tanh(50 * (x - 3)), (2, 5)),
        (lambda x: 7.0, (0, 1)),
        (lambda x: 0 * x, (0, 1)),
        (lambda x: np.cos(500 * x), (0, 1)),
    ],
)
def test_from_function_resolves_to_rounding(f, domain):
    u = ChebSeries.from_function(f, domain)
    x = np.linspace(*domain, 1777)
    scale = np.abs(f(x)).max()
    assert np.abs(u(x) - f(x)).max() <= 5e-13 * scale
    assert ChebSeries.from_values(f(grid.points(40, 1)) + 0 * grid.points(40, 1), kind=1).degree == 39


def test_pieces_of_very_different_size_are_resolved_relative_to_the_largest():
    u = ChebSeries.from_function(lambda x: np.where(x < 0, 1e6 + x, 1e-9 * np.sin(x)), (-1, 1), (0.0,))
    assert len(u) < 25
    assert abs(u(-0.5) - (1e6 - 0.5)) < 1e-8


def test_from_values_interpolates_as_scipy_does():
    x = grid.points(23, 2, (1.0, 4.0))
    v = np.log(x)
    t = np.linspace(1, 4, 50)
    exact = scipy.interpolate.BarycentricInterpolator(x, v)(t)
    np.testing.assert_allclose(ChebSeries.from_values(v, (1, 4))(t), exact, atol=1e-13)


def test_division_and_reflected_operators():
    u = ChebSeries.from_function(np.cos, (0, 1))
    v = ChebSeries.from_function(lambda x: 2 + np.sin(9 * x), (0, 1), (0.4,))
    np.testing.assert_allclose((u / v)(X), np.cos(X) / (2 + np.sin(9 * X)), atol=1e-13)
    np.testing.assert_allclose((3 / v)(X), 3 / (2 + np.sin(9 * X)), atol=1e-13)
    np.testing.assert_allclose((v**-2)(X), (2 + np.sin(9 * X)) ** -2.0, atol=1e-13)
    np.testing.assert_allclose((u / 4 - 1)(X), np.cos(X) / 4 - 1, atol=1e-14)
    np.testing.assert_allclose((np.float64(2) * u)(X), 2 * np.cos(X), atol=1e-14)
    with pytest.raises(ZeroDivisionError, match="x = 0.5"):
        1 / ChebSeries([0, 1], [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: ChebSeries([0], []), ValueError, "breakpoints"),
        (lambda: ChebSeries([0, 1, 1], [[1.0], [1.0]]), ValueError, "breakpoints"),
        (lambda: ChebSeries([0, np.inf], [[1.0]]), ValueError, "breakpoints"),
        (lambda: ChebSeries([0, 1, 2], [[1.0]]), ValueError, "expected 2, got 1"),
        (lambda: ChebSeries([0, 1], [[]]), ValueError, "empty"),
        (lambda: ChebSeries([0, 1], [[1.0]])(1.1), ValueError, "domain"),
        (lambda: ChebSeries([0, 1], [[1.0]]).diff(-1), ValueError, "k must"),
        (lambda: ChebSeries([0, 1], [[1.0]]).norm(3), ValueError, "p must"),
        (lambda: ChebSeries([0, 1], [[1.0]]) ** 0.5, TypeError, "whole"),  # type: ignore[operator]
        (lambda: ChebSeries([0, 1], [[1.0]]) + ChebSeries([0, 2], [[1.0]]), ValueError, "same domain"),
        (lambda: ChebSeries([0, 1], [[1j]]).max(), TypeError, "real"),
        (lambda: ChebSeries([0, 1], [[1.0]]) + "a", TypeError, "unsupported"),  # type: ignore[operator]
        (lambda: ChebSeries.from_function(np.sin, (1, 0)), ValueError, "a < b"),
        (lambda: ChebSeries.from_function(np.sin, (0, 1), (2.0,)), ValueError, "breakpoints"),
        (lambda: ChebSeries.from_function(lambda x: np.nan * x, (0, 1)), ValueError, "finite"),
        (lambda: ChebSeries.from_function(lambda x: x[:2], (0, 1)), ValueError, "one value per point"),
        (
            lambda: ChebSeries.from_function(lambda x: abs(x - 0.3), (0, 1), max_degree=1000),
            ValueError,
            "resolved",
        ),
    ],
)
def test_misuse_is_named(call, error, word):
    with pytest.raises(error, match=word):
        call()


def test_an_aliased_function_is_not_taken_for_a_constant():
    """cos(256 acos(t)) is 1 at the first grids' points; the check between them must notice."""
    u = ChebSeries.from_function(lambda t: np.cos(256 * np.arccos(np.clip(t, -1, 1))))
    assert abs(u(np.cos(np.pi / 256)) + 1) < 1e-10


def test_extrapolation_is_asked_for():
    u = ChebSeries.from_function(lambda x: x**3, (0, 1))
    assert abs(u(1.5, extrapolate=True) - 1.5**3) < 1e-12
    assert abs(u(1 + 1e-14) - 1) < 1e-12


def test_derivatives_of_a_many_piece_series_take_linear_time_and_are_right():
    breaks = np.linspace(0, 50, 2001)
    t = grid.points(12, 1)
    x = 0.5 * (breaks[1:, None] * (1 + t) + breaks[:-1, None] * (1 - t))
    u = ChebSeries(breaks, values_to_coefficients(np.sin(x), 1, axis=1))
    s = np.linspace(0, 50, 10_001)
    assert np.abs(u(s) - np.sin(s)).max() < 1e-13
    assert np.abs(u(s, 1) - np.cos(s)).max() < 1e-9
    assert np.abs(u.cumsum()(s) - (1 - np.cos(s))).max() < 1e-12


def test_repr_is_aligned_and_short():
    text = repr(ChebSeries(np.arange(31), np.ones((30, 3))))
    lines = text.splitlines()
    assert "30 pieces" in lines[0] and "real" in lines[0]
    assert len(lines) <= 12 and len({len(line) for line in lines[1:]}) == 1


def test_plots_return_axes_and_show_nothing():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    u = ChebSeries.from_function(lambda x: np.sign(x - 0.3) * np.cos(x), (0, 1), (0.3,))
    ax = u.plot(label="u")
    x, y = ax.lines[0].get_data()
    assert np.isnan(y).any() and np.nanmax(np.abs(y - u(np.clip(x, 0, 1)))[np.abs(x - 0.3) > 1e-9]) < 1e-12
    ax2 = u.plot_coefficients()
    assert len(ax2.lines) == 2 and ax2.get_yscale() == "log"
    assert len((1j * u).plot(ax).lines) == 3
    pyplot.close("all")


def test_importing_the_room_loads_neither_numba_nor_matplotlib():
    code = (
        "import sys, spectral_nn.chebyshev; print([m for m in ('numba', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("factor", [1.0, 1j])
def test_long_series_at_many_points_take_the_fast_road_to_the_same_values(factor):
    n = 50_000
    c = factor * np.random.default_rng(0).normal(size=n) * np.exp(-20 * np.arange(n) / n)
    u = ChebSeries((2.0, 5.0), [c])
    x = np.concatenate([np.linspace(2, 5, 3001), [np.nan]])
    assert is_faster(n, x.size) and not is_faster(n, 8)
    t = grid.to_reference(x[:-1], (2.0, 5.0)).astype(np.longdouble)
    some = slice(None, None, 100)
    exact = np.cos(np.multiply.outer(np.arccos(t[some]), np.arange(n))) @ c
    values = u(x)
    assert np.abs(values[:-1][some] - exact).max() < 1e-14 * np.abs(c).sum() * 20
    assert np.isnan(values[-1])
    np.testing.assert_allclose(values[:-1][some], [u(v) for v in x[:-1][some]], atol=1e-10)


def test_values_near_the_ends_lose_nothing_to_the_map():
    """T_n at 1 - 1e-10 is cos(n acos x); an error of eps in the mapped point would show as n^2 eps."""
    n = 3000
    u = ChebSeries((0.0, 1.0), [np.eye(n + 1)[n]])
    with mpmath.workdps(40):
        for gap in (1e-10, 3e-8, 1e-5):
            x = 1.0 - gap
            exact = float(mpmath.cos(n * mpmath.acos(2 * mpmath.mpf(x) - 1)))
            assert abs(u(x) - exact) < 1e-11


def test_nan_in_one_piece_stays_there():
    u = ChebSeries([0, 1, 2], [[np.nan, 1.0], [1.0, 2.0, 3.0]])
    assert np.isnan(u(0.5)) and u(1.5) == -2.0
    assert np.isnan(u(np.linspace(0, 0.9, 30))).all() and np.isfinite(u(np.linspace(1, 2, 30))).all()
    assert np.isfinite(u.diff()(1.5))
