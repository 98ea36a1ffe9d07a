"""Numeric instances against proven minimizers, to 1e-9 in the objective."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import spectral_nn_cvxpy  # noqa: F401  registers the method
from cvxpy_instances import EXPONENTS, LARGE, Instance, small
from proven_minimizers import LONG, prove

SMALL = small()


def test_there_are_enough_instances() -> None:
    assert len(SMALL) >= 60
    assert {instance.p for instance in SMALL.values()} >= set(EXPONENTS)


@pytest.mark.parametrize("name", SMALL)
def test_value_and_duals(name: str) -> None:
    instance = SMALL[name]
    proven = prove(instance.statement())
    problem, x = instance.problem()
    value = problem.solve(method="newton_lp")
    assert problem.status == cp.OPTIMAL
    assert value == pytest.approx(proven.value, rel=1e-9, abs=0)
    for constraint in problem.constraints:
        multipliers = proven.nu if isinstance(constraint, cp.constraints.Equality) else proven.mu
        error = np.max(np.abs(constraint.dual_value - multipliers))
        assert error <= 1e-4 * np.max(np.abs(multipliers))
        assert np.max(constraint.violation()) <= 1e-8
    assert "condition" in name or np.max(np.abs(x.value - proven.x)) <= 3e-2 * np.max(np.abs(proven.x))


@pytest.mark.parametrize("name", LARGE)
def test_large_instances_carry_their_proof(name: str) -> None:
    """The dual point that comes with the result, checked in extended precision, bounds the optimum from
    below."""
    instance = LARGE[name]()
    problem, x = instance.problem()
    value = problem.solve(method="newton_lp")
    assert problem.status == cp.OPTIMAL
    lower = lower_bound(instance, problem, x.value)
    assert value * (1 + 1e-12) >= lower >= value * (1 - 1e-9)


def lower_bound(instance: Instance, problem: cp.Problem, x: np.ndarray) -> float:
    """``-b'y - e'nu`` for ||y||_q <= 1; what ``A'y + E'nu`` lacks from zero is charged against |x|."""
    y = problem.solver_stats.extra_stats["result"].dual[0].astype(LONG)
    q = LONG(instance.p) / (LONG(instance.p) - 1)
    y /= max(LONG(1), np.sum(np.abs(y) ** q) ** (1 / q))
    total, left = -(instance.b.astype(LONG) @ y), _transposed(instance.A, y)
    if instance.E is not None:
        nu = np.asarray(problem.constraints[0].dual_value).astype(LONG)
        total -= instance.e.astype(LONG) @ nu
        left = left + instance.E.T.astype(LONG) @ nu
    return float(total - 2 * np.abs(left) @ np.abs(x))


def _transposed(A: object, y: np.ndarray) -> np.ndarray:
    if isinstance(A, np.ndarray):
        return A.T.astype(LONG) @ y
    out = np.zeros(A.shape[1], dtype=LONG)  # type: ignore[attr-defined]
    coo = A.tocoo()  # type: ignore[attr-defined]
    np.add.at(out, coo.coords[1], coo.data * y[coo.coords[0]])
    return out
