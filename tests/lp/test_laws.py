"""Laws of the minimum, on random problems."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn import LpProblem, LpTerm, minimize_lp

PROBLEMS = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 40), st.floats(1.05, 40), st.sampled_from([0, 1, 4])
)  # fmt: skip
QUICK = settings(max_examples=40, deadline=None)


def make(problem):
    seed, n, extra, p, digits = problem
    rng = np.random.default_rng(seed)
    A, b = rng.standard_normal((n + extra, n)), rng.standard_normal(n + extra)
    if digits:  # few digits: ties, zeros, repeated rows
        A, b = np.round(A, digits), np.round(b, digits)
    return A, b, p


@QUICK
@given(PROBLEMS)
def test_ends_with_a_certificate(problem):
    A, b, p = make(problem)
    result = minimize_lp(A, b, p)
    assert result.success, result
    assert result.fun <= np.linalg.norm(b, p) * (1 + 1e-9)  # x = 0
    x = np.linalg.lstsq(A, b, rcond=None)[0]
    assert result.fun <= np.linalg.norm(A @ x - b, p) * (1 + 1e-9) + 1e-12 * np.linalg.norm(b)


@QUICK
@given(PROBLEMS, st.floats(-8, 8))
def test_shift_and_scale(problem, log_scale):
    A, b, p = make(problem)
    x = np.linspace(-1, 1, A.shape[1])
    scale = 10.0**log_scale
    plain = minimize_lp(A, b, p)
    moved = minimize_lp(A, (b + A @ x) * scale, p)
    size = np.linalg.norm(b + A @ x)
    assert moved.fun == pytest.approx(plain.fun * scale, rel=1e-8, abs=1e-11 * size * scale)


@QUICK
@given(PROBLEMS)
def test_order_of_rows_and_signs_do_not_matter(problem):
    A, b, p = make(problem)
    order = np.random.default_rng(0).permutation(len(b))
    sign = np.where(np.arange(len(b)) % 2, 1.0, -1.0)
    other = minimize_lp((sign[:, None] * A)[order], (sign * b)[order], p)
    assert other.fun == pytest.approx(minimize_lp(A, b, p).fun, rel=1e-8, abs=1e-11 * np.linalg.norm(b))


@QUICK
@given(PROBLEMS)
def test_a_constraint_never_helps(problem):
    A, b, p = make(problem)
    n = A.shape[1]
    free = minimize_lp(A, b, p)
    bound = minimize_lp(A, b, p, lb=-0.3, ub=0.3)
    tied = minimize_lp(A, b, p, E=np.ones((1, n)), e=[0.1])
    slack = 1e-9 * free.fun + 1e-10 * np.linalg.norm(b)
    assert bound.success and tied.success, (bound, tied)
    assert bound.fun >= free.fun - slack and tied.fun >= free.fun - slack


@QUICK
@given(PROBLEMS)
def test_norm_and_power_have_one_minimizer(problem):
    A, b, p = make(problem)
    norm, power = minimize_lp(A, b, p), minimize_lp(A, b, p, kind="power")
    assert power.success
    assert power.fun ** (1 / p) == pytest.approx(norm.fun, rel=1e-8, abs=1e-10 * np.linalg.norm(b))


@QUICK
@given(PROBLEMS)
def test_a_norm_plus_itself_is_twice_the_norm(problem):
    A, b, p = make(problem)
    once, twice = minimize_lp(A, b, p), LpProblem([LpTerm(A, b, p), LpTerm(A, b, p)]).solve()
    if once.fun > 1e-9 * np.linalg.norm(b):
        assert twice.success, twice
    assert twice.fun == pytest.approx(2 * once.fun, rel=3e-9, abs=1e-7 * np.linalg.norm(b))
