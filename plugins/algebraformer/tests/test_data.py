"""Data as a pure function of (recipe, split, index); systems that are what they say."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spectral_nn_algebraformer import data, denoise, spd

from spectral_nn.bvp.collocation import grid
from spectral_nn.chebyshev import matrices


def test_streams_of_splits_seeds_and_indices_are_disjoint():
    keys = [
        tuple(data.stream_key(seed, split, index))
        for seed, split, index in itertools.product(range(5), data.SPLITS, range(50))
    ]
    assert len(set(keys)) == len(keys)
    firsts = [data.draw(s, p, 0, 40).uniforms for s, p in itertools.product((1, 2), data.SPLITS)]
    values = np.concatenate(firsts).ravel()
    assert len(np.unique(values)) == values.size


def test_noise_and_spd_streams_do_not_repeat_the_data_stream():
    A, b = data.systems("diffusion", 16, data.draw(1, "train", 0, 1))
    noisy, _ = denoise.add_noise(A, b[:, :, 0], np.array([1e-2]), 1, "train", 0)
    inner = A[0, 1:-1]
    xi = ((noisy[0, 1:-1] - inner) / np.where(inner == 0, np.inf, inner) / 1e-2).ravel()
    drawn = data.draw(1, "train", 0, 1)
    assert not np.isclose(xi[:, None], drawn.normals.ravel()[None, :20], atol=1e-9).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 6))
def test_a_batch_does_not_depend_on_how_the_stream_is_cut(start, first, second):
    whole = data.draw(3, "train", start, first + second, 2)
    parts = [data.draw(3, "train", start, first, 2), data.draw(3, "train", start + first, second, 2)]
    for name in ("uniforms", "normals", "data"):
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(p, name) for p in parts]))


@pytest.mark.parametrize("family", sorted(data.FAMILIES))
def test_the_same_sample_is_the_same_problem_at_every_n(family):
    solutions = []
    for n in (96, 128):
        A, b = data.systems(family, n, data.draw(1, "test", 0, 6))
        u = np.linalg.solve(A, b)[:, :, 0]
        t = np.linspace(-1, 1, 41)
        solutions.append(u @ matrices.interpolation(t, n, kind=2).T)
    size = np.abs(solutions[0]).max(axis=1)
    # layers of width K/v ~ 1/100 leave 1e-5 at 96 points
    assert (np.abs(solutions[0] - solutions[1]).max(axis=1) < 1e-4 * size).all()


def test_diffusion_systems_solve_the_equation_by_quadrature():
    """Against u = ∫(C - F)/K, which knows nothing of collocation."""
    n = 320  # 1/K is the hard part: its poles may lie 0.05 from the interval
    draw = data.draw(2, "test", 0, 5)
    A, b = data.systems("diffusion", n, draw)
    u = np.linalg.solve(A, b)[:, :, 0]
    x = grid(n)
    Q = np.asarray(matrices.integration(n, kind=2))
    f = draw.data[:, 0, : data.KL_MODES] @ data.kl_basis(x).T
    K = -data.diffusion(draw, x).a2
    F = f @ Q.T
    C = (F / K) @ Q[-1] / ((1 / K) @ Q[-1])
    assert np.allclose(u, ((C[:, None] - F) / K) @ Q.T, atol=1e-7)


def test_elliptic_systems_are_well_posed():
    ops = data.elliptic(data.draw(1, "train", 0, 500), np.linspace(-1, 1, 30))
    assert (ops.a2 < 0).all()
    assert {tuple(np.sign(row)) for row in ops.left} >= {(1.0, 0.0), (0.0, -1.0), (1.0, -1.0)}
    A, _ = data.systems("elliptic", 64, data.draw(1, "train", 0, 500))
    assert np.linalg.cond(A).max() < 1e12


def test_a_family_of_ones_own():
    def helmholtz(draw, x):
        ones = np.ones((len(draw.uniforms), len(x)))
        ends = np.tile([1.0, 0.0], (len(ones), 1))
        return data.Operators(ones, 0 * ones, draw.uniforms[:, :1] * ones, ends, ends)

    A, b = data.systems(helmholtz, 24, data.draw(1, "train", 0, 3, 2))
    assert A.shape == (3, 24, 24) and b.shape == (3, 24, 2)


def test_noise_has_the_stated_size():
    A, b = data.systems("diffusion", 64, data.draw(1, "test", 0, 8))
    b = b[:, :, 0]
    sigma = np.full(8, 1e-3)
    noisy_A, noisy_b = denoise.add_noise(A, b, sigma, 5, "test", 0)
    assert np.array_equal(noisy_A[:, [0, -1]], A[:, [0, -1]])
    assert np.array_equal(noisy_b[:, [0, -1]], b[:, [0, -1]])
    inner = A[:, 1:-1]
    relative = ((noisy_A[:, 1:-1] - inner) / inner)[inner != 0]
    assert abs(relative.std() / 1e-3 - 1) < 0.02
    scaled = (noisy_b - b)[:, 1:-1] / np.abs(b).max(axis=1, keepdims=True)
    assert abs(scaled.std() / 1e-3 - 1) < 0.15


def test_noise_level_is_inferred_from_the_matrix():
    A, b = data.systems("diffusion", 64, data.draw(1, "test", 0, 4))
    for sigma in (1e-4, 1e-2):
        noisy = denoise.add_noise(A, b[:, :, 0], np.full(4, sigma), 5, "test", 0)
        assert np.allclose(denoise.read(*noisy).misfit, sigma, rtol=0.1)


@pytest.mark.parametrize("kappa", [3.0, 1e3])
def test_spd_systems_have_the_prescribed_condition(kappa):
    A, b, x = spd.systems(1, "test", 0, 5, 12, (kappa, kappa))
    assert np.allclose(np.linalg.cond(A), kappa, rtol=1e-6)
    assert np.allclose(A @ x[..., None], b[..., None])
    assert (np.linalg.eigvalsh(A)[:, -1] <= 1.0).all()


@pytest.mark.parametrize("n", [2, 9, 60])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_largest_eigenvalue_is_bounded_from_above_and_tightly_at_every_size(n, scale):
    A, _, _ = spd.systems(1, "test", 0, 20, n, (10.0, 10.0))
    top = np.linalg.eigvalsh(A)[:, -1]
    scaled, bound = spd.normalize(scale * A)
    tight = scaled * bound[:, None, None] / scale
    assert np.allclose(tight, A, rtol=1e-9)
    assert (np.linalg.eigvalsh(scaled)[:, -1] <= 1.0).all() and (top <= 1.0).all() and (top > 0.97).all()
    identity, _ = spd.normalize(np.eye(n)[None])  # as loose as it gets
    assert n ** (-1 / 64) * (1 - 1e-9) <= identity[0, 0, 0] <= 1.0


def test_newton_hessians_are_spd():
    A, _, _ = spd.systems(1, "test", 0, 4, 16, p=(3.0, 8.0))
    assert np.allclose(A, np.swapaxes(A, 1, 2)) and (np.linalg.eigvalsh(A)[:, 0] > 0).all()


@pytest.mark.parametrize("p", [1.5, 3.0, 8.0])
def test_newton_gradients_are_gradients_and_solutions_newton_steps(p):
    """b against central differences of ‖r‖_p^p at the same point, which know nothing of the formula."""
    A, b, x = spd.systems(2, "train", 5, 3, 10, p=(p,), gradients=1.0)
    random_A, _, random_x = spd.systems(2, "train", 5, 3, 10, p=(p,))
    assert np.array_equal(A, random_A) and not np.isclose(x, random_x).any(axis=1).all()
    assert np.allclose(np.linalg.norm(x, axis=1), 1) and np.allclose(A @ x[..., None], b[..., None])
    for i in range(3):
        key = data.stream_key(2, "train", 5 + i)
        key[0] |= np.uint64(spd._SPD_BIT)
        G, r, exponent = spd.trajectory_point(np.random.Generator(np.random.Philox(key=key)), 10, (p,))
        r = r / np.abs(r).max()
        h = 1e-6

        def power(step, G=G, r=r, exponent=exponent):
            return (np.abs(r - G @ step) ** exponent).sum()

        slope = np.array([(power(-h * e) - power(h * e)) / (2 * h) for e in np.eye(10)])
        scale = 1 / np.sqrt(np.diagonal(G.T @ (spd._weights(r, exponent)[:, None] * G)))
        found, expected = b[i] / np.linalg.norm(b[i]), scale * slope / np.linalg.norm(scale * slope)
        assert np.allclose(found, expected, atol=1e-6)


def test_a_share_of_the_newton_systems_has_the_gradient():
    x = [spd.systems(3, "train", 0, 60, 6, p=(3.0,), gradients=share)[2] for share in (0.0, 0.5, 1.0)]
    gradient = (x[1] == x[2]).all(axis=1)
    assert ((x[1] == x[0]).all(axis=1) ^ gradient).all() and 15 < gradient.sum() < 45


def test_unknown_split_is_named():
    with pytest.raises(ValueError, match="split"):
        data.draw(1, "tests", 0, 1)
