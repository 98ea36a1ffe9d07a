"""The linear transformer in the slot: its family without falling back, and no time lost on anything else."""

import warnings

import numpy as np
import pytest
from spectral_nn_algebraformer import LinearTransformer, spd
from spectral_nn_algebraformer.pretrained import shipped_weights
from spectral_nn_algebraformer.spd_solver import largest_size

from spectral_nn import solve_linear

pytestmark = pytest.mark.skipif(
    "linear-transformer" not in shipped_weights(), reason="the weights are not shipped yet"
)


def relative(x, truth):
    return np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)


@pytest.mark.parametrize("n", [4, 20, 60, 128])
def test_linear_transformer_solves_its_family_without_falling_back(n):
    A, b, x = spd.systems(5, "test", 0, 16, n, (2.0, 500.0))
    answer = solve_linear(A, b, solver="linear_transformer", rtol=1e-10)
    assert answer.success and answer.items.fell_back.mean() <= 0.1
    assert np.median(relative(answer.x, x)) < 1e-8


def test_linear_transformer_refuses_what_is_not_spd(rng):
    solver = LinearTransformer()
    with pytest.raises(ValueError, match="not symmetric"):
        solver.factor(rng.normal(size=(4, 4)) + 10 * np.eye(4))
    with pytest.raises(ValueError, match="positive"):
        solver.factor(-np.eye(4))
    with pytest.raises(ValueError, match="NaN"):
        solver.factor(np.full((4, 4), np.inf))


def test_linear_transformer_judges_every_system_by_itself(rng):
    A, b, x = spd.systems(5, "test", 0, 6, 8, (2.0, 10.0))
    A[1], A[2], A[3, 0, 0] = rng.normal(size=(8, 8)), 1e300 * A[2], np.inf
    b[2] *= 1e300
    solver = LinearTransformer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = solver.factor(A)
        raw = solver.solve(state, b)
    assert list(state.known) == [True, False, True, False, True, True]
    assert np.isnan(raw.x[[1, 3]]).all() and np.allclose(raw.x[[0, 2, 4, 5]], x[[0, 2, 4, 5]], atol=1e-3)
    assert "2 systems refused" in raw.message
    alone = solver.solve(solver.factor(A[4]), b[4]).x
    assert np.allclose(raw.x[4], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n", [24, 64])
def test_linear_transformer_does_not_grind_where_it_is_no_contraction(n, rng, monkeypatch):
    """Hopeless matrices cost a few passes, not hundreds, before another solver takes over."""
    passes = []
    whole = LinearTransformer._passes

    def counted(self, *arguments):
        out = whole(self, *arguments)
        passes.append(out[2])
        return out

    monkeypatch.setattr(LinearTransformer, "_passes", counted)
    G = rng.normal(size=(4, n, n))
    A, b = G @ np.swapaxes(G, 1, 2), rng.normal(size=(4, n))
    answer = solve_linear(A, b, solver="linear_transformer", rtol=1e-10)
    assert answer.success and answer.fell_back and sum(passes) <= 40
    assert largest_size("linear-transformer") <= 256
