"""Noisy systems through the door: calibrated error bars in the family and outside, every system judged by itself."""

import json
import shutil
import warnings

import numpy as np
import pytest
from spectral_nn_algebraformer import Algebraformer, data, denoise, noisy
from spectral_nn_algebraformer.evaluate import coverage, evaluate
from spectral_nn_algebraformer.operator_fit import fit_operator
from spectral_nn_algebraformer.pretrained import SHIPPED, WeightsError, shipped_weights

from spectral_nn import solve_linear
from spectral_nn.bvp.collocation import row_nodes, second_order_batch
from spectral_nn.linear import LinearStatus

WEIGHTS = "noise-diffusion-64"
pytestmark = pytest.mark.skipif(WEIGHTS not in shipped_weights(), reason="the denoiser is not shipped yet")


def noisy_systems(sigma, count=16, family="diffusion", rows="rectangular", seed=99):
    """Noisy A and b, and the noise-free solutions."""
    A, b = data.systems(family, 64, data.draw(seed, "test", 0, count), rows)
    return *denoise.add_noise(A, b[:, :, 0], np.full(count, sigma), seed, "test", 0), np.linalg.solve(A, b)[
        :, :, 0
    ]


def unresolved(sigma, count=32, reaction=0.0):
    """K = 1 + 0.9 cos(6πx), f = sign(x): far outside the family, and 1 / K is not resolved by 64 points."""
    x = row_nodes(64, 2)
    K, slope = 1 + 0.9 * np.cos(6 * np.pi * x), -0.9 * 6 * np.pi * np.sin(6 * np.pi * x)
    ends = {"left_bc": (1.0, 0.0), "right_bc": (1.0, 0.0)}
    A = second_order_batch(-K[None], -slope[None], 0 * K[None] + reaction, 64, **ends).repeat(count, axis=0)
    b = np.zeros((count, 64))
    b[:, 1:-1] = np.sign(x)
    u = np.linalg.solve(A, b[..., None])[..., 0]
    return *denoise.add_noise(A, b, np.full(count, sigma), 7, "test", 0), u


def relative(x, truth):
    return np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)


@pytest.mark.parametrize("sigma", [1e-5, 3e-5, 1e-4, 1e-3, 1e-2, 3e-2])
def test_the_band_covers_ninety_per_cent_through_the_door(sigma):
    A, b, x = noisy_systems(sigma, 192)
    answer = solve_linear(A, b, solver="algebraformer", noise=sigma)
    assert not answer.items.fell_back.any()
    assert answer.items.success.mean() > 0.95
    assert 0.87 <= coverage(answer.x, answer.x_error, x) <= 0.93
    assert np.median(relative(answer.x, x)) < 0.6 * sigma


@pytest.mark.parametrize("sigma", [1e-5, 1e-3, 1e-2])
def test_outside_the_family_the_band_covers_too(sigma):
    A, b, x = unresolved(sigma)
    answer = solve_linear(A, b, solver="algebraformer", noise=sigma)
    assert answer.success and "least-squares fit" in answer.message
    assert 0.85 <= coverage(answer.x, answer.x_error, x) <= 0.95
    raw, _ = denoise.answer(WEIGHTS, A, b, np.full(len(A), sigma))
    assert np.median(relative(answer.x, x)) < np.median(relative(raw, x)) / 5


