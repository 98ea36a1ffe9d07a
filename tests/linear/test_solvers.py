"""Every built-in solver against NumPy's, on every kind of system that it takes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from spectral_nn import solve_linear
from spectral_nn.linear import Banded, LinearStatus, factor
from spectral_nn.linear.direct import BATCH_KERNEL_MAX_SIZE, LU
from tests.linear.systems import (
    backward_error,
    chebyshev_second_derivative,
    random_array,
    with_condition,
)

GENERAL = ["auto", "lu", "qr", "banded", "gmres", "fgmres"]
DTYPES = ["float64", "complex128"]


def spd(rng: np.random.Generator, n: int, dtype: str) -> np.ndarray:
    A = random_array(rng, n, n, dtype=dtype)
    return A @ A.conj().T + n * np.eye(n)


@pytest.mark.parametrize("b_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", GENERAL)
def test_dense(solver: str, dtype: str, b_dtype: str) -> None:
    rng = np.random.default_rng(1)
    A = random_array(rng, 30, 30, dtype=dtype)
    for shape in ((30,), (30, 4)):
        b = random_array(rng, *shape, dtype=b_dtype)
        answer = solve_linear(A, b, solver)
        assert answer.success and not answer.fell_back, answer.message
        assert answer.x.shape == b.shape and answer.x.dtype == np.result_type(A, b)
        np.testing.assert_allclose(answer.x, np.linalg.solve(A, b), rtol=1e-9, atol=1e-10)
        assert np.all(answer.backward_error <= 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["cholesky", "cg", "auto"])
def test_positive_definite(solver: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    A = spd(rng, 25, dtype)
    b = random_array(rng, 25, 3, dtype=dtype)
    answer = solve_linear(A, b, solver)
    assert answer.success and not answer.fell_back, answer.message
    np.testing.assert_allclose(answer.x, np.linalg.solve(A, b), rtol=1e-9)
    if solver == "auto":
        assert answer.solver == "cholesky"


@pytest.mark.parametrize("lower", [True, False])
def test_triangular(lower: bool) -> None:
    rng = np.random.default_rng(3)
    A = random_array(rng, 20, 20) + 8 * np.eye(20)
    A = np.tril(A) if lower else np.triu(A)
    b = random_array(rng, 20)
    answer = solve_linear(A, b)
    assert answer.solver == "triangular" and answer.success
    np.testing.assert_allclose(answer.x, np.linalg.solve(A, b), rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 17, 64, BATCH_KERNEL_MAX_SIZE + 5])
def test_batched_lu_equals_one_by_one(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    A, b = random_array(rng, 9, n, n, dtype=dtype), random_array(rng, 9, n, dtype=dtype)
    before = A.copy()
    answer = solve_linear(A, b, "lu")
    assert answer.success and answer.items is not None and answer.items.success.all()
    assert answer.backward_error.shape == (9,)
    for k in range(9):
        assert backward_error(A[k], answer.x[k], b[k]) < 1e-13
    assert np.array_equal(A, before)


@pytest.mark.parametrize("solver", ["qr", "gmres", "fgmres", "cholesky", "cg"])
def test_solvers_that_take_no_batch_are_looped_over(solver: str) -> None:
    rng = np.random.default_rng(4)
    A = np.array([spd(rng, 12, "float64") for _ in range(5)])
    b = random_array(rng, 5, 12)
    answer = solve_linear(A, b, solver)
    assert answer.success and not answer.fell_back
    np.testing.assert_allclose(answer.x, np.linalg.solve(A, b[..., None])[..., 0], rtol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["auto", "lu", "banded", "gmres", "fgmres", "qr"])
def test_sparse(solver: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    A = sp.random_array((80, 80), density=0.05, rng=rng, format="csr", dtype=np.float64)
    A = (A + 3 * sp.eye_array(80)).astype(dtype) * (1 if dtype == "float64" else 1 + 0.5j)
    b = random_array(rng, 80, 2, dtype=dtype)
    answer = solve_linear(A, b, solver)
    assert answer.success and not answer.fell_back, answer.message
    np.testing.assert_allclose(A @ answer.x, b, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("l,u", [(0, 0), (1, 1), (3, 1), (0, 4)])
def test_banded(l: int, u: int, dtype: str) -> None:
    rng = np.random.default_rng(6)
    dense = np.triu(np.tril(random_array(rng, 40, 40, dtype=dtype), u), -l) + 4 * np.eye(40)
    A = Banded.from_matrix(dense)
    assert (A.lower, A.upper) == (l, u)
    np.testing.assert_array_equal(A.toarray(), dense)
    X = random_array(rng, 40, 3)
    np.testing.assert_allclose(A @ X, dense @ X, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(A.row_sums(), np.abs(dense).sum(1), rtol=1e-14)
    for solver in ("auto", "lu", "banded", "qr", "gmres"):
        answer = solve_linear(A, X[:, 0], solver)
        assert answer.success and not answer.fell_back
        np.testing.assert_allclose(dense @ answer.x, X[:, 0], atol=1e-10)


def test_banded_scales_to_a_million() -> None:
    n = 10**6
    A = Banded(np.array([np.ones(n), np.full(n, -2.0), np.ones(n)]), 1, 1)
    exact = np.sin(np.linspace(0, 40, n))
    answer = solve_linear(A, A @ exact)
    assert answer.success and answer.backward_error < 1e-14


def test_operator_by_products_alone() -> None:
    rng = np.random.default_rng(7)
    A = with_condition(rng, 60, 50.0)
    b = random_array(rng, 60)
    answer = solve_linear(aslinearoperator(A), b)
    assert answer.solver == "gmres" and answer.success
    np.testing.assert_allclose(answer.x, np.linalg.solve(A, b), rtol=1e-8)


@pytest.mark.parametrize("solver", ["lu", "qr", "banded"])
@pytest.mark.parametrize("n", [64, 256])
def test_small_boundary_rows_beside_large_ones(solver: str, n: int) -> None:
    """The row-by-row error is met, though the rows range over nine decades."""
    A = chebyshev_second_derivative(n)
    b = np.ones(n)
    b[0], b[-1] = 1e-3, -2e-3
    answer = solve_linear(A, b, solver)
    assert answer.success, answer.message
    rows = np.abs(A).sum(1) * np.abs(answer.x).max() + np.abs(b)
    assert (np.abs(b - A @ answer.x) / rows).max() < 1e-12
    assert abs(answer.x[0] - 1e-3) < 1e-12
    x = np.cos(np.pi * np.arange(n) / (n - 1))
    np.testing.assert_allclose(answer.x, (x**2 - 1) / 2 - 5e-4 + 1.5e-3 * x, atol=1e-9)


def test_qr_gives_the_minimum_norm_solution_of_a_singular_system() -> None:
    rng = np.random.default_rng(8)
    A = random_array(rng, 15, 12) @ random_array(rng, 12, 15)
    A /= np.abs(A).max(axis=1, keepdims=True)
    b = A @ random_array(rng, 15)
    answer = solve_linear(A, b, "qr")
    assert answer.success and "rank 12 of 15" in answer.message
    np.testing.assert_allclose(answer.x, np.linalg.pinv(A, rcond=1e-12) @ b, rtol=1e-7, atol=1e-9)


def test_factor_once_solve_often() -> None:
    rng = np.random.default_rng(9)
    A = random_array(rng, 20, 20)
    fac = factor("lu", A)
    for _ in range(3):
        b = random_array(rng, 20)
        np.testing.assert_allclose(fac.solve(b).x, np.linalg.solve(A, b), rtol=1e-9)
    assert fac.solve(random_array(rng, 20), rtol=1e-10).success


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 25), st.integers(0, 10**6), st.integers(-40, 40), st.sampled_from(["lu", "qr", "auto"]))
def test_scaling_the_matrix_scales_the_answer(n: int, seed: int, decades: int, solver: str) -> None:
    rng = np.random.default_rng(seed)
    A, b = with_condition(rng, n, 1e3), random_array(rng, n)
    scale = 2.0 ** (3 * decades)
    plain, scaled = solve_linear(A, b, solver), solve_linear(scale * A, b, solver)
    assert plain.success and scaled.success
    np.testing.assert_array_equal(scaled.x * scale, plain.x)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.integers(0, 10**6))
def test_lu_does_not_depend_on_row_scaling(n: int, seed: int) -> None:
    """The reason for factoring the transpose: powers of two on the rows change no bit of x."""
    rng = np.random.default_rng(seed)
    A, b = random_array(rng, n, n), random_array(rng, n)
    rows = 2.0 ** rng.integers(-60, 60, n)
    solver = LU()
    x = solver.solve(solver.factor(A), b).x
    scaled = solver.solve(solver.factor(rows[:, None] * A), rows * b)
    assert scaled.status is LinearStatus.UNCERTIFIED
    np.testing.assert_array_equal(scaled.x, x)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 15), st.integers(0, 10**6))
def test_permuting_unknowns_permutes_the_answer(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, b, p = with_condition(rng, n, 100.0), random_array(rng, n), rng.permutation(n)
    np.testing.assert_allclose(solve_linear(A[:, p], b).x, solve_linear(A, b).x[p], rtol=1e-9, atol=1e-11)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_solves_batches_too() -> None:
    """GNU OpenMP ends a forked child that enters a parallel region; the child must stay serial."""
    code = (
        "import multiprocessing as mp, numpy as np\n"
        "from spectral_nn import solve_linear\n"
        "A, b = np.random.default_rng(0).standard_normal((200, 20, 20)), np.ones((200, 20))\n"
        "def work(queue): queue.put(solve_linear(A, b).x)\n"
        "context = mp.get_context('fork')\n"
        "x, queue = solve_linear(A, b).x, context.Queue()\n"
        "child = context.Process(target=work, args=(queue,)); child.start()\n"
        "assert np.array_equal(queue.get(timeout=60), x); child.join(); assert child.exitcode == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
