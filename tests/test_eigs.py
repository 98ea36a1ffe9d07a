"""Eigenvalues against closed forms, special functions, transcendental equations and another method."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev as C
from scipy.optimize import brentq
from scipy.special import mathieu_a, mathieu_b

from spectral_nn.bvp import BVP
from spectral_nn.bvp.eig_result import EigStatus


def relative(result, exact):
    exact = np.asarray(exact)
    return np.abs(result.eigenvalues - exact).max() / max(1.0, np.abs(exact).max())


def test_dirichlet_laplacian_with_eigenfunctions():
    result = BVP(lambda x, u: -u.diff(2), (0, np.pi), lbc=0, rbc=0).eigs(20)
    assert result.success and result.status == EigStatus.CONVERGED and len(result) == 20
    assert relative(result, np.arange(1, 21) ** 2) < 1e-13
    assert result.eigenvalues.dtype == float
    x = np.linspace(0, np.pi, 101)
    for n, u in enumerate(result.eigenfunctions, 1):
        assert np.abs(u(x) - np.sqrt(2 / np.pi) * np.sin(n * x)).max() < 1e-11
    # The certificate, recomputed from what was returned.
    for value, u in zip(result.eigenvalues, result.eigenfunctions, strict=True):
        assert np.abs(u(x, 2) + value * u(x)).max() < 1e-9 * (10 + value)  # differentiation costs digits
    assert result.residuals.max() < 1e-10 and result.bc_residuals.max() < 1e-10


def test_zero_eigenvalue_under_neumann_conditions():
    result = BVP(lambda x, u: -u.diff(2), (0, np.pi), lbc="neumann", rbc="neumann").eigs(5)
    assert result.success and relative(result, np.arange(5) ** 2) < 1e-13


def test_periodic_double_eigenvalues_come_with_orthogonal_functions():
    result = BVP(lambda x, u: -u.diff(2), (0, 2 * np.pi), bc="periodic").eigs(7)
    assert result.success and relative(result, [0, 1, 1, 4, 4, 9, 9]) < 1e-12
    gram = [[(u * v).sum() for u in result.eigenfunctions] for v in result.eigenfunctions]
    np.testing.assert_allclose(gram, np.eye(7), atol=1e-10)


def test_harmonic_oscillator_on_a_large_interval():
    result = BVP(lambda x, u: -u.diff(2) + x**2 * u, (-12, 12), lbc=0, rbc=0).eigs(10)
    assert result.success and relative(result, np.arange(1, 20, 2)) < 1e-12


@pytest.mark.parametrize("q", [0.5, 2.0, 25.0])
def test_mathieu(q):
    def op(x, u):
        return -u.diff(2) + 2 * q * np.cos(2 * x) * u

    even = BVP(op, (0, np.pi), lbc="neumann", rbc="neumann").eigs(5, which="SR")
    assert even.success and relative(even, [mathieu_a(n, q) for n in range(5)]) < 1e-12
    periodic = BVP(op, (0, 2 * np.pi), bc="periodic").eigs(7, which="SR")
    exact = np.sort([mathieu_a(n, q) for n in range(5)] + [mathieu_b(n, q) for n in range(1, 5)])[:7]
    assert periodic.success and relative(periodic, exact) < 1e-11


def well_energies(depth, half, wall):
    """Bound states of -u'' - depth·[|x| < half] u with u = 0 at ±wall, by matching logarithmic slopes."""

    def even(energy):
        k, g = np.sqrt(energy + depth), np.sqrt(-energy)
        return k * np.sin(k * half) - g / np.tanh(g * (wall - half)) * np.cos(k * half)

    def odd(energy):
        k, g = np.sqrt(energy + depth), np.sqrt(-energy)
        return k * np.cos(k * half) + g / np.tanh(g * (wall - half)) * np.sin(k * half)

    energies = np.linspace(-depth + 1e-9, -1e-9, 4001)
    roots = [
        brentq(f, a, b, xtol=1e-15, rtol=1e-15)
        for f in (even, odd)
        for a, b in zip(energies[:-1], energies[1:], strict=True)
        if f(a) * f(b) < 0
    ]
    return np.sort(roots)


@pytest.mark.parametrize("breakpoints", [(-1.0, 1.0), ()], ids=["breaks given", "breaks found"])
def test_finite_square_well(breakpoints):
    exact = well_energies(30.0, 1.0, 8.0)
    assert len(exact) == 4
    problem = BVP(
        lambda x, u: -u.diff(2) - np.where(np.abs(x) < 1, 30.0, 0.0) * u, (-8, 8), lbc=0, rbc=0,
        breakpoints=breakpoints,
    )  # fmt: skip
    result = problem.eigs(4, which="SR")
    assert result.success and relative(result, exact) < 1e-12
    assert np.abs(result.mesh[:, None] - [-1, 1]).min(axis=0).max() < 1e-12


def orr_sommerfeld(reynolds, alpha):
    a2 = alpha**2

    def op(x, u):
        lap = u.diff(2) - a2 * u
        bi = u.diff(4) - 2 * a2 * u.diff(2) + a2**2 * u
        return bi / reynolds - 2j * alpha * u - 1j * alpha * (1 - x**2) * lap

    problem = BVP(op, (-1, 1), lbc=[0, 0], rbc=[0, 0])
    return problem, lambda x, u: u.diff(2) - a2 * u


def orr_sommerfeld_tau(reynolds, alpha, n=90):
    """The same eigenvalue by Orszag's Chebyshev tau method and QZ (J. Fluid Mech. 50 (1971), 689)."""
    identity, j = np.eye(n), np.arange(n)
    D = np.vstack([C.chebder(identity), np.zeros(n)])
    D2 = D @ D
    parabola = np.zeros((n, n))
    for k in range(n):
        p = C.chebmul([0.5, 0, -0.5], identity[k, : k + 1])
        parabola[: min(n, p.size), k] = p[:n]
    lap = D2 - alpha**2 * identity
    A = lap @ lap / reynolds - 2j * alpha * identity - 1j * alpha * parabola @ lap
    M = lap.astype(complex)
    A[-4:] = [j**0, (-1.0) ** j, j**2, (-1.0) ** j * j**2]
    M[-4:] = 0
    values = scipy.linalg.eigvals(A, M)
    values = values[np.isfinite(values) & (np.abs(values) < 3)]
    return values[np.argmax(values.real)]


