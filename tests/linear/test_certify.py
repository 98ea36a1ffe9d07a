"""Whatever a solver does, the answer is right or says that it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from spectral_nn import solve_linear
from spectral_nn.chebyshev.grid import points
from spectral_nn.chebyshev.matrices import differentiation
from spectral_nn.linear import Banded, LinearSolution, LinearStatus, LinearSystem, Traits, factor
from spectral_nn.linear.direct import LU
from spectral_nn.linear.krylov import GMRES
from tests.linear.systems import (
    Approximate,
    Raises,
    Returns,
    backward_error,
    chebyshev_second_derivative,
    random_array,
    with_condition,
)

N = 24


@pytest.fixture
def system() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return with_condition(rng, N, 1e3), random_array(rng, N)


@pytest.mark.parametrize("error", [1e-9, 1e-3, 0.1])
def test_refinement_makes_an_approximate_solver_exact(error: float, system: Any) -> None:
    A, b = system
    answer = solve_linear(A, b, Approximate(error), fallback=False)
    assert answer.success and answer.refinements >= 1 and not answer.fell_back
    assert backward_error(A, answer.x, b) <= 1e-12
    np.testing.assert_allclose(answer.x, np.linalg.solve(A, b), rtol=1e-7, atol=1e-9)


def test_more_accurate_solvers_need_fewer_refinements(system: Any) -> None:
    A, b = system
    counts = [solve_linear(A, b, Approximate(e), fallback=False).refinements for e in (1e-9, 1e-4, 0.1)]
    assert counts == sorted(counts) and counts[0] < counts[-1] <= 20


def test_flexible_gmres_helps_where_refinement_diverges(system: Any) -> None:
    A, b = system
    solver = Approximate(3.0)  # plain refinement cannot converge: the error grows
    answer = solve_linear(A, b, solver, fallback=False)
    assert answer.success and 0 < answer.refinements <= 2 * N, answer


def test_raw_answer_is_marked_as_such(system: Any) -> None:
    A, b = system
    answer = solve_linear(A, b, Approximate(1e-3), refine=False, fallback=False)
    assert answer.status is LinearStatus.UNCERTIFIED and not answer.success
    assert answer.refinements == 0 and 1e-6 < answer.backward_error < 1e-1
    assert answer.backward_error == pytest.approx(backward_error(A, answer.x, b), rel=1e-6)
    exact = solve_linear(A, b, "lu", refine=False, fallback=False)
    assert exact.status is LinearStatus.UNCERTIFIED and exact.success and exact.backward_error < 1e-14


def test_a_useless_solver_falls_back(system: Any) -> None:
    A, b = system
    useless = Returns(lambda A, b: LinearSolution(np.zeros_like(b)))
    answer = solve_linear(A, b, useless)
    assert answer.success and answer.fell_back and answer.solver == "returns, then lu"
    alone = solve_linear(A, b, useless, fallback=False)
    assert not alone.success and alone.status is LinearStatus.NOT_CONVERGED and "solver='qr'" in alone.message


def test_a_huge_operator_is_not_made_dense() -> None:
    n = 50_000
    A = LinearOperator(
        (n, n), matvec=lambda v: np.r_[v[1:], v[0]], dtype=float
    )  # GMRES makes no progress on it
    b = np.zeros(n)
    b[0] = 1
    answer = solve_linear(A, b, GMRES(max_iterations=20, restart=10))
    assert not answer.success and not answer.fell_back and answer.status is LinearStatus.NOT_CONVERGED


@pytest.mark.parametrize("where", ["factor", "solve"])
@pytest.mark.parametrize(
    "error,status",
    [
        (RuntimeError("device lost"), LinearStatus.BREAKDOWN),
        (ValueError("n = 24 is not trained for"), LinearStatus.UNSUPPORTED),
        (np.linalg.LinAlgError("no convergence"), LinearStatus.BREAKDOWN),
        (KeyError("layer"), LinearStatus.BREAKDOWN),
    ],
)
def test_a_solver_that_raises_is_reported_and_replaced(
    where: str, error: Exception, status: LinearStatus, system: Any
) -> None:
    A, b = system
    answer = solve_linear(A, b, Raises(where, error))
    assert answer.success and answer.fell_back
    assert type(error).__name__ in answer.message and str(error.args[0]) in answer.message
    alone = solve_linear(A, b, Raises(where, error), fallback=False)
    assert not alone.success and alone.status is status and str(error.args[0]) in alone.message
    assert np.isnan(alone.x).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda A, b: np.linalg.solve(A, b),
        lambda A, b: LinearSolution(np.zeros(3)),
        lambda A, b: LinearSolution(np.full(b.shape, np.nan)),
        lambda A, b: LinearSolution(np.full(b.shape, np.inf)),
        lambda A, b: None,
    ],
    ids=["bare array", "wrong shape", "NaN", "infinity", "None"],
)
def test_nonsense_from_a_solver(make: Any, system: Any) -> None:
    A, b = system
    answer = solve_linear(A, b, Returns(make))
    assert answer.success and answer.fell_back
    alone = solve_linear(A, b, Returns(make), fallback=False)
    assert not alone.success and alone.status is LinearStatus.BREAKDOWN


def test_a_lying_solver_is_not_believed(system: Any) -> None:
    A, b = system
    liar = Returns(
        lambda A, b: LinearSolution(b, success=True, status=LinearStatus.CONVERGED, backward_error=0.0)
    )
    alone = solve_linear(A, b, liar, refine=False, fallback=False)
    assert not alone.success and alone.backward_error > 1e-3
    assert solve_linear(A, b, liar).success


@pytest.mark.parametrize("solver", ["auto", "lu", "qr", "gmres", "banded", "cholesky"])
def test_nan_is_reported_as_nan(solver: str, system: Any) -> None:
    A, b = system[0].copy(), system[1].copy()
    A[3, 5] = np.nan
    answer = solve_linear(A, b, solver)
    assert answer.status is LinearStatus.NONFINITE_INPUT and "A[3, 5]" in answer.message
    assert np.isnan(answer.x).all() and not answer.success
    b[7] = -np.inf
    answer = solve_linear(system[0], b, solver)
    assert answer.status is LinearStatus.NONFINITE_INPUT and "b[7] is -inf" in answer.message


def test_nan_in_structured_matrices() -> None:
    diagonals = np.ones((3, 9))
    diagonals[1, 4] = np.nan
    for A in (Banded(diagonals, 1, 1), sp.csr_array(Banded(diagonals, 1, 1).toarray())):
        answer = solve_linear(A, np.ones(9))
        assert answer.status is LinearStatus.NONFINITE_INPUT and "row 4 of A" in answer.message


def duplicated_row(rng: np.random.Generator, n: int) -> np.ndarray:
    A = rng.standard_normal((n, n))
    A[n // 2] = A[0]
    return A


@pytest.mark.parametrize("solver", ["auto", "lu", "qr", "gmres", "fgmres", "banded", "cholesky", "cg"])
def test_singular_and_inconsistent(solver: str) -> None:
    A = duplicated_row(np.random.default_rng(1), 12)
    answer = solve_linear(A, np.arange(1.0, 13.0), solver)
    assert not answer.success
    assert solver == "qr" or answer.status is LinearStatus.SINGULAR
    sparse = solve_linear(sp.csr_array(A), np.arange(1.0, 13.0))
    assert not sparse.success


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("solver", ["auto", "lu"])
def test_singular_and_consistent_says_so(solver: str, scale: float) -> None:
    A = scale * duplicated_row(np.random.default_rng(2), 12)
    b = A @ np.ones(12)
    answer = solve_linear(A, b, solver)
    assert answer.status is LinearStatus.SINGULAR and not answer.success and "singular" in answer.message
    assert answer.backward_error < 1e-12  # x does solve it: it is one of many
    assert solve_linear(A, b, "qr").success


def test_neumann_at_both_ends_is_singular() -> None:
    """u'' = 1, u'(±1) = 0: no solution; the matrix is singular up to rounding at rows of size n⁴."""
    n = 32
    A = chebyshev_second_derivative(n)
    x = np.cos(np.pi * np.arange(n) / (n - 1))
    V = np.polynomial.chebyshev.chebvander(x, n - 1)
    D = np.polynomial.chebyshev.chebval(x, np.polynomial.chebyshev.chebder(np.eye(n))).T @ np.linalg.inv(V)
    A[0], A[-1] = D[0], D[-1]
    b = np.ones(n)
    b[0] = b[-1] = 0
    answer = solve_linear(A, b)
    assert answer.status is LinearStatus.SINGULAR and not answer.success


