"""Points, weights, transforms and chopping against numpy.polynomial and exact integrals."""

import numpy as np
import pytest
import scipy.interpolate
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev as C

from spectral_nn.chebyshev import grid, transform

KINDS = [1, 2]
SIZES = [1, 2, 3, 4, 7, 16, 33, 200]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_points_are_ascending_symmetric_and_known(n, kind):
    x = grid.points(n, kind)
    assert x.shape == (n,) and (np.diff(x) > 0).all()
    np.testing.assert_array_equal(x, -x[::-1])
    reference = C.chebpts1(n) if kind == 1 else C.chebpts2(n) if n > 1 else np.zeros(1)
    np.testing.assert_allclose(x, reference, atol=1e-15)
    np.testing.assert_allclose(x, -np.cos(grid.angles(n, kind)), atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3, 8, 21])
def test_barycentric_weights_agree_with_scipy_up_to_a_factor(n, kind):
    w = grid.barycentric_weights(n, kind)
    reference = scipy.interpolate.BarycentricInterpolator(grid.points(n, kind)).wi
    np.testing.assert_allclose(w / w[-1], reference / reference[-1], rtol=1e-11)
    assert w[-1] > 0 and np.abs(w).max() == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_quadrature_is_exact_below_degree_n_and_positive(n, kind):
    c = np.random.default_rng(n).normal(size=n)
    w = grid.quadrature_weights(n, kind)
    primitive = C.chebint(c)
    exact = C.chebval(1, primitive) - C.chebval(-1, primitive)
    assert abs(w @ C.chebval(grid.points(n, kind), c) - exact) < 1e-14 * n
    assert (w > 0).all()
    scaled = grid.quadrature_weights(n, kind, (2.0, 7.0))
    np.testing.assert_allclose(scaled, 2.5 * w)


def test_quadrature_converges_faster_than_any_power():
    def error(n):
        return abs(grid.quadrature_weights(n, 1) @ (1 / (1 + 4 * grid.points(n, 1) ** 2)) - np.arctan(2))

    errors = [error(n) for n in (10, 20, 40)]
    assert errors[1] < 1e-3 * errors[0] and errors[2] < 1e-3 * errors[1]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(-1, 1))
def test_interval_maps_are_inverse_and_hit_the_ends(a, width, t):
    domain = (a, a + width)
    np.testing.assert_array_equal(grid.from_reference([-1, 1], domain), domain)
    np.testing.assert_array_equal(grid.to_reference(domain, domain), [-1, 1])
    back = grid.to_reference(grid.from_reference(t, domain), domain)
    assert abs(back - t) < 1e-15 * (1 + abs(a) / width) * 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_transforms_agree_with_numpy_and_invert_each_other(n, kind):
    rng = np.random.default_rng(n)
    c = rng.normal(size=n) + 1j * rng.normal(size=n)
    v = C.chebval(grid.points(n, kind), c)
    np.testing.assert_allclose(transform.values_to_coefficients(v, kind), c, atol=1e-13 * n)
    np.testing.assert_allclose(transform.coefficients_to_values(c, kind), v, atol=1e-13 * n)
    again = transform.values_to_coefficients(transform.coefficients_to_values(c, kind), kind)
    np.testing.assert_allclose(again, c, atol=1e-14)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2), st.integers(0, 2), st.integers(1, 9), st.floats(-5, 5))
def test_transform_is_linear_along_any_axis(kind, axis, n, factor):
    rng = np.random.default_rng(n)
    shape = [3, 4, 5]
    shape[axis] = n
    v, w = rng.normal(size=(2, *shape))
    whole = transform.values_to_coefficients(v + factor * w, kind, axis)
    parts = [
        np.apply_along_axis(lambda a: transform.values_to_coefficients(a, kind), axis, z) for z in (v, w)
    ]
    np.testing.assert_allclose(whole, parts[0] + factor * parts[1], atol=1e-13)


def test_transform_leaves_its_input_alone_and_takes_integers():
    v = np.arange(5.0)
    kept = v.copy()
    transform.values_to_coefficients(v)
    transform.coefficients_to_values(v)
    np.testing.assert_array_equal(v, kept)
    assert transform.values_to_coefficients([1, 2, 3]).dtype == float


@pytest.mark.parametrize("rate", [0.3, 0.7, 0.9])
def test_chop_finds_the_plateau_of_noise(rate):
    n = 600
    noise = 1e-16 * np.random.default_rng(0).normal(size=n)
    c = rate ** np.arange(n) + noise
    keep = transform.chop(c)
    assert 1e-17 < rate**keep < 1e-13
    assert transform.chop(1e9 * c) == keep


def test_chop_says_when_there_is_no_plateau():
    slow = 1.0 / np.arange(1, 200) ** 2
    assert transform.chop(slow) == slow.size
    assert transform.chop(np.zeros(100)) == 1
    assert transform.chop(np.ones(10)) == 10
    assert transform.chop(np.full(100, np.nan)) == 100


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: grid.points(0), "n must"),
        (lambda: grid.points(2.5), "n must"),  # type: ignore[arg-type]
        (lambda: grid.points(4, 3), "kind"),
        (lambda: transform.values_to_coefficients(3.0), "values"),
        (lambda: transform.values_to_coefficients([1.0, 2.0], kind=0), "kind"),
        (lambda: transform.chop(np.ones((3, 3))), "coefficients"),
        (lambda: transform.chop(np.ones(30), tol=2.0), "tol"),
    ],
)
def test_misuse_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_cached_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        grid.points(8)[0] = 0.0