def test_strangers_are_refused_alone(rng):
    A, b, x = noisy_systems(1e-2, 12)
    alone = [solve_linear(A[i], b[i], solver="algebraformer", noise=1e-2) for i in (0, 11)]
    sigma = np.full(12, 1e-2)
    A[1], sigma[2], A[3, 9, 9] = rng.normal(size=(64, 64)), 0.1, np.nan
    A[4, 0], A[5, :, 1:] = rng.normal(size=64), A[5, :, :-1].copy()
    A[6] = noisy_systems(1e-2, 1, "reaction_diffusion")[0][0]
    strange = np.isin(np.arange(12), range(1, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = Algebraformer().factor(np.where(np.isnan(A), 0.0, A), noise=sigma)
        answer = solve_linear(A, b, solver="algebraformer", noise=sigma)
    assert list(raw.known) == list(~strange) and "6 systems refused" in raw.note
    assert list(answer.items.success[~strange]) == [True] * 6 and not answer.items.fell_back[~strange].any()
    assert answer.items.status[3] == LinearStatus.NONFINITE_INPUT
    assert answer.items.fell_back[[1, 2, 4, 5, 6]].all()
    assert relative(answer.x[~strange], x[~strange]).max() < 0.05
    for i, one in zip((0, 11), alone, strict=True):
        assert np.allclose(one.x, answer.x[i], rtol=1e-5, atol=1e-7)
        assert np.allclose(one.x_error, answer.x_error[i], rtol=1e-4)


def test_decisions_in_a_batch_are_those_of_single_calls():
    A, b, _ = noisy_systems(1e-2, 24)
    for stated in (5e-3, 2e-2, "estimate"):
        answer = solve_linear(A, b, solver="algebraformer", noise=stated)
        for i in range(0, 24, 5):
            one = solve_linear(A[i], b[i], solver="algebraformer", noise=stated)
            assert one.success == answer.items.success[i]
            assert np.allclose(one.x_error, answer.x_error[i], rtol=1e-4)


def test_understated_noise_is_noticed_and_reckoned_with():
    A, b, x = noisy_systems(1e-2, 96)
    answer = solve_linear(A, b, solver="algebraformer", noise=4e-3)
    assert answer.success and "more noise than stated" in answer.message
    assert 0.87 <= coverage(answer.x, answer.x_error, x) <= 0.93
    with pytest.raises(ValueError, match="explains"):
        Algebraformer().factor(A, noise=1e-3)


@pytest.mark.parametrize("sigma", [1e-4, 1e-2])
def test_noise_is_inferred_from_the_matrix(sigma):
    A, b, x = noisy_systems(sigma, 96)
    solver = Algebraformer()
    answer = solver.solve(solver.factor(A, noise="estimate"), b)
    assert np.allclose(answer.noise, sigma, rtol=0.06) and "inferred" in answer.message
    assert 0.87 <= coverage(answer.x, answer.x_error, x) <= 0.93


def test_a_stranger_among_systems_of_unknown_noise_is_not_called_right(rng):
    A, b, _ = noisy_systems(1e-2, 4)
    A[1] = rng.normal(size=(64, 64))
    answer = solve_linear(A, b, solver="algebraformer", noise="estimate")
    assert list(answer.items.success) == [True, False, True, True]
    assert np.isnan(answer.noise[1]) and "refused" in answer.message


def test_what_is_no_noise_is_not_inferred(rng):
    solver = Algebraformer()
    wrong = noisy_systems(1e-3, 1, "reaction_diffusion")[0]
    for A, word in ((wrong, "reaction"), (np.tile(rng.normal(size=(64, 64)), (2, 1, 1)), "u given")):
        with pytest.raises(ValueError, match=word):
            solver.factor(A, noise="estimate")
    with pytest.raises(ValueError, match="'estimate'"):
        solver.factor(wrong, noise="guess")
    clean = noisy_systems(0.0, 1)[0]
    assert solver.factor(clean, noise="estimate").sigma[0] == denoise.SIGMAS[0]


def test_a_reaction_that_the_noise_does_not_hide_is_refused():
    """r = 10 is seen at σ = 1e-3 and 1e-2; r = 0.01 is not, and then the band is that of the stated form."""
    solver = Algebraformer()
    for sigma in (1e-3, 1e-2):
        A, _, _ = unresolved(sigma, 4, reaction=10.0)
        with pytest.raises(ValueError, match="reaction"):
            solver.factor(A, noise=sigma)
    A, _, _ = unresolved(1e-2, 4, reaction=0.01)
    assert solver.factor(A, noise=1e-2).known.all()


@pytest.mark.parametrize("exponents", [(900, 0), (-900, 0), (600, 600), (-500, 400)])
def test_units_do_not_matter(exponents):
    of_A, of_b = exponents
    A, b, _ = noisy_systems(1e-2, 3)
    solver = Algebraformer()
    plain = solver.solve(solver.factor(A, noise=1e-2), b)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = solver.solve(solver.factor(np.ldexp(A, of_A), noise=1e-2), np.ldexp(b, of_b))
        judged = solve_linear(np.ldexp(A, of_A), np.ldexp(b, of_b), solver="algebraformer", noise=1e-2)
    assert np.array_equal(scaled.x, np.ldexp(plain.x, of_b - of_A))
    assert np.array_equal(scaled.x_error, np.ldexp(plain.x_error, of_b - of_A))
    assert judged.success and not judged.items.fell_back.any()


def test_both_kinds_of_rows_in_one_batch():
    A, b, x = (
        np.concatenate(p)
        for p in zip(noisy_systems(1e-2, 24), noisy_systems(1e-2, 24, rows="interior"), strict=True)
    )
    answer = solve_linear(A, b, solver="algebraformer", noise=1e-2)
    assert answer.success and not answer.items.fell_back.any()
    for part in (slice(24), slice(24, 48)):
        assert np.median(relative(answer.x[part], x[part])) < 0.01
        assert 0.8 <= coverage(answer.x[part], answer.x_error[part], x[part]) <= 0.97


def test_many_right_hand_sides_of_one_matrix():
    A, b, _ = noisy_systems(1e-3, 2)
    many = solve_linear(A[0], np.stack([b[0], b[1], -b[0]], axis=1), solver="algebraformer", noise=1e-3)
    one = solve_linear(A[0], b[0], solver="algebraformer", noise=1e-3)
    assert many.x_error.shape == (64, 3)
    assert np.allclose(many.x[:, 0], one.x, rtol=1e-5) and np.allclose(
        many.x_error[:, 0], one.x_error, rtol=1e-4
    )
    assert relative(many.x.T[[2]], -many.x.T[[0]]).max() < 1e-2


@pytest.mark.parametrize("rows", ["rectangular", "interior"])
def test_the_fit_knows_its_own_error(rows):
    """Normal errors of the stated deviation, by 200 draws of the noise on one system."""
    A, b = data.systems("diffusion", 64, data.draw(5, "test", 0, 1), rows)
    x = np.linalg.solve(A, b)[0, :, 0]
    many = A.repeat(200, axis=0), b[:, :, 0].repeat(200, axis=0)
    sigma = 1e-3
    noisy_A, noisy_b = denoise.add_noise(*many, np.full(200, sigma), 3, "test", 0)
    fit = fit_operator(noisy_A, rows)
    u, spread = fit.solve(noisy_b)
    z = (u - x)[:, 8:-8:8] / (sigma * spread[:, 8:-8:8])
    assert np.allclose(z.std(axis=0), 1.0, atol=0.2) and np.abs(z.mean(axis=0)).max() < 0.3
    assert np.allclose(fit.sigma, sigma, rtol=0.06)
    assert fit.strange.max() < noisy.STRANGEST * sigma**2 and 4 < fit.strange.mean() / sigma**2 < 8  # χ², 6


def test_evaluation_measures_the_band_that_is_shipped(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(SHIPPED / WEIGHTS, folder)
    settings = json.loads((folder / "config.json").read_text())
    plain = evaluate(folder, count=48)["n=64 sigma=0.001"]["answers"]["coverage_of_90"]
    settings["band"]["log_factor"] = [f - 1.0 for f in settings["band"]["log_factor"]]
    (folder / "config.json").write_text(json.dumps(settings))
    narrow = evaluate(folder, count=48)["n=64 sigma=0.001"]["answers"]["coverage_of_90"]
    assert 0.85 < plain < 0.95 and narrow < 0.65
    del settings["band"]
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(WeightsError, match="no calibrated error band"):
        evaluate(folder, count=8)


def test_export_calibrates_the_band_of_a_denoiser(tmp_path, monkeypatch):
    from spectral_nn_algebraformer import evaluate as measures
    from spectral_nn_algebraformer.pretrained import export
    from spectral_nn_algebraformer.recipe import load_recipe
    from spectral_nn_algebraformer.train import train

    recipe = {
        "name": "tiny",
        "data": {"objective": "noise", "n": [64], "rhs": 1, "noise": [1e-5, 3e-2]},
        "model": {"kind": "denoiser", "width": 16, "depth": 1, "heads": 2},
        "train": {"steps": 2, "batch": 4, "validation": 2},
    }
    train(load_recipe(recipe), tmp_path / "run")
    calls = []
    whole = measures.calibrate_band
    monkeypatch.setattr(measures, "calibrate_band", lambda w: calls.append(w) or whole(w, count=32))
    for metrics in ({}, {"note": 1.0}):
        folder = export(tmp_path / "run", tmp_path / "weights", metrics)
    settings = json.loads((folder / "config.json").read_text())
    assert len(calls) == 1, "the second export keeps the band of the same tensors"
    assert len(settings["band"]["log_factor"]) == measures.BAND_LEVELS
    assert "Error band" in (folder / "README.md").read_text()
