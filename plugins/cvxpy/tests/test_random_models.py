"""Random models of several terms and constraints, badly scaled: an answer may be missing, but never wrong.

Clarabel is the judge where it finds an optimum, to its own accuracy; the duality gap is checked in either case.
"""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pytest
import spectral_nn_cvxpy  # noqa: F401  registers the method

SEEDS = range(60)
# Constraints that leave no inside, on data over five orders of magnitude, are the hard part.
SOLVED = 0.95


def random_model(seed: int) -> cp.Problem:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    x, inside = cp.Variable(n), rng.standard_normal(n)
    terms = [random_term(rng, x) for _ in range(rng.integers(1, 4))]
    if rng.random() < 0.3:
        terms.append(0.1 * cp.sum_squares(x) + rng.standard_normal(n) @ x)
    constraints = []
    if rng.random() < 0.4:
        E = rng.standard_normal((int(rng.integers(1, max(2, n // 2 + 1))), n))
        constraints.append(E @ x == E @ inside)
    if rng.random() < 0.4:
        G = rng.standard_normal((int(rng.integers(1, 2 * n)), n))
        constraints.append(G @ x <= G @ inside + rng.random(len(G)) * (rng.random() < 0.7))
    if rng.random() < 0.3:
        constraints.append(x >= inside - rng.random())
    return cp.Problem(cp.Minimize(sum(terms)), constraints)


def random_term(rng: np.random.Generator, x: cp.Variable) -> cp.Expression:
    m = 2 * int(rng.integers(1, 20))
    A = rng.standard_normal((m, x.size)) * 10.0 ** rng.integers(-2, 3)
    r = A @ x - rng.standard_normal(m) * 10.0 ** rng.integers(-2, 3)
    p, weight = float(rng.choice([1.1, 1.5, 2, 3, 4, 8, 16])), float(rng.random() * 3)
    return (
        weight
        * [
            lambda: cp.pnorm(r, p, approx=False),
            lambda: cp.sum(cp.power(cp.abs(r), min(p, 4))),
            lambda: cp.sum_squares(r),
            lambda: cp.pnorm(x, p, approx=False),
            lambda: cp.sum(cp.norm(cp.reshape(r, (m // 2, 2), order="F"), 2, axis=1)),
        ][int(rng.integers(5))]()
    )


@pytest.fixture(scope="module")
def outcomes() -> dict[int, tuple[cp.Problem, str, float]]:
    out = {}
    for seed in SEEDS:
        problem = random_model(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                problem.solve(method="newton_lp")
                status, value = problem.status, float(problem.value)
            except cp.error.SolverError:
                status, value = "failed", np.nan
        out[seed] = (problem, status, value)
    return out


def test_most_are_solved(outcomes: dict[int, tuple[cp.Problem, str, float]]) -> None:
    solved = sum(status == cp.OPTIMAL for _, status, _ in outcomes.values())
    assert solved >= SOLVED * len(outcomes)


def test_no_answer_is_wrong(outcomes: dict[int, tuple[cp.Problem, str, float]]) -> None:
    for seed, (problem, status, value) in outcomes.items():
        if status == "failed":
            continue
        assert all(np.max(c.violation(), initial=0.0) <= 1e-6 for c in problem.constraints), seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-10, tol_gap_abs=1e-10)
            except cp.error.SolverError:
                continue
        if problem.status == cp.OPTIMAL:
            assert status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE), seed
            accuracy = 1e-5 if status == cp.OPTIMAL else 1e-3
            assert abs(value - theirs) <= accuracy * max(abs(theirs), 1e-3), seed
