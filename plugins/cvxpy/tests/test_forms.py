"""Every way of writing a problem, against a minimizer that is known with proof: value, variables and
duals."""

from __future__ import annotations

import zlib

import cvxpy as cp
import numpy as np
import pytest
import spectral_nn_cvxpy
from cvxpy_more_forms import FORMS, Form
from proven_minimizers import prove
from spectral_nn_cvxpy.reading import Reading

# Each form is solved at one exponent below and one above 2, in turn.
EXPONENTS = ((1.2, 8.0), (1.5, 3.0), (1.2, 3.0), (1.5, 8.0))
CASES = [(name, p) for k, name in enumerate(FORMS) for p in EXPONENTS[k % len(EXPONENTS)]]


def build(name: str, p: float) -> Form:
    return FORMS[name](np.random.default_rng(zlib.crc32(name.encode()) + int(100 * p)), p)


def stacked(form: Form) -> np.ndarray:
    values = [v.value.toarray() if hasattr(v.value, "toarray") else v.value for v in form.variables]
    x = np.concatenate([np.reshape(value, -1, order="F") for value in values])
    return x if form.entries is None else x[form.entries]


def test_there_are_enough_forms() -> None:
    assert len(FORMS) >= 40


@pytest.mark.parametrize("name", FORMS)
def test_the_reader_sees_what_cvxpy_evaluates(name: str) -> None:
    """At random points the minimizer's objective and CVXPY's own evaluation agree to rounding."""
    form = build(name, 3.0)
    reading = Reading(form.problem)
    numbers = reading.numbers()
    rng = np.random.default_rng(5)
    for _ in range(3):
        x = rng.standard_normal(reading.layout.size)
        x = np.abs(x) if name == "cube_with_its_domain" else x
        for variable in form.problem.variables():
            variable.save_value(reading.layout.values(x)[variable.id])
        mine, theirs = reading.value(numbers, numbers.problem.objective(x)), form.problem.objective.value
        assert mine == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize(("name", "p"), CASES)
def test_value_variables_and_duals(name: str, p: float) -> None:
    form = build(name, p)
    proven = prove(form.statement)
    value = form.problem.solve(method="newton_lp")
    sign = -1.0 if isinstance(form.problem.objective, cp.Maximize) else 1.0
    outer = getattr(form.statement, "outer", 1.0)
    assert form.problem.status == cp.OPTIMAL
    size = abs(proven.value - form.statement.constant)
    assert abs(sign * value - proven.value**outer) <= 1e-9 * max(size**outer, abs(value))
    # A residual that vanishes at the minimizer enters as |r|^p: a value right to 1e-9 bounds it by 1e-9^(1/p)
    # alone.
    flat = 3 * 1e-9 ** (1 / max(p, 2.0))
    assert np.max(np.abs(stacked(form) - proven.x)) <= flat * (1 + np.max(np.abs(proven.x)))
    scale = outer * proven.value ** (outer - 1)
    check_duals(form.equalities, scale * proven.nu)
    check_duals(form.inequalities, scale * proven.mu)


def check_duals(constraints: list[cp.Constraint], expected: np.ndarray) -> None:
    used = 0
    for constraint in constraints:
        assert np.shape(constraint.dual_value) == constraint.shape
        mine = np.reshape(constraint.dual_value, -1, order="F")
        theirs = expected[used : used + mine.size]
        used += mine.size
        assert np.max(np.abs(mine - theirs), initial=0.0) <= 1e-4 * (1 + np.max(np.abs(expected)))


def test_the_method_is_registered() -> None:
    assert cp.Problem.REGISTERED_SOLVE_METHODS["newton_lp"] is spectral_nn_cvxpy.solve
