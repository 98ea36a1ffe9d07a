"""Recipes that cannot be meant, families that cannot be learned, devices that are not there: one sentence each."""

import json

import numpy as np
import pytest
import torch
from spectral_nn_algebraformer import LearnedStart
from spectral_nn_algebraformer.checkpoint import CheckpointError, read, write
from spectral_nn_algebraformer.data import Operators, check_family, draw, resolve_family, systems
from spectral_nn_algebraformer.evaluate import recipe_of
from spectral_nn_algebraformer.models import build
from spectral_nn_algebraformer.pretrained import export, shipped_weights
from spectral_nn_algebraformer.recipe import load_recipe, shipped_recipes
from spectral_nn_algebraformer.train import train

from spectral_nn import minimize_lp

TINY = {
    "name": "tiny",
    "data": {"family": "diffusion", "n": [16], "rhs": 1},
    "model": {"kind": "green", "width": 16, "depth": 1, "heads": 2, "green_heads": 2, "rank": 2},
    "train": {"steps": 2, "batch": 4, "warmup": 1, "validation": 4, "precision": "float32"},
}


def helmholtz(random, x):
    return Operators(-1.0, 0.0, -((1.4 * random.uniforms[:, :1]) ** 2))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("train.steps", "abc", "train.steps: expected a whole number, got 'abc'"),
        ("train.batch", 2.5, "train.batch: expected a whole number, got 2.5"),
        ("train.batch", True, "train.batch: expected a whole number, got True"),
        ("train.learning_rate", "fast", "train.learning_rate: expected a number"),
        ("train.learning_rate", 0, "train.learning_rate: expected a positive number"),
        ("train.clip", float("nan"), "train.clip: expected a number, got nan"),
        ("train.checkpoint_every", 0, "train.checkpoint_every: expected at least 1, got 0"),
        ("train.log_every", 0, "train.log_every: expected at least 1"),
        ("train.validate_every", -1, "train.validate_every: expected at least 1"),
        ("train.validation", 0, "train.validation: expected at least 1"),
        ("train", 5, "train: expected a table"),
        ("train.steps.more", 5, "train.steps: expected a table"),
        ("data", "diffusion", "data: expected a table"),
        ("data.n", [16, "x"], "data.n: expected a list of whole numbers"),
        ("data.n", [], "data.n: expected sizes of at least 2"),
        ("data.noise", 3, "data.noise: expected a list of numbers, got 3"),
        ("data.noise", [1e-2, 1e-4], "data.noise: expected a range"),
        ("data.kappa", [0.5, 2], "data.kappa: expected a range"),
        ("data.p", [1.0], "data.p: expected exponents above 1"),
        ("data.units", [1.0], "data.units: expected the deviations"),
        ("data.family", 3, "data.family: expected text or a function, got 3"),
        ("data.objective", "spd", "'green' is trained by 'operator', got 'spd'"),
        ("model", "green", "model: expected a table"),
        ("model.kind", 3, "model.kind: 3: unknown"),
        ("model.heads", 3, "model.heads: width 16 cannot be divided into 3 heads"),
        ("model.width", 0, "model.width: expected at least 1"),
        ("model.width", "wide", "model.width: expected a whole number"),
        ("model.attention", 1, "model.attention: expected true or false"),
        ("model", {"kind": "algebraformer"}, "systems of size model.n = 64 alone, got \\[16\\]"),
        ("seed", "hello", "seed: expected a whole number, got 'hello'"),
        ("seed", -1, "seed: expected at least 0"),
        ("seed", 2**70, "seed: expected at least 0 and less than"),
        ("data.gradients", 0.5, "data.gradients: expected a share, at most 1, beside exponents"),
        ("name", "", "a recipe needs a name"),
        ("name", 3, "name: expected text"),
    ],
)
def test_values_that_cannot_be_are_named(key, value, words):
    raw = {**TINY, "model": {"kind": "algebraformer"}} if isinstance(value, dict) else TINY
    with pytest.raises(ValueError, match=words):
        load_recipe(raw, {key: value} if not isinstance(value, dict) else {"data.objective": "solution"})


