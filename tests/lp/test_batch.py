"""The batch against the loop."""

import lp_data as data
import numpy as np
import pytest

from spectral_nn import minimize_lp, minimize_lp_batch


@pytest.mark.parametrize("p", [1.1, 1.5, 2, 3, 8, 32])
def test_agrees_with_the_loop(p):
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((20, 30, 5)), rng.standard_normal((20, 30))
    batch = minimize_lp_batch(A, b, p)
    assert batch.success.all() and (batch.gap <= 1e-9).all()
    for k in range(20):
        single = minimize_lp(A[k], b[k], p)
        assert batch.fun[k] == pytest.approx(single.fun, rel=1e-9)
        q = p / (p - 1)
        lower = -(b[k] @ batch.dual[k]) / np.sum(np.abs(batch.dual[k]) ** q) ** (1 / q)
        assert batch.fun[k] - lower <= 1.1e-9 * batch.fun[k]
        assert np.abs(A[k].T @ batch.dual[k]).max() <= 1e-8 * np.abs(A[k]).sum(axis=0).max()


def test_one_matrix_for_all_and_warm_start():
    A, _ = data.gaussian(40, 6)
    b = np.random.default_rng(1).standard_normal((10, 40))
    cold = minimize_lp_batch(A, b, 16)
    warm = minimize_lp_batch(A, b + 1e-4, 16, x0=cold.x)
    assert cold.success.all() and warm.success.all()
    assert warm.nit.sum() < cold.nit.sum()


def test_deficient_and_exactly_solvable_problems_in_the_same_batch():
    A, b = data.gaussian(20, 4)
    deficient = A.copy()
    deficient[:, 3] = deficient[:, 2]
    batch = minimize_lp_batch(np.stack([A, deficient, A]), np.stack([b, b, A @ np.ones(4)]), 3)
    assert batch.success.all()
    assert batch.fun[1] == pytest.approx(minimize_lp(A[:, :3], b, 3).fun, rel=1e-9)
    assert batch.fun[2] <= 1e-12 and np.allclose(batch.x[2], 1.0)
    assert "converged: 3" in repr(batch)


def test_a_limit_of_iterations_is_reported_per_problem():
    A, b = data.gaussian(30, 3)
    batch = minimize_lp_batch(A, np.stack([b, A @ np.ones(3)]), 16, max_iter=1)
    assert batch.success.tolist() == [False, True]
    assert batch.status[0] == 1 and batch.gap[0] > 1e-9
