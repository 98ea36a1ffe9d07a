"""The problem zoo: boundary value problems with independent references, one module of `tests/zoo` a kind."""

from __future__ import annotations

from functools import cache

from tests.zoo.cash_linear import linear_problems
from tests.zoo.cash_nonlinear import nonlinear_problems
from tests.zoo.classical import classical_problems
from tests.zoo.conditions import condition_problems
from tests.zoo.integral_terms import integral_problems
from tests.zoo.oscillatory import oscillatory_problems
from tests.zoo.piecewise import piecewise_problems
from tests.zoo.problem import FirstOrder, Problem
from tests.zoo.systems import system_problems

__all__ = ["FirstOrder", "Problem", "all_problems", "problem", "tagged"]


@cache
def all_problems() -> tuple[Problem, ...]:
    """Every problem of the zoo, in a fixed order; names are unique."""
    found = (
        *linear_problems(),
        *nonlinear_problems(),
        *classical_problems(),
        *oscillatory_problems(),
        *system_problems(),
        *condition_problems(),
        *integral_problems(),
        *piecewise_problems(),
    )
    assert len({p.name for p in found}) == len(found), "two problems share a name"
    return found


def problem(name: str) -> Problem:
    """The problem of that name."""
    return next(p for p in all_problems() if p.name == name)


def tagged(*words: str) -> list[Problem]:
    """The problems that carry every one of these tags."""
    return [p for p in all_problems() if set(words) <= p.tags]
