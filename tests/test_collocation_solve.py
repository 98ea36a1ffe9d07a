"""solve_bvp(method="collocation"): accuracy, the certificate, failures, and solvers that take few sizes."""

from dataclasses import dataclass, field

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


def test_what_its_grids_do_not_resolve_goes_to_the_mesh_and_the_report_tells_of_both():
    solver = Counting()
    result = solve_bvp(lambda x, u: 1e-4 * u.diff(2) - u, (-1, 1), 1, 1, linear_solver=solver)
    assert result.success and result.method == "mesh" and result.n > 40
    stats = result.linear_stats
    assert stats["fell_back"] == stats["solves"] - 1 > 0  # one answer of its own, on the grid it takes
    assert solver.factored == [40]  # and no dense matrix of another size
    assert stats["cause"].startswith("counting takes systems of n = 40, got n = ")
    assert stats["cause"] in result.linear_solver and "counting, then block" in result.linear_solver
    x = np.linspace(-1, 1, 301)
    assert np.abs(result(x) - np.cosh(100 * x) / np.cosh(100)).max() < 1e-10


def test_forced_collocation_goes_on_with_larger_grids():
    result = solve(lambda x, u: 1e-4 * u.diff(2) - u, (-1, 1), 1, 1, linear_solver=Sized())
    assert result.success and result.method == "collocation" and result.n > 40
    assert "sized, then lu" in result.linear_solver


def test_break_points_go_to_the_mesh():
    problem = dict(op=lambda x, u: u.diff(2) - np.sign(x), domain=(-1, 1), lbc=0, rbc=0, breakpoints=[0.0])
    result = solve_bvp(**problem, linear_solver=Sized())
    x = np.linspace(-1, 1, 101)
    assert result.success and result.method == "mesh" and 0.0 in result.mesh
    assert np.abs(result(x) - np.sign(x) * (x**2 - np.abs(x)) / 2).max() < 1e-12
    assert result.linear_stats["fell_back"] == result.linear_stats["solves"]
    assert "'sized' solved none of the linear systems" in result.message


def test_a_nonlinear_problem_beyond_one_grid_is_solved_on_the_mesh():
    problem = dict(op=lambda x, u: 1e-2 * u.diff(2) + u * u.diff() - u, domain=(-1, 1), lbc=-1, rbc=1.5)
    result, direct = solve_bvp(**problem, linear_solver=Sized()), solve_bvp(**problem)
    x = np.linspace(-1, 1, 301)
    assert result.success and result.method == "mesh" and np.abs(result(x) - direct(x)).max() < 1e-9
    assert result.nit == len(result.history) and result.linear_stats["solves"] >= result.nit


def test_a_solver_that_refuses_everything_says_why_once():
    @dataclass(frozen=True)
    class Refuses(Sized):
        name: str = "refuses"

        def factor(self, A):
            raise ValueError("device: 'cuda' is not there.")

    result = solve_bvp(lambda x, u: u.diff(2) - 1, (0, 1), 0, 0, linear_solver=Refuses(sizes=(16, 40)))
    assert result.success and abs(result(0.5) + 0.125) < 1e-12
    assert result.linear_stats["cause"] == "refuses raised ValueError: device: 'cuda' is not there"
    assert result.message.endswith(result.linear_stats["cause"] + ".")
    assert result.linear_stats["cause"] in repr(result)


def test_a_callback_stops_collocation():
    def stop(record):
        raise StopIteration

    result = solve(lambda x, u: u.diff(2) + np.exp(u), (0, 1), 0, 0, callback=stop)
    assert not result.success and result.nit == 1 and result.message.startswith("stopped by the callback")
    again = solve_bvp(lambda x, u: u.diff(2) + np.exp(u), (0, 1), 0, 0, linear_solver=Sized(), callback=stop)
    assert again.nit == 1 and again.method == "collocation" and not again.success


@dataclass(frozen=True)
class Counting(Sized):
    """Writes down the sizes of the matrices it is given."""

    name: str = "counting"
    factored: list[int] = field(default_factory=list)

    def factor(self, A):
        self.factored.append(matrix_of(A).shape[-1])
        return super().factor(A)
