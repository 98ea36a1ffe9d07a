"""Differentiation, integration, interpolation matrices and the ultraspherical operators."""

import mpmath
import numpy as np
import pytest
import scipy.interpolate
from numpy.polynomial import chebyshev as C

from spectral_nn.chebyshev import grid, matrices, transform, ultraspherical

EPS = np.finfo(float).eps


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("k", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_differentiation_is_exact_for_polynomials(n, k, kind):
    c = np.random.default_rng(n).normal(size=n)
    x = grid.points(n, kind)
    exact = C.chebval(x, C.chebder(c, k)) if k < n else np.zeros(n)
    np.testing.assert_allclose(
        matrices.differentiation(n, k, kind) @ C.chebval(x, c), exact, atol=1e-14 * n ** (2 * k + 1)
    )


def _exact_row(n, k, kind, i):
    """Row i of the k-th differentiation matrix by Welfert's recursion in 40 digits."""
    with mpmath.workdps(40):
        if kind == 1:
            theta = [mpmath.pi * (2 * j + 1) / (2 * n) for j in range(n)]
            w = [(-1) ** j * mpmath.sin(t) for j, t in enumerate(theta)]
        else:
            theta = [mpmath.pi * j / (n - 1) for j in range(n)]
            w = [(-1) ** j * (mpmath.mpf("0.5") if j in (0, n - 1) else 1) for j in range(n)]
        x = [-mpmath.cos(t) for t in theta]
        row = [mpmath.mpf(j == i) for j in range(n)]
        for order in range(1, k + 1):
            d = row[i]
            row = [
                order / (x[i] - x[j]) * (w[j] / w[i] * d - row[j]) if j != i else mpmath.mpf(0)
                for j in range(n)
            ]
            row[i] = -mpmath.fsum(row)
        return np.array([float(r) for r in row])


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_differentiation_entries_against_40_digits(k, kind):
    n = 1024
    d = matrices.differentiation(n, k, kind)
    for i in (0, 1, n // 3, n // 2, n - 2):
        exact = _exact_row(n, k, kind, i)
        assert np.abs(d[i] - exact).max() < 5e-14 * np.abs(exact).max()


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("n", [64, 4096])
def test_differentiation_errs_by_rounding_only(n, k, kind):
    x, d = grid.points(n, kind), matrices.differentiation(n, k, kind)
    phase = k * np.pi / 2
    for f, exact in ((np.exp(x), np.exp(x)), (np.sin(8 * x), 8**k * np.sin(8 * x + phase))):
        rounding = EPS * np.abs(d).sum(axis=1) * np.abs(f).max()
        assert (np.abs(d @ f - exact) <= 16 * rounding).all()


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_integration_is_exact_for_polynomials(n, k, kind):
    c = np.random.default_rng(n).normal(size=n)
    exact = C.chebint(c, k, lbnd=-1)
    v = C.chebval(grid.points(n, kind), c)
    np.testing.assert_allclose(
        matrices.integration(n, kind, k) @ v, C.chebval(grid.points(n, kind), exact), atol=1e-13
    )
    t = np.array([-1.0, -0.3, 1.0])
    np.testing.assert_allclose(matrices.integration(n, kind, k, x_to=t) @ v, C.chebval(t, exact), atol=1e-13)


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("n", [20, 500])
def test_integration_inverts_differentiation(n, kind):
    x = grid.points(n, kind)
    f = np.cos(3 * x) + x
    back = matrices.differentiation(n, 1, kind) @ (matrices.integration(n, kind) @ f)
    assert np.abs(back - f).max() < 2 * EPS * n**2


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 9, 30])
def test_interpolation_agrees_with_scipy(n, kind):
    x = grid.points(n, kind)
    values = np.random.default_rng(n).normal(size=n)
    t = np.concatenate([np.linspace(-1, 1, 57), x])
    exact = scipy.interpolate.BarycentricInterpolator(x, values)(t)
    p = matrices.interpolation(t, n, kind)
    np.testing.assert_allclose(p @ values, exact, atol=1e-11)
    np.testing.assert_array_equal(p[57:], np.eye(n))


def test_resampling_goes_between_kinds_and_sizes():
    c = np.random.default_rng(1).normal(size=12)
    v = C.chebval(grid.points(12, 2), c)
    np.testing.assert_allclose(matrices.resampling(10, 12) @ v, C.chebval(grid.points(10, 1), c), atol=1e-13)
    np.testing.assert_allclose(
        matrices.resampling(300, 12, 2, 2) @ v, C.chebval(grid.points(300, 2), c), atol=1e-13
    )
    np.testing.assert_allclose(matrices.coefficients(12, 2) @ v, c, atol=1e-14)


def test_vandermonde_is_chebvander():
    t = np.linspace(-1, 1, 31)
    np.testing.assert_allclose(matrices.vandermonde(t, 20), C.chebvander(t, 19), atol=1e-13)


def _gegenbauer(t, n, lam):
    from scipy.special import eval_gegenbauer

    return np.array([eval_gegenbauer(j, lam, t) for j in range(n)]).T if lam else C.chebvander(t, n - 1)


@pytest.mark.parametrize("lam", [0, 1, 2, 4])
def test_ultraspherical_operators_act_as_they_say(lam):
    n = 24
    rng = np.random.default_rng(lam)
    t = np.linspace(-0.9, 0.9, 15)
    c = np.zeros(n)
    c[:12] = rng.normal(size=12)
    # conversion
    up = ultraspherical.conversion(n, lam, lam + 2) @ c
    np.testing.assert_allclose(_gegenbauer(t, n, lam + 2) @ up, _gegenbauer(t, n, lam) @ c, atol=1e-10)
    # differentiation
    d = ultraspherical.differentiation(n, lam) @ c
    np.testing.assert_allclose(
        _gegenbauer(t, n, lam) @ d, C.chebval(t, C.chebder(c, lam)), rtol=1e-8, atol=1e-8
    )
    # multiplication
    a = rng.normal(size=7)
    product = ultraspherical.multiplication(a, n, lam) @ c
    np.testing.assert_allclose(
        _gegenbauer(t, n, lam) @ product,
        C.chebval(t, a) * (_gegenbauer(t, n, lam) @ c),
        rtol=1e-10,
        atol=1e-9,
    )


@pytest.mark.parametrize("lam", [1, 3, 8])
def test_multiplication_obeys_the_product_law(lam):
    """M[a] M[b] = M[ab], away from the last rows where truncation shows."""
    rng = np.random.default_rng(0)
    n, a, b = 60, rng.normal(size=6), rng.normal(size=9)
    left = (ultraspherical.multiplication(a, n, lam) @ ultraspherical.multiplication(b, n, lam)).toarray()
    right = ultraspherical.multiplication(C.chebmul(a, b), n, lam).toarray()
    np.testing.assert_allclose(left[:40, :40], right[:40, :40], atol=1e-11)
    assert np.abs(ultraspherical.multiplication(a, 4000, lam)).max() < 2 * np.abs(a).sum()


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: matrices.differentiation(4, -1), "k must"),
        (lambda: matrices.integration(4, 3), "kind"),
        (lambda: ultraspherical.conversion(4, 2, 1), "up only"),
        (lambda: ultraspherical.multiplication(np.ones((2, 2)), 4), "a must"),
        (lambda: ultraspherical.differentiation(4, -2), "k must"),
    ],
)
def test_misuse_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_transform_and_matrix_agree():
    v = np.random.default_rng(3).normal(size=50)
    np.testing.assert_allclose(matrices.coefficients(50) @ v, transform.values_to_coefficients(v), atol=1e-14)