def test_ill_conditioned_is_not_called_singular() -> None:
    rng = np.random.default_rng(3)
    A = with_condition(rng, 30, 1e12)
    assert solve_linear(A, rng.standard_normal(30), "lu").success
    assert solve_linear(chebyshev_second_derivative(400), np.ones(400), "lu").success


def test_traits_are_respected(system: Any) -> None:
    A, b = system

    class Small:
        name = "small"
        traits = Traits(summary="n = 8 only", sizes=(8,))

        def factor(self, A: Any) -> Any:
            raise AssertionError("must not be called")

        def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
            raise AssertionError("must not be called")

    answer = solve_linear(A, b, Small())
    assert answer.success and answer.fell_back and "takes systems of n = 8, got n = 24" in answer.message
    alone = solve_linear(A, b, Small(), fallback=False)
    assert alone.status is LinearStatus.UNSUPPORTED and not alone.success
    Small.traits = Traits(summary="real only", dtypes=("float64",))
    assert "complex128" in solve_linear(A * 1j, b, Small()).message
    Small.traits = Traits(summary="spd only", needs_spd=True)
    assert "not symmetric" in solve_linear(A, b, Small()).message
    Small.traits = Traits(summary="sparse only", structures=("sparse",))
    assert "takes sparse systems, got a dense one" in solve_linear(A, b, Small()).message