def test_orr_sommerfeld_against_a_tau_method():
    problem, B = orr_sommerfeld(5772.0, 1.0)
    result = problem.eigs(6, which="LR", B=B)
    assert result.success
    # λ = -iαc: the tau method's fourth derivatives lose digits, so it agrees to 1e-8; two of our own to
    # 1e-11.
    assert abs(result.eigenvalues[0] - orr_sommerfeld_tau(5772.0, 1.0)) < 1e-8
    near = problem.eigs(1, sigma=-0.26j, B=B)
    assert abs(near.eigenvalues[0] - result.eigenvalues[0]) < 1e-11
    assert abs(near.eigenvalues[0] - (-7.8191430e-05 - 0.2615676704j)) < 1e-9


def test_orr_sommerfeld_is_neutral_at_the_critical_point():
    """R = 5772.22, α = 1.02056: no growth to the digits of R and α, phase speed 0.26400 (Orszag 1971)."""
    problem, B = orr_sommerfeld(5772.22, 1.02056)
    c = 1j * problem.eigs(1, which="LR", B=B).eigenvalues[0] / 1.02056
    assert abs(c.imag) < 2e-8 and abs(c.real - 0.26400) < 5e-6


def test_clamped_beam():
    result = BVP(lambda x, u: u.diff(4), (0, 1), lbc=[0, 0], rbc=[0, 0]).eigs(4)
    exact = [
        brentq(lambda b: np.cos(b) - 1 / np.cosh(b), a, a + 1, xtol=1e-14) for a in (4.2, 7.3, 10.5, 13.6)
    ]
    assert result.success and np.abs(result.eigenvalues**0.25 - exact).max() < 1e-12


