"""Results and the loop that makes them: certificates in all units, statuses that tell the cause, pickles."""

import pickle

import numpy as np
import pytest

from spectral_nn import BVP, Status, deflate, solve_bvp


@pytest.mark.parametrize("size", [1e-20, 1e-8, 1.0, 1e20])
def test_linear_problems_scale_with_their_units(size):
    result = solve_bvp(lambda x, u: u.diff(2) - u, (0, 1), lbc=size, rbc=-size)
    x = np.linspace(0, 1, 50)
    exact = size * (np.sinh(1 - x) - np.sinh(x)) / np.sinh(1)
    assert result.success and np.abs(result(x) - exact).max() < 1e-13 * size


@pytest.mark.parametrize("op", [lambda x, u: u.diff(2) - np.sin(u), lambda x, u: u.diff(2) - u**2])
def test_a_solution_that_vanishes_is_found_on_a_small_mesh(op):
    result = solve_bvp(op, (0, 1), lbc=0, rbc=0, guess=1)
    assert result.success and result.n < 2000 and np.abs(result(np.linspace(0, 1, 9))).max() < 1e-12


def test_a_constant_solution_under_neumann_conditions_meets_them():
    result = solve_bvp(lambda x, u: u.diff(2), (0, 2), lbc="neumann", bc=lambda x, u: u.sum() - 6)
    assert result.success and np.abs(result(np.linspace(0, 2, 5)) - 3).max() < 1e-13


def test_amplified_rounding_is_called_by_its_name():
    """A viscous shock that may sit anywhere: eps u'' = u u' fixes its place only up to exp(-1/eps)."""
    result = solve_bvp(lambda x, u: 0.02 * u.diff(2) - u * u.diff(), (-1, 1), lbc=1, rbc=-1)
    assert not result.success and result.status is Status.ILL_CONDITIONED and "condition" in result.message


@pytest.mark.parametrize("method", ["mesh", "ultraspherical"])
def test_growing_modes_are_not_called_solved(method):
    result = solve_bvp(lambda x, u: u.diff(2) - 1600 * u, (0, 1), lbc=[1, -40], method=method)
    assert not result.success and result.status in (Status.ILL_CONDITIONED, Status.SINGULAR)


def test_results_are_pickled_whole():
    result = solve_bvp(
        lambda x, u, v: [u.diff() - v, v.diff() + np.exp(u)], (0, 1), lbc=[0, None], rbc=[0, None]
    )
    again = pickle.loads(pickle.dumps(result))
    x = np.linspace(0, 1, 11)
    assert all(np.array_equal(again(x, k), result(x, k)) for k in range(3))
    assert str(again) == str(result)
    assert (
        BVP(lambda x, u: u.diff(2) + np.exp(u), (0, 1), lbc=0, rbc=0)
        .solve(guess=lambda x: again(x)[0])
        .success
    )


def test_derivatives_come_from_the_highest_one():
    """Differentiating the polynomial of u eight times would leave no digit."""
    result = solve_bvp(lambda x, u: u.diff(8) - u, (0, 1), lbc=[1] * 4, rbc=[np.e] * 4)
    x = np.linspace(0, 1, 7)
    assert (
        max(np.abs(result(x, k) - np.exp(x)).max() for k in range(9)) < 1e-9
    )  # boundary data are worth that much


def test_deflation_names_wrong_arguments():
    problem = BVP(lambda x, u: u.diff(2) - np.sinh(u), (0, 1), lbc=0, rbc=1)
    with pytest.raises(TypeError, match="known"):
        deflate(problem, [1.0])
    with pytest.raises(ValueError, match="known"):
        deflate(problem, [])
    with pytest.raises(ValueError, match="power"):
        deflate(problem, [problem.solve()], power=-1.0)


def test_plots_draw_every_unknown():
    pytest.importorskip("matplotlib").use("Agg")
    result = solve_bvp(
        lambda x, u, v: [u.diff() - v, v.diff() + u], (0, 2), lbc=lambda u, v: u - 1, rbc=lambda u, v: u
    )
    ax = result.plot()
    assert [line.get_label() for line in ax.lines] == ["u", "v"]
    assert np.allclose(ax.lines[0].get_ydata(), result(ax.lines[0].get_xdata())[0])
    assert len(result.plot_coefficients().lines) >= 2


def test_smooth_problems_raise_the_degree_and_layers_split_elements():
    smooth = solve_bvp(lambda x, u: u.diff(2) + 300 * u, (0, 1), lbc=0, rbc=1, method="mesh")
    layer = solve_bvp(lambda x, u: 1e-6 * u.diff(2) - u, (-1, 1), lbc=1, rbc=2)
    assert smooth.success and smooth.state.mesh.E == 2 and smooth.state.mesh.p > 16
    assert (
        layer.success
        and layer.state.mesh.E > 8
        and np.diff(layer.mesh).min() < 0.1 * np.diff(layer.mesh).max()
    )