# --- batches --------------------------------------------------------------------------------------


def test_only_the_failing_items_of_a_batch_are_treated() -> None:
    rng = np.random.default_rng(4)
    A = np.array([with_condition(rng, 10, 30.0) for _ in range(6)])
    b = random_array(rng, 6, 10)
    A[1, 0, 0], b[2, 3] = np.nan, np.inf
    A[4] = duplicated_row(rng, 10)
    exact = LU()

    def good_for_even(A: np.ndarray, b: np.ndarray) -> LinearSolution:
        x = exact.solve(exact.factor(A), b).x
        x[1::2] = 0
        return LinearSolution(x)

    answer = solve_linear(A, b, Returns(good_for_even), refine=False)
    assert answer.items is not None
    N_, S = LinearStatus.NONFINITE_INPUT, LinearStatus.SINGULAR
    assert [LinearStatus(s) for s in answer.items.status] == [0, N_, N_, 0, S, 0]
    assert answer.items.fell_back[[3, 5]].all() and not answer.items.fell_back[0]
    for k in (0, 3, 5):
        assert backward_error(A[k], answer.x[k], b[k]) < 1e-12
    assert not answer.success and answer.status is N_


def test_flexible_gmres_takes_large_batches_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(10)
    A = np.array([with_condition(rng, 10, 50.0) for _ in range(9)])
    b = random_array(rng, 9, 10)
    solver = Approximate(3.0, batched=True)
    whole = solve_linear(A, b, solver, fallback=False)
    monkeypatch.setattr("spectral_nn.linear.certify.MAX_BASIS", 4 * 2 * 11 * 10)
    parts = solve_linear(A, b, solver, fallback=False)
    assert whole.success and parts.success
    np.testing.assert_allclose(parts.x, whole.x, rtol=1e-8)
    monkeypatch.setattr("spectral_nn.linear.certify.MAX_BASIS", 60)  # less than one basis: a short one
    assert not solve_linear(A[0], b[0], solver, fallback=False).success


@pytest.mark.parametrize("batched", [True, False])
def test_a_batch_is_refined_per_item(batched: bool) -> None:
    rng = np.random.default_rng(5)
    A = np.array([with_condition(rng, 8, 10.0**k) for k in range(6)])
    b = random_array(rng, 6, 8)
    answer = solve_linear(A, b, Approximate(1e-4, batched=batched), fallback=False)
    assert answer.success and answer.items is not None and answer.items.refinements.min() >= 1
    assert all(backward_error(A[k], answer.x[k], b[k]) <= 1e-12 for k in range(6))


