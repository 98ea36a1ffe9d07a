"""solve_bvp(method="collocation"): accuracy, the certificate, failures, and solvers that take few sizes."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import airy

from spectral_nn import Status, solve_bvp
from spectral_nn.linear import LinearSolution, Traits, matrix_of


def solve(*problem, **options):
    return solve_bvp(*problem, method="collocation", **options)


CASES = {
    "airy": (
        dict(op=lambda x, u: u.diff(2) - x * u, domain=(-30, 3), lbc=airy(-30)[0], rbc=airy(3)[0]),
        lambda x: airy(x)[0],
    ),
    "layers": (
        dict(op=lambda x, u: 1e-3 * u.diff(2) - u, domain=(-1, 1), lbc=1, rbc=1),
        lambda x: np.cosh(x / np.sqrt(1e-3)) / np.cosh(1 / np.sqrt(1e-3)),
    ),
    "beam": (
        dict(op=lambda x, u: u.diff(4) - 24, domain=(0, 1), lbc=[0, 0], rbc=[0, 0]),
        lambda x: x**2 * (1 - x) ** 2,
    ),
    "unknown parameter": (
        dict(
            op=lambda x, u, lam: u.diff(2) + lam * u, domain=(0, np.pi), lbc=lambda u: [u, u.diff() - 1],
            rbc=0, params={"lam": 0.9},
        ),
        np.sin,
    ),
    "derivative of a product": (
        dict(op=lambda x, u: u.diff(2) + (x * u).diff(), domain=(0, 1), lbc=1, rbc=np.exp(-0.5)),
        lambda x: np.exp(-x * x / 2),
    ),
    "integral equation": (
        dict(op=lambda x, u: u - u.fredholm(lambda x, t: np.minimum(x, t)) - 1, domain=(0, 1)),
        lambda x: np.cos(x) + np.tan(1) * np.sin(x),
    ),
    "complex kernel": (
        dict(op=lambda x, u: u - u.fredholm(lambda x, t: 0.1j * x * t) - 1, domain=(0, 1)),
        lambda x: 1 + 0.05j * x / (1 - 0.1j / 3),
    ),
    "complex": (
        dict(op=lambda x, u: u.diff(2) + 900 * u, domain=(0, 1), lbc=1, rbc=lambda u: u.diff() - 30j * u),
        lambda x: np.exp(30j * x),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_solves_and_certifies(name):
    problem, exact = CASES[name]
    result = solve(**problem)
    assert result.success and result.method == "collocation"
    assert result.residual <= 1e-10 and result.bc_residual <= 1e-10
    x = np.linspace(*result.domain, 301)
    error = np.abs(result(x) - exact(x)).max()
    assert error < 3e-10
    assert error < 100 * max(result.error_estimate, 1e-14)


def test_nonlinear_agrees_with_the_mesh():
    problem = dict(
        op=lambda x, u: 0.01 * u.diff(2) + 2 * (1 - x**2) * u + u**2 - 1, domain=(-1, 1), lbc=0, rbc=0
    )
    result = solve(**problem)
    assert result.success
    again = solve_bvp(**problem, guess=result)  # the same of Carrier's many solutions
    x = np.linspace(-1, 1, 201)
    assert again.success and np.abs(result(x) - again(x)).max() < 1e-9


def test_newton_squares_its_steps():
    result = solve(lambda x, u: u.diff(2) + np.exp(u), (0, 1), 0, 0)
    steps = [record.step_norm for record in result.history]
    assert result.success and len(steps) <= 5
    assert steps[2] < 10 * steps[1] ** 2 and steps[3] < 10 * steps[2] ** 2


def test_system():
    result = solve(
        lambda x, u, v: [u.diff() - v, v.diff() + np.sin(u)], (0, 2), lbc=lambda u, v: u - 1,
        rbc=lambda u, v: u,
    )  # fmt: skip
    u, v = result.u
    energy = 0.5 * v(np.linspace(0, 2, 50)) ** 2 - np.cos(u(np.linspace(0, 2, 50)))
    assert result.success and np.ptp(energy) < 1e-10


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        ((lambda x, u: u.diff(2) - 1, (0, 1), "neumann", "neumann"), Status.SINGULAR),
        ((lambda x, u: u.diff(2) + 4 * np.exp(u), (0, 1), 0, 0), Status.NOT_CONVERGED),
        ((lambda x, u: 1e-9 * u.diff(2) - u, (-1, 1), 1, 1), Status.NOT_RESOLVED),
        ((lambda x, u: u.diff(2) - np.log(u - 5), (0, 1), 0, 0), Status.NOT_FINITE),
    ],
)
def test_failures_are_results(problem, status):
    result = solve(*problem, max_n=256)
    assert not result.success and result.status == status and result.message


def test_break_points_are_refused():
    with pytest.raises(ValueError, match="break points"):
        solve(lambda x, u: u.diff(2) - np.sign(x), (-1, 1), 0, 0, breakpoints=[0.0])


@dataclass(frozen=True)
class Sized:
    """A rough solver for matrices of one size, as learned ones are."""

    sizes: tuple[int, ...] = (40,)
    name: str = "sized"

    @property
    def traits(self):
        return Traits(sizes=self.sizes)

    def factor(self, A):
        return np.linalg.inv(matrix_of(A)) * (1 + 1e-3)

    def solve(self, state, b):
        return LinearSolution(state @ b)


def test_a_solver_that_takes_one_size_sees_that_size_and_is_refined():
    result = solve_bvp(lambda x, u: u.diff(2) + np.exp(u), (0, 1), 0, 0, linear_solver=Sized())
    assert result.method == "collocation" and result.success and result.n == 40
    assert "sized" in result.linear_solver and "refinements" in result.linear_solver
    assert "fell back" not in result.linear_solver


def test_larger_grids_are_solved_by_the_fall_back_and_say_so():
    result = solve_bvp(lambda x, u: 1e-4 * u.diff(2) - u, (-1, 1), 1, 1, linear_solver=Sized())
    assert result.success and result.n > 40 and "fell back" in result.linear_solver
