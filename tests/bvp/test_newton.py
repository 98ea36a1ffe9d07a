"""Newton's method: convergence, restarts, damping, failures, continuation, deflation, properties of solutions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn import BVP, Status, continuation, deflate, solve_bvp


def bratu(lam=1.0):
    return BVP(lambda x, u: u.diff(2) + lam * np.exp(u), (0, 1), lbc=0, rbc=0)


def test_newton_steps_square():
    """|du_{k+1}| <= C |du_k|² until rounding."""
    steps = [r.step_norm for r in bratu(3.0).solve(guess=0.0).history]
    ratios = [b / a**2 for a, b in zip(steps, steps[1:], strict=False) if b > 1e-12]
    assert len(ratios) >= 2 and max(ratios) < 3.0


@pytest.mark.parametrize(
    "problem",
    [
        bratu(),
        BVP(lambda x, u: 0.01 * u.diff(2) + 2 * (1 - x**2) * u + u**2 - 1, (-1, 1), lbc=0, rbc=0),
        BVP(
            lambda x, u, v: [u.diff() - v, v.diff() + np.sin(u)],
            (0, 2),
            lbc=lambda u, v: u - 1,
            rbc=lambda u, v: u,
        ),
    ],
)
def test_restart_from_its_own_solution(problem):
    first = problem.solve()
    again = problem.solve(guess=first)
    assert first.success and again.success and again.nit <= 1
    x = np.linspace(*problem.domain, 50)
    assert np.abs(again(x) - first(x)).max() < 1e-9


@pytest.mark.parametrize(
    "guess",
    [0.1, lambda x: x * (1 - x), np.zeros(9), (np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.2, 0.0]))],
    ids=["number", "callable", "values", "samples"],
)
def test_guesses_of_all_kinds_lead_to_the_same_solution(guess):
    assert abs(bratu().solve(guess=guess)(0.5) - 0.140539214400472) < 1e-12


def test_division_by_zero_at_the_guess_is_said_and_where():
    result = solve_bvp(lambda x, u: u.diff(2) + 1 / u, (0, 1), lbc=1, rbc=1, guess=0.0)
    assert not result.success and result.status is Status.NOT_FINITE
    assert "x =" in result.message and "guess" in result.message


def test_no_solution_beyond_the_fold():
    result = bratu(4.0).solve()
    assert not result.success and result.status in (
        Status.NOT_CONVERGED,
        Status.ITERATION_LIMIT,
        Status.SINGULAR,
    )
    assert "guess" in result.message


def test_callback_sees_every_step_and_can_stop():
    seen = []

    def stop(record):
        seen.append(record)
        if len(seen) == 2:
            raise StopIteration

    result = bratu(3.5).solve(guess=0.0, callback=stop, rescue=False)
    assert len(seen) == 2 and not result.success and "callback" in result.message


def test_damping_solves_what_full_steps_do_not():
    def op(x, u):
        return u.diff(2) - 10 * np.sinh(10 * u)

    assert solve_bvp(op, (0, 1), lbc=0, rbc=1).success
    plain = solve_bvp(op, (0, 1), lbc=0, rbc=1, damping=False, max_iter=20)
    assert plain.nit > 10 or not plain.success


def test_continuation_passes_the_fold_of_bratu():
    a = 1.1996786402577  # a tanh(a) = 1
    assert abs(a * np.tanh(a) - 1) < 1e-12
    fold = 8 * a**2 / np.cosh(a) ** 2
    branch = continuation(
        lambda x, u, lam: u.diff(2) + lam * np.exp(u),
        (0, 1),
        lbc=0,
        rbc=0,
        parameter={"lam": 1.0},
        step=0.5,
        until=(0.5, 5),
    )
    assert branch.success and abs(branch.folds[0] - fold) < 1e-8
    assert all(r.success for r in branch.results)
    both = [r.u[0](0.5) for r in branch.results if abs(r.params["lam"] - 1.0) < 0.6]
    assert min(both) < 0.3 and max(both) > 3.5  # lower and upper branch at about lam = 1
    assert len(branch.at(2.0)) == 2


def test_continuation_refuses_what_it_cannot_follow():
    with pytest.raises(ValueError, match="parameter"):
        continuation(lambda x, u, lam: u.diff(2) + lam, (0, 1), lbc=0, rbc=0, parameter={})
    with pytest.raises(ValueError, match="step"):
        continuation(
            lambda x, u, lam: u.diff(2) + lam, (0, 1), lbc=0, rbc=0, parameter={"lam": 0.0}, step=0.0
        )


def test_deflation_finds_both_solutions_of_bratu_and_of_painleve():
    lower = bratu().solve()
    upper = deflate(bratu(), [lower], guess=lambda x: 4 * x * (1 - x))
    assert upper.success and abs(upper(0.5) - 4.0914672462) < 1e-9
    painleve = BVP(lambda x, u: u.diff(2) - u**2 + x, (0, 10), lbc=0, rbc=np.sqrt(10))
    first = painleve.solve()
    second = deflate(painleve, [first])
    assert second.success and first(0, 1) * second(0, 1) < 0  # they leave zero in opposite directions


def test_deflation_says_so_when_there_is_nothing_more():
    problem = BVP(lambda x, u: u.diff(2) - u**3, (0, 1), lbc=0, rbc=1)  # monotone: one solution
    result = deflate(problem, [problem.solve()], max_iter=15)
    assert not result.success and "eflation" in result.message
    with pytest.raises(ValueError, match="linear"):
        deflate(BVP(lambda x, u: u.diff(2), (0, 1), lbc=0, rbc=1), [result])


# --- laws -------------------------------------------------------------------------------------------------------


def helmholtz(rhs, lbc, rbc, domain=(0.0, 1.0)):
    return solve_bvp(lambda x, u: u.diff(2) + (3 + x) * u, domain, lbc=lbc, rbc=rbc, rhs=rhs)


@settings(max_examples=15, deadline=None)
@given(a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_linear_problems_are_linear(a, b):
    x = np.linspace(0, 1, 20)
    one, two = helmholtz(np.sin, 1, 0), helmholtz(np.exp, 0, 2)
    both = helmholtz(lambda x: a * np.sin(x) + b * np.exp(x), a, 2 * b)
    assert np.abs(both(x) - a * one(x) - b * two(x)).max() < 1e-9 * (1 + abs(a) + abs(b))


@settings(max_examples=15, deadline=None)
@given(shift=st.floats(-50, 50), stretch=st.floats(0.1, 20))
def test_mapping_the_domain_maps_the_solution(shift, stretch):
    """u(x) on (0, 1) and v(y) = u((y − shift) / stretch) solve the same problem."""
    u = solve_bvp(lambda x, u: u.diff(2) + np.exp(u) * np.cos(x), (0, 1), lbc=0, rbc=0)
    v = solve_bvp(
        lambda y, v: stretch**2 * v.diff(2) + np.exp(v) * np.cos((y - shift) / stretch),
        (shift, shift + stretch),
        lbc=0,
        rbc=0,
    )
    x = np.linspace(0, 1, 15)
    assert np.abs(u(x) - v(np.clip(shift + stretch * x, *v.domain))).max() < 1e-9


@settings(max_examples=10, deadline=None)
@given(eps=st.floats(1e-4, 1.0))
def test_reflection(eps):
    u = solve_bvp(lambda x, u: eps * u.diff(2) + u.diff() - u, (0, 1), lbc=1, rbc=2)
    v = solve_bvp(lambda x, v: eps * v.diff(2) - v.diff() - v, (-1, 0), lbc=2, rbc=1)
    x = np.linspace(0, 1, 25)
    assert np.abs(u(x) - v(-x)).max() < 1e-8


def test_error_falls_faster_than_any_power_until_the_plateau():
    from spectral_nn.bvp.adapt import Slot
    from spectral_nn.bvp.mesh import Mesh, State
    from spectral_nn.bvp.newton import newton
    from spectral_nn.linear.registry import resolve

    errors = []
    wave = BVP(lambda x, u: u.diff(2) + 25 * u, (0, 3), lbc=0, rbc=np.sin(15.0))
    for p in (8, 12, 16, 20, 24, 28):
        mesh = Mesh(np.array([0.0, 3.0]), p, wave.structure.orders)
        out = newton(wave, State.zeros(mesh, 0), None, float, Slot(resolve("auto")), tol=1e-12, max_iter=2)
        x = np.linspace(0, 3, 40)
        errors.append(np.abs(out.evaluation.state.series(0)(x) - np.sin(5 * x)).max())
    rates = np.diff(np.log(np.maximum(errors, 1e-14))) / np.diff(np.log([8, 12, 16, 20, 24, 28]))
    assert errors[-1] < 1e-12
    assert rates[0] > rates[1] > rates[2] and rates[2] < -10  # the order keeps growing: no power law