def test_many_right_hand_sides_are_items_too() -> None:
    rng = np.random.default_rng(6)
    A, b = with_condition(rng, 10, 100.0), random_array(rng, 10, 4)
    b[3, 2] = np.nan
    answer = solve_linear(A, b, "lu")
    assert answer.items is not None and list(answer.items.success) == [True, True, False, True]
    assert np.isnan(answer.x[:, 2]).all() and np.isfinite(answer.x[:, [0, 1, 3]]).all()


# --- the law --------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 12),
    kind=st.sampled_from(["random", "ill", "singular", "zero", "nan", "spd", "graded"]),
    decades=st.integers(-150, 150),
    solver=st.sampled_from(
        ["auto", "lu", "qr", "cholesky", "gmres", "fgmres", "cg", "banded", "approximate"]
    ),
)
def test_success_is_never_claimed_wrongly(seed: int, n: int, kind: str, decades: int, solver: str) -> None:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    if kind == "ill":
        A = with_condition(rng, n, 1e14)
    elif kind == "singular":
        A[:, 0] = A[:, -1] if n > 1 else 0
    elif kind == "zero":
        A[:] = 0
    elif kind == "nan":
        A[rng.integers(n), rng.integers(n)] = np.nan
    elif kind == "spd":
        A = A @ A.T
    elif kind == "graded":
        A *= 10.0 ** rng.uniform(-12, 12, (n, 1))
    A = A * 10.0**decades
    b = rng.standard_normal(n)
    answer = solve_linear(A, b, Approximate(0.01) if solver == "approximate" else solver)
    assert answer.message and answer.x.shape == b.shape
    if answer.success:
        assert np.isfinite(answer.x).all() and kind not in ("nan", "zero")
        assert backward_error(A, answer.x, b) <= 1.01e-12
    if kind in ("random", "graded", "spd") and solver in ("auto", "lu", "qr"):
        assert answer.success or np.linalg.cond(A / np.abs(A).max(1, keepdims=True)) > 1e10, answer.message


