"""Every discretization on every problem of the zoo that it applies to; where it does not, it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spectral_nn import solve_bvp
from tests.problems import Problem, all_problems, problem
from tests.zoo.checks import error_of, size_of

METHODS = ("mesh", "ultraspherical", "collocation")
LINEAR = [
    p
    for p in all_problems()
    if "linear" in p.tags and not p.tags & {"params", "nonlocal", "piecewise", "ill_conditioned", "large"}
]
# One polynomial for the whole interval cannot hold these in float64: layers far inside rounding of a global
# coefficient, or poles that close to the interval. They must not be called solved with a wrong answer.
BEYOND_ONE_POLYNOMIAL = {
    "T4_1e-06",
    "T6_1e-06",
    "T8_0.0001",
    "T9_0.0001",
    "T10_0.0001",
    "T17_0.0001",
    "T17_1e-06",
    "T18_0.0001",
}


# Dense differentiation matrices lose digits with the order, and Newton on few points loses its way on these.
BEYOND_DENSE = {"blasius", "falkner_skan", "order8", "mean_field_nonlinear"}
SMOOTH = [p for p in all_problems() if p.tags & {"smooth", "nonlocal", "params"} and "large" not in p.tags]


def claims_honestly(p: Problem, method: str, **options: Any) -> bool:
    """Solve; a claim of success must be true. Returns whether it was claimed."""
    try:
        result = solve_bvp(**p.arguments(), method=method, **options)
    except ValueError as refusal:
        assert "resolved" in str(refusal) or "break points" in str(refusal), refusal
        return False
    if result.success:
        assert error_of(p, result) <= 1000 * p.tol * (1 + size_of(p, result))
    return bool(result.success)


@pytest.mark.parametrize(
    "p", [p for p in LINEAR if p.name not in BEYOND_ONE_POLYNOMIAL], ids=lambda p: p.name
)
def test_ultraspherical_solves_linear_problems(p: Problem) -> None:
    assert claims_honestly(p, "ultraspherical")


@pytest.mark.parametrize("name", sorted(BEYOND_ONE_POLYNOMIAL))
def test_ultraspherical_is_honest_about_what_it_cannot_hold(name: str) -> None:
    claims_honestly(problem(name), "ultraspherical")


@pytest.mark.parametrize("p", [p for p in SMOOTH if p.name not in BEYOND_DENSE], ids=lambda p: p.name)
def test_collocation_solves_smooth_problems(p: Problem) -> None:
    assert claims_honestly(p, "collocation")


@pytest.mark.parametrize(
    "p", [p for p in all_problems() if p not in SMOOTH or p.name in BEYOND_DENSE], ids=lambda p: p.name
)
def test_collocation_is_honest_on_256_points(p: Problem) -> None:
    if "large" not in p.tags:
        claims_honestly(p, "collocation", max_n=256)


@pytest.mark.parametrize(
    "name, word",
    [
        ("bratu_1", "nonlinear"),
        ("mathieu", "linear"),
        ("pantograph", "composed"),
        ("mean_field", "integral"),
        ("step_off_centre_given", "breakpoints"),
    ],
)
def test_ultraspherical_refuses_by_name(name: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        solve_bvp(**problem(name).arguments(), method="ultraspherical")
    assert "method" in str(caught.value) and "mesh" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["T1_0.0001", "T15_0.005", "helmholtz_100", "periodic_variable", "coupled_modes"]
)
def test_discretizations_agree(name: str) -> None:
    p = problem(name)
    x = p.sample()
    answers = [solve_bvp(**p.arguments(), method=method)(x) for method in METHODS]
    for other in answers[1:]:
        assert np.abs(answers[0] - other).max() <= 1e-9 * (1 + np.abs(answers[0]).max())