def test_system_and_generalized_system():
    first_order = BVP(lambda x, u, v: [v.diff(), -u.diff()], (0, np.pi), lbc=[0, None], rbc=[0, None])
    result = first_order.eigs(5)
    assert result.success and relative(result, [0, 1, -1, 2, -2]) < 1e-12
    assert all(len(pair) == 2 for pair in result.eigenfunctions)
    # -u'' = λ u as a first-order system whose second equation is no eigenvalue equation: B is singular.
    mixed = BVP(lambda x, u, v: [-v.diff(), u.diff() - v], (0, np.pi), lbc=[0, None], rbc=[0, None])
    result = mixed.eigs(4, B=lambda x, u, v: [u, 0 * v])
    assert result.success and relative(result, [1, 4, 9, 16]) < 1e-12


def test_conservative_form_interior_jump_and_integral_conditions():
    euler = BVP(lambda x, u: (x**2 * u.diff()).diff(), (1, 2), lbc=0, rbc=0).eigs(3)
    assert euler.success
    assert relative(euler, -(0.25 + (np.arange(1, 4) * np.pi / np.log(2)) ** 2)) < 1e-12
    # A point mass at the middle of a string: u' jumps by 3 u there.
    delta = BVP(
        lambda x, u: -u.diff(2), (0, 1), lbc=0, rbc=0, bc=lambda x, u: u.diff().jump(0.5) - 3 * u(0.5)
    ).eigs(2)
    even = brentq(lambda k: 2 * k * np.cos(k / 2) + 3 * np.sin(k / 2), np.pi, 6.2, xtol=1e-14)
    assert delta.success and relative(delta, [even**2, 4 * np.pi**2]) < 1e-12
    # u(0) = 0 and u'(1) = ∫ u: k² cos k = 1 - cos k.
    integral = BVP(lambda x, u: -u.diff(2), (0, 1), lbc=0, bc=lambda x, u: u.diff()(1.0) - u.sum()).eigs(1)
    k = brentq(lambda k: k**2 * np.cos(k) - 1 + np.cos(k), 0.5, 2, xtol=1e-14)
    assert integral.success and relative(integral, [k**2]) < 1e-12


def test_integral_operators():
    green = BVP(lambda x, u: u.fredholm(lambda x, t: np.minimum(x, t)), (0, 1)).eigs(4, which="LM")
    assert green.success and relative(green, 1 / ((np.arange(4) + 0.5) * np.pi) ** 2) < 1e-13
    # Fox and Li's laser resonator, a complex kernel, against Nyström's method with Gauss-Legendre points.
    F = 4 * np.pi

    def kernel(x, t):
        return np.sqrt(1j * F / np.pi) * np.exp(-1j * F * (x - t) ** 2)

    laser = BVP(lambda x, u: u.fredholm(kernel), (-1, 1)).eigs(5, which="LM")
    t, w = np.polynomial.legendre.leggauss(80)
    nystrom = np.linalg.eigvals(kernel(t[:, None], t) * w)
    nystrom = nystrom[np.argsort(-np.abs(nystrom))][:5]
    assert laser.success and relative(laser, nystrom) < 1e-12
    nilpotent = BVP(lambda x, u: u.volterra(lambda x, t: 1.0 + 0 * x * t), (0, 1))
    result = nilpotent.eigs(1, which="LM", max_n=100)  # a Volterra operator has no eigenvalue but 0
    assert not result.success and result.status in (EigStatus.TOO_FEW, EigStatus.NOT_RESOLVED)


@settings(max_examples=8, deadline=None)
@given(shift=st.floats(-50, 50), scale=st.floats(0.1, 20), length=st.floats(0.3, 4))
def test_shifting_scaling_and_stretching(shift, scale, length):
    """Eigenvalues of s (L + c) on an interval stretched by ℓ: s (λ / ℓ² + c)."""
    base = BVP(lambda x, u: -u.diff(2) + np.cos(x) * u, (0, 2), lbc=0, rbc="neumann").eigs(3, which="SR")
    moved = BVP(
        lambda x, u: scale * (-u.diff(2) + np.cos(x / length) / length**2 * u + shift * u), (0, 2 * length),
        lbc=0, rbc="neumann",
    ).eigs(3, which="SR")  # fmt: skip
    assert moved.success
    expected = scale * (base.eigenvalues / length**2 + shift)
    np.testing.assert_allclose(moved.eigenvalues, expected, rtol=1e-11, atol=1e-10 * scale * (1 + abs(shift)))