def noisy_system(condition: float, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A, b with noise, and the solution without: one that large singular vectors span."""
    rng = np.random.default_rng(7)
    A = with_condition(rng, 20, condition)
    exact = np.linalg.svd(A)[2][:6].T @ random_array(rng, 6)
    b = A @ exact
    noisy_b = b + sigma * np.abs(b).max() * rng.standard_normal(20)
    return A * (1 + sigma * rng.standard_normal(A.shape)), noisy_b, exact


def test_noise_is_not_refined_away() -> None:
    A, b, exact = noisy_system(1e2, 1e-4)
    estimate = solve_linear(A, b, noise=1e-4)
    error = np.abs(estimate.x - exact)
    assert estimate.status is LinearStatus.NOISE_LEVEL and estimate.success and estimate.solver == "tikhonov"
    assert estimate.refinements == 0 and estimate.backward_error > 1e-6 and estimate.noise == 1e-4
    assert estimate.x_error is not None and (error <= estimate.x_error).mean() >= 0.9
    assert error.max() < 0.05 * np.abs(exact).max()


def test_an_answer_that_the_noise_leaves_open_is_no_success() -> None:
    """Tikhonov's guess is a good one here, but the data do not say so: its bias may be as large as x."""
    A, b, exact = noisy_system(1e6, 1e-3)
    estimate, plain = solve_linear(A, b, noise=1e-3), solve_linear(A, b, "lu")
    assert np.abs(estimate.x - exact).max() < 0.1 * np.abs(plain.x - exact).max()
    assert not estimate.success and estimate.status is LinearStatus.NOT_CONVERGED
    assert "no digit of the answer certain" in estimate.message and "backward error" not in estimate.message
    assert estimate.x_error is not None and (np.abs(estimate.x - exact) <= estimate.x_error).mean() >= 0.9


@pytest.mark.parametrize("sigma", [1e-4, 1e-3, 1e-2])
def test_the_classical_band_holds_its_bias(sigma: float) -> None:
    """Diffusion (1 + x²/2) u'' + x u' = f on 48 points: smooth solutions lie in the smallest singular vectors."""
    n, rng = 48, np.random.default_rng(3)
    x, D = points(n, 2), differentiation(n)
    A = (1 + x**2 / 2)[:, None] * (D @ D) + x[:, None] * D
    A[[0, -1]] = np.eye(n)[[0, -1]]
    exact = np.sin(np.pi * np.outer(rng.uniform(0.5, 2.0, 20), x + 1))
    b = exact @ A.T
    noisy_A = A * (1 + sigma * rng.standard_normal((20, n, n)))
    noisy_b = b + sigma * np.abs(b).max(axis=1, keepdims=True) * rng.standard_normal(b.shape)
    answer = solve_linear(noisy_A, noisy_b, noise=sigma)
    assert answer.x_error is not None and (np.abs(answer.x - exact) <= answer.x_error).mean() >= 0.87
    assert answer.items is not None
    certain = answer.items.success
    assert (np.abs(answer.x - exact).max(axis=1) < np.abs(answer.x).max(axis=1))[certain].all()


class Infers:
    """A noise-aware solver that says σ is what its field holds."""

    name = "infers"
    traits = Traits(summary="LU that states a noise level", noise=True)

    def __init__(self, level: float | None) -> None:
        self.level = level

    def factor(self, A: Any, noise: Any = None) -> Any:
        assert noise == "estimate"
        return A.A

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        return LinearSolution(np.linalg.solve(state, b), noise=self.level)


def test_a_solver_may_infer_the_noise() -> None:
    rng = np.random.default_rng(8)
    A, b = with_condition(rng, 10, 10.0), random_array(rng, 10)
    answer = solve_linear(A, b, Infers(1e-5), noise="estimate")
    assert answer.success and answer.status is LinearStatus.NOISE_LEVEL and answer.noise == 1e-5
    batch = solve_linear(np.array([A, 2 * A]), np.array([b, b]), Infers(1e-5), noise="estimate")
    assert batch.success and list(batch.noise) == [1e-5, 1e-5]
    silent = solve_linear(A, b, Infers(None), noise="estimate")
    assert not silent.success and silent.solver == "infers" and not silent.fell_back
    assert "did not say which noise level" in silent.message


def test_an_answer_that_noise_does_not_explain_is_refused() -> None:
    class Wrong:
        name = "wrong"
        traits = Traits(summary="ignores the data", noise=True)

        def factor(self, A: Any, noise: float | None = None) -> Any:
            return None

        def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
            return LinearSolution(np.ones_like(b))

    rng = np.random.default_rng(8)
    A, b = with_condition(rng, 10, 10.0), random_array(rng, 10)
    answer = solve_linear(A, b, Wrong(), noise=1e-4, fallback=False)
    assert not answer.success and answer.status is LinearStatus.NOT_CONVERGED
    helped = solve_linear(A, b, Wrong(), noise=1e-4)
    assert helped.success and helped.solver == "wrong, then tikhonov" and helped.fell_back
    assert np.abs(helped.x - np.linalg.solve(A, b)).max() < 0.05
    assert helped.x_error is not None and (helped.x_error > 0).all()
    assert "times what the noise explains" in helped.cause


def test_noise_per_system_of_a_batch() -> None:
    rng = np.random.default_rng(9)
    A = np.array([with_condition(rng, 12, 100.0) for _ in range(4)])
    b = random_array(rng, 4, 12)
    A[2, 0, 0] = np.nan
    answer = solve_linear(A, b, noise=[1e-6, 1e-4, 1e-4, 1e-2])
    assert answer.items is not None and list(answer.items.success) == [True, True, False, True]
    assert answer.x_error is not None and answer.x_error.shape == b.shape
    widths = answer.x_error.mean(axis=1)
    assert widths[0] < widths[1] < widths[3] and np.isnan(widths[2])
    columns = solve_linear(A[0], b.T, noise=1e-5)
    assert columns.x_error is not None and columns.x_error.shape == (12, 4) and columns.success


def test_certified_factor_reports_who_and_how_long(system: Any) -> None:
    A, b = system
    fac = factor("auto", LinearSystem(A))
    answer = fac.solve(b)
    assert fac.solver.name == "lu" and "auto picked lu" in answer.message and 0 < answer.time < 5
    text = repr(answer)
    assert "backward_error" in text and len({line.index(":") for line in text.splitlines()[1:]}) == 1