def test_one_size_and_whole_numbers_are_taken_as_meant():
    recipe = load_recipe(TINY, {"data.n": 24, "train.learning_rate": 1, "data.p": 3})
    assert recipe.data.n == (24,) and recipe.data.p == (3,) and recipe.train.learning_rate == 1


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_survives_being_written_down(name):
    recipe = load_recipe(name)
    assert load_recipe(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize("name", shipped_weights())
def test_recipes_of_shipped_weights_are_still_read(name):
    assert recipe_of(name).train.steps > 0


def test_a_checkpoint_of_an_older_version_goes_on(tmp_path):
    """Settings that are younger than a file have their defaults in it."""
    train(load_recipe(TINY), tmp_path, stop_after=1)
    tensors, meta = read(tmp_path / "checkpoint.safetensors")
    del meta["recipe"]["data"]["units"], meta["recipe"]["train"]["power"]
    write(tmp_path / "checkpoint.safetensors", tensors, meta)
    train(load_recipe(TINY), tmp_path)
    assert read(tmp_path / "checkpoint.safetensors")[1]["step"] == 2
    assert (export(tmp_path, tmp_path / "weights", {}) / "model.safetensors").is_file()
    with pytest.raises(CheckpointError, match="another recipe"):
        train(load_recipe(TINY, {"train.power": 0.5}), tmp_path)


# --- families of one's own -------------------------------------------------------------------------------------------


def test_numbers_in_operators_stand_for_all_points_and_samples():
    def in_full(random, x):
        k = 1.4 * random.uniforms[:, :1]
        ones, ends = np.ones((len(k), len(x))), np.tile([1.0, 0.0], (len(k), 1))
        return Operators(-ones, 0 * ones, -(k**2) * ones, ends, ends)

    short, full = (systems(f, 20, draw(1, "train", 0, 5, 2)) for f in (helmholtz, in_full))
    assert np.array_equal(short[0], full[0]) and np.array_equal(short[1], full[1])


def test_a_function_is_trained_on_and_recorded_by_name(tmp_path):
    recipe = load_recipe(TINY, {"data.family": helmholtz})
    network = train(recipe, tmp_path)
    written = json.loads((tmp_path / "recipe.json").read_text())
    assert written["data"]["family"] == f"{__name__}:helmholtz"
    named = load_recipe(TINY, {"data.family": "diffusion"})
    other = train(named, tmp_path / "other")
    assert any(not torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_a_lambda_is_trained_on_and_goes_on_but_is_not_found_by_name(tmp_path):
    family = lambda random, x: helmholtz(random, x)  # noqa: E731
    recipe = load_recipe(TINY, {"data.family": family})
    train(recipe, tmp_path, stop_after=1)
    train(recipe, tmp_path)
    assert read(tmp_path / "checkpoint.safetensors")[1]["step"] == 2
    name = json.loads((tmp_path / "recipe.json").read_text())["data"]["family"]
    with pytest.raises(ValueError, match="top level of a module"):
        resolve_family(name)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (lambda d, x: None, "must return Operators.*got NoneType"),
        (lambda d, x: Operators(np.ones(3), 0.0, 0.0), "returned a2 of shape \\(3,\\)"),
        (lambda d, x: Operators(-1.0, 0.0, "r"), "returned a0"),
        (lambda d, x: Operators(-1.0, 0.0, np.nan), "not finite"),
        (
            lambda d, x: Operators(-1.0, 0.0, 0.0, (0.0, 1.0), (0.0, 1.0)),
            "16 of the first 16 systems .* are singular",
        ),
        (lambda d, x: Operators(-1.0, 0.0, -((np.pi / 2) ** 2)), "are singular"),
        (lambda d, x: Operators(-1.0, 0.0, 0.0, (0.0, 0.0)), "are singular"),
        ("json:loads.nothing", "cannot load"),
        ("json:__name__", "is no function"),
        ("diffusoin", "did you mean 'diffusion'"),
    ],
)
def test_families_that_cannot_be_learned_are_named_before_training(family, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        train(load_recipe(TINY, {"data.family": family}), tmp_path)
    assert not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("family", ["diffusion", "reaction_diffusion", "advection_diffusion", "elliptic"])
def test_shipped_families_are_far_from_singular(family):
    for n in (16, 128):
        check_family(family, n, seed=3)


# --- devices, starts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["banana", "cuda:x", "cuda:99", "meta"])
def test_devices_that_are_not_there(device, tmp_path):
    with pytest.raises(ValueError, match="device: "):
        train(load_recipe(TINY), tmp_path, device=device)


@pytest.mark.skipif("newton-lp" not in shipped_weights(), reason="weights are not shipped")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "nothing"}, "weights: no model.safetensors .*'nothing'"),
        ({"weights": "elliptic"}, "'elliptic' are of a network of kind 'green'.*'reweighting'"),
        ({"device": "banana"}, "device: 'banana' is not there"),
        pytest.param(
            {"device": "cuda"},
            "device: 'cuda' is not there",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
    ],
)
def test_a_start_that_cannot_be_is_refused_when_it_is_made(options, words):
    with pytest.raises(ValueError, match=words):
        LearnedStart(**options)


@pytest.mark.skipif("newton-lp" not in shipped_weights(), reason="weights are not shipped")
def test_warm_up_of_a_start_reports_its_seconds():
    assert 0 < LearnedStart().warm_up(n=8, rows=16, batch=2) < 60


def test_exponents_beyond_the_training_are_refused_and_said():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((24, 8)), rng.standard_normal(24)
    with pytest.warns(UserWarning, match="trained for p up to 32, got p = 100"):
        result = minimize_lp(A, b, 100, start=LearnedStart())
    assert result.success and "start= was dropped" in result.message


def test_a_start_of_ones_own(tmp_path, rng):
    recipe = load_recipe(
        {
            "name": "start", "data": {"objective": "start", "n": [6], "p": [4.0]},
            "model": {"kind": "reweighting", "width": 8, "depth": 1},
            "train": {"steps": 2, "batch": 4, "validation": 4},
        }
    )  # fmt: skip
    train(recipe, tmp_path / "run")
    start = LearnedStart(str(export(tmp_path / "run", tmp_path / "weights", {})))
    x = start.batch(rng.standard_normal((3, 12, 6)), rng.standard_normal((3, 12)), np.full(3, 4.0))
    assert x.shape == (3, 6) and np.isfinite(x).all()


def test_build_refuses_what_recipes_refuse():
    with pytest.raises(ValueError, match="cannot be divided"):
        build({"kind": "algebraformer", "width": 30, "heads": 4})
    with pytest.raises(ValueError, match="nothing mixes"):
        build({"kind": "green", "attention": False, "integration": False})
