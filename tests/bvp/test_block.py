"""Block elimination against the dense solve, for all shapes it meets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_nn import solve_linear
from spectral_nn.linear.block import LAPACK_FROM, AlmostBlockDiagonal, BlockLU


def random_matrix(E, inner, S, q, complex_=False, seed=0):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0.0)

    return AlmostBlockDiagonal(draw(q, S), draw(E, inner + S, inner + 2 * S), draw(S - q, S)), draw


@settings(max_examples=40, deadline=None)
@given(
    E=st.integers(1, 6),
    inner=st.integers(1, 9),
    S=st.integers(0, 4),
    q=st.integers(0, 4),
    complex_=st.booleans(),
    seed=st.integers(0, 99),
)
def test_solves_as_the_dense_solver_does(E, inner, S, q, complex_, seed):
    A, draw = random_matrix(E, inner, S, min(q, S), complex_, seed)
    b = draw(A.shape[0])
    solver = BlockLU()
    x = solver.solve(solver.factor(A), b).x
    dense = A.toarray()
    assert np.allclose(A @ x, dense @ x, atol=1e-10 * (1 + np.abs(x).max()))
    size = np.abs(dense).sum(axis=1).max() * np.abs(x).max() + np.abs(b).max()
    assert np.abs(dense @ x - b).max() < 1e-12 * size  # backward stable


def test_large_blocks_go_through_lapack_to_the_same_answer():
    A, draw = random_matrix(3, LAPACK_FROM, 5, 2)
    b = draw(A.shape[0], 3)
    solver = BlockLU()
    x = solver.solve(solver.factor(A), b).x
    assert np.abs(A @ x - b).max() < 1e-10 * np.abs(x).max() * LAPACK_FROM


def test_growing_and_decaying_modes_are_both_kept():
    """u'' = 1e4 u in first-order form by a crude one-step rule: the matrix of the recurrence alone would overflow."""
    E, h, rate = 400, 0.1, 100.0
    step = np.array([[np.cosh(rate * h), np.sinh(rate * h)], [np.sinh(rate * h), np.cosh(rate * h)]])
    blocks = np.zeros((E, 3, 5))
    blocks[:, 0, 2] = 1.0  # an inner unknown that is zero
    blocks[:, 1:, :2], blocks[:, 1:, 3:] = -step, np.eye(2)
    A = AlmostBlockDiagonal(np.array([[1.0, 0.0]]), blocks, np.array([[1.0, 0.0]]))
    b = np.zeros(A.shape[0])
    b[0] = 1.0
    answer = solve_linear(A, b, solver="block")
    z = np.append(answer.x[:-2].reshape(E, 3)[:, 0], answer.x[-2])
    assert answer.success
    assert np.allclose(z, np.exp(-rate * h * np.arange(E + 1)), atol=1e-12)


def test_singular_matrix_is_reported():
    A, _ = random_matrix(2, 3, 2, 1)
    A.blocks[1, :, :3] = 0.0
    answer = solve_linear(A, np.ones(A.shape[0]), solver="block", fallback=False)
    assert not answer.success and "singular" in answer.message


def test_another_matrix_is_refused():
    with pytest.raises(TypeError, match="AlmostBlockDiagonal"):
        BlockLU().factor(np.eye(3))
