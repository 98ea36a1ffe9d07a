"""Every problem of the zoo: solved, right against an independent reference, and right by its own residual.

The acceptance rule of the library: success is never claimed with an error above 1000 tol (1 + max|u|).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from spectral_nn import solve_bvp
from tests.problems import Problem, all_problems, tagged
from tests.zoo.checks import boundary_residual, equation_residual, error_of, size_of

PROBLEMS = all_problems()
WELL_POSED = [p for p in PROBLEMS if "ill_conditioned" not in p.tags]
ILL_CONDITIONED = tagged("ill_conditioned")


@cache
def solution(problem: Problem) -> Any:
    return solve_bvp(**problem.arguments())


def accepted_error(problem: Problem, result: Any) -> float:
    return 1000 * problem.tol * (1 + size_of(problem, result))


@pytest.mark.parametrize("problem", WELL_POSED, ids=lambda p: p.name)
def test_solved_to_the_reference(problem: Problem) -> None:
    result = solution(problem)
    assert result.success, result.message
    assert error_of(problem, result) <= accepted_error(problem, result)


@pytest.mark.parametrize("problem", WELL_POSED, ids=lambda p: p.name)
def test_residual_recomputed_between_the_points(problem: Problem) -> None:
    result = solution(problem)
    assert equation_residual(problem, result) <= 1000 * problem.tol
    assert boundary_residual(problem, result) <= 100 * problem.tol


@pytest.mark.parametrize("problem", ILL_CONDITIONED, ids=lambda p: p.name)
def test_ill_conditioned_problem_is_right_or_says_so(problem: Problem) -> None:
    result = solution(problem)
    right = error_of(problem, result) <= accepted_error(problem, result)
    assert right or not result.success or "condition" in result.message


def test_the_zoo_is_what_it_says() -> None:
    """Closed forms satisfy their own conditions; stored references carry their method and error estimate."""
    from tests.zoo.problem import stored_references

    for problem in PROBLEMS:
        if problem.exact is not None and isinstance(problem.lbc, int | float):
            ends = np.atleast_2d(problem.exact(np.array(problem.domain, dtype=float)))
            assert np.allclose(ends[:, 0], problem.lbc, rtol=1e-12, atol=1e-12), problem.name
        if problem.stored:
            entry = stored_references()[problem.name]
            assert entry["how"] and entry["error"] < 3e-11, problem.name
    assert {f"T{i}" for i in range(1, 36)} <= {p.name.split("_")[0] for p in PROBLEMS}