def test_which_and_sigma_choose():
    problem = BVP(
        lambda x, u: u.diff(2) + 20 * u, (0, np.pi), lbc=0, rbc=0
    )  # 20 - n²: 19, 16, 11, 4, -5, -16
    assert np.allclose(problem.eigs(3).eigenvalues, [4, -5, 11])
    assert np.allclose(problem.eigs(3, which="LR").eigenvalues, [19, 16, 11])
    assert np.allclose(problem.eigs(2, sigma=-15).eigenvalues, [-16, -5])
    assert np.allclose(problem.eigs(1, sigma=11.0).eigenvalues, [11])  # a shift on the eigenvalue itself


def test_defective_eigenvalue_is_reported_as_ill_conditioned():
    """-u'' = λ u, u(0) = 0, ∫ u = 0: λ = (2πn)² are double with one eigenfunction each."""
    result = BVP(lambda x, u: -u.diff(2), (0, 1), lbc=0, bc=lambda x, u: u.sum()).eigs(2)
    assert not result.success and result.status == EigStatus.ROUNDING
    assert np.abs(result.eigenvalues - 4 * np.pi**2).max() < 10 * result.errors.max() < 1e-2


def test_an_unbounded_operator_has_no_largest_eigenvalue():
    result = BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0).eigs(2, which="LM", max_n=200)
    assert not result.success and result.status == EigStatus.NOT_RESOLVED
    assert "Raise max_n" in result.message and "NOT_RESOLVED" in repr(result)


LAPLACE = BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LAPLACE.eigs(0), "k: expected a positive integer"),
        (lambda: LAPLACE.eigs(k=2.5), "k: expected a positive integer"),  # type: ignore[arg-type]
        (lambda: LAPLACE.eigs(which="biggest"), "which: expected one of"),
        (lambda: LAPLACE.eigs(sigma="LR"), "sigma: expected a number"),
        (lambda: LAPLACE.eigs(sigma=np.nan), "sigma: expected a finite number"),
        (lambda: LAPLACE.eigs(sigma=1.0, which="LR"), "which: expected None"),
        (lambda: LAPLACE.eigs(tol=0), "tol: expected"),
        (lambda: LAPLACE.eigs(B=3), "B: expected an operator"),
        (lambda: LAPLACE.eigs(B=lambda x, u: [u, u]), "B: expected 1 expressions"),
        (lambda: BVP(lambda x, u: u.diff(2) + u**2, (0, 1), lbc=0, rbc=0).eigs(), "linear"),
        (lambda: BVP(lambda x, u: u.diff(2) + 1, (0, 1), lbc=0, rbc=0).eigs(), r"op\(0\) = 0"),
        (lambda: BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=1).eigs(), "rbc: expected a homogeneous"),
        (
            lambda: BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=0, rhs=1).eigs(),
            "rhs: an eigenvalue problem",
        ),
        (
            lambda: BVP(lambda x, u, c: u.diff(2) + c, (0, 1), lbc=[0, 0], rbc=0, params={"c": 1}).eigs(),
            "params: an eigenvalue problem has none",
        ),
    ],
)
def test_misuse_names_the_argument(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_plots():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    result = LAPLACE.eigs(3)
    assert len(result.plot().lines) == 3
    problem, B = orr_sommerfeld(1000.0, 1.0)
    assert len(problem.eigs(2, which="LR", B=B).plot(marker="x").lines) == 1


@pytest.mark.parametrize(
    ("name", "accuracy"),
    [("eig_orr_sommerfeld", 5e-6), ("eig_mathieu", 1e-11), ("eig_square_well", 1e-11), ("from_scipy", 1e-9)],
)
def test_examples_give_what_their_headers_promise(name, accuracy, tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    path = Path(__file__).parents[1] / "examples" / f"{name}.py"
    figure = tmp_path / "figure.png"
    found, expected = runpy.run_path(str(path))["main"](save=str(figure))
    assert abs(found - expected) <= accuracy * (1 + abs(expected))
    assert figure.stat().st_size > 5000
    for field in ("Equation", "Reference", "Run", "Expected", f"python examples/{name}.py --save"):
        assert field in path.read_text().split('"""')[1]
