"""The training loop: every recipe, resuming to the bit, files that are not what they should be."""

import csv
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spectral_nn_algebraformer.checkpoint import CheckpointError
from spectral_nn_algebraformer.data import diffusion
from spectral_nn_algebraformer.models import build
from spectral_nn_algebraformer.recipe import load_recipe, shipped_recipes
from spectral_nn_algebraformer.train import autocast_dtype, learning_rate, train

TINY = {
    "name": "tiny",
    "data": {"family": "diffusion", "n": [16], "rhs": 2},
    "model": {"kind": "green", "width": 16, "depth": 1, "heads": 2, "green_heads": 2, "rank": 2},
    "train": {
        "steps": 6, "batch": 4, "warmup": 2, "checkpoint_every": 2, "log_every": 1, "validate_every": 3,
        "validation": 4, "optimizer": "muon", "precision": "float32",
    },
}  # fmt: skip
TOY_MODEL = {"width": 16, "depth": 1, "heads": 2, "green_heads": 2, "rank": 2, "layers": 1, "n": 9}


def tiny(**overrides):
    return load_recipe(TINY, {k.replace("__", "."): v for k, v in overrides.items()})


def state(network):
    return {k: v.clone() for k, v in network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_recipe_runs_at_toy_size(name, tmp_path):
    shipped = load_recipe(name)
    known = (
        set(vars(build(shipped.model).config))
        if shipped.model["kind"] != "algebraformer"
        else {"width", "depth", "heads"}
    )
    size = {f"model.{k}": v for k, v in TOY_MODEL.items() if k in known and k != "n"}
    toy = {"train.steps": 2, "train.batch": 4, "train.validation": 4, "train.warmup": 1, "weights": ""}
    if shipped.model["kind"] == "recurrent":
        size = {"model.width": 16, "model.depth": 1}
    network = train(load_recipe(name, {**size, **toy}), tmp_path)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert rows[-1]["step"] == "2" and float(rows[-1]["error"]) > 0


def test_training_lowers_the_error(tmp_path):
    train(tiny(train__steps=60, train__batch=16, train__learning_rate=5e-3), tmp_path)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 1.0
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    straight = state(train(tiny(), tmp_path / "a"))
    train(tiny(), tmp_path / "b", stop_after=3)
    resumed = state(train(tiny(), tmp_path / "b"))
    assert same(straight, resumed)
    logs = [[r["loss"] for r in csv.DictReader((tmp_path / k / "log.csv").open())] for k in "ab"]
    assert logs[0] == logs[1]


def test_batches_made_ahead_are_the_same_batches(tmp_path, monkeypatch):
    """As beside a GPU: a thread makes the next batch meanwhile. A failure there is not lost."""
    plain = state(train(tiny(), tmp_path / "a"))
    monkeypatch.setattr(sys.modules[train.__module__], "_makes_ahead", lambda device: True)
    train(tiny(), tmp_path / "b", stop_after=3)
    assert same(plain, state(train(tiny(), tmp_path / "b")))

    calls = []

    def family(draw, x):
        calls.append(1)
        return diffusion(draw, x) if len(calls) < 4 else None

    with pytest.raises(ValueError, match="must return Operators"):
        train(tiny(data__family=family), tmp_path / "c")


def test_a_training_that_diverges_is_stopped_with_a_sentence(tmp_path):
    with pytest.raises(RuntimeError, match="lower train.learning_rate"):
        train(tiny(train__learning_rate=1e9, train__steps=60, train__warmup=0), tmp_path)


def test_corrupt_and_foreign_files_are_refused_with_a_sentence(tmp_path):
    train(tiny(), tmp_path, stop_after=2)
    path = tmp_path / "checkpoint.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="not a readable"):
        train(tiny(), tmp_path)
    altered = bytearray(whole)
    altered[-5] ^= 0xFF
    path.write_bytes(bytes(altered))
    with pytest.raises(CheckpointError, match="checksum"):
        train(tiny(), tmp_path)
    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not one of"):
        train(tiny(), tmp_path)
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(CheckpointError, match="not a readable"):
        train(tiny(), tmp_path)
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="another recipe"):
        train(tiny(seed=2), tmp_path)
    with pytest.raises(CheckpointError, match="already there"):
        train(tiny(), tmp_path, resume=False)


def test_rate_warms_up_and_falls_to_its_end():
    recipe = tiny(train__steps=100, train__warmup=10, train__learning_rate=1.0, train__final=0.1)
    rates = [learning_rate(s, recipe) for s in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[10] == 1.0
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[100] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("train.stpes", 3, "steps"), ("data.famly", "x", "family"), ("nmae", "x", "name"),
     ("data.family", "difusion", "diffusion"), ("train.optimizer", "sgd", "muon"),
     ("data.family", "no.such:thing", "cannot load"), ("data.objective", "inverse", "operator")],
)  # fmt: skip
def test_recipe_mistakes_are_named(key, value, word, tmp_path):
    with pytest.raises(ValueError, match=word):
        train(load_recipe(TINY, {key: value}), tmp_path)


def test_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(ValueError, match="diffusion-64"):
        load_recipe("no-such-recipe")


def test_a_family_of_ones_own_by_name(tmp_path, monkeypatch):
    (tmp_path / "my_family.py").write_text(
        "import numpy as np\n"
        "from spectral_nn_algebraformer.data import Operators\n"
        "def oscillator(draw, x):\n"
        "    ones = np.ones((len(draw.uniforms), len(x)))\n"
        "    ends = np.tile([1.0, 0.0], (len(ones), 1))\n"
        "    return Operators(-ones, 0 * ones, draw.uniforms[:, :1] * ones, ends, ends)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    network = train(tiny(data__family="my_family:oscillator", train__steps=2), Path(tmp_path) / "run")
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_device_that_is_not_there_is_named(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ValueError, match="no CUDA device"):
        train(tiny(), tmp_path, device="cuda")


def test_precision_follows_the_hardware():
    assert autocast_dtype("float32", "cpu") is None
    assert autocast_dtype("bfloat16", "cpu") is torch.bfloat16


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu(tmp_path):
    network = train(tiny(train__precision="auto"), tmp_path, device="cuda")
    assert next(network.parameters()).is_cuda
