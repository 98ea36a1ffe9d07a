"""The command line, as a user types it: what works, and that what cannot ends in one sentence and exit status 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from spectral_nn_algebraformer.cli import app
from typer.testing import CliRunner

RECIPE = """
name = "tiny"
[data]
n = [16]
rhs = 1
[model]
kind = "green"
width = 16
depth = 1
heads = 2
[train]
steps = 4
batch = 2
validation = 2
"""
OWN = """
from spectral_nn_algebraformer.data import Operators

def helmholtz(draw, x):
    return Operators(-1.0, 0.0, -((1.4 * draw.uniforms[:, :1]) ** 2))

def forgotten(draw, x):
    Operators(-1.0, 0.0, 0.0)

def floating(draw, x):
    return Operators(-1.0, 0.0, 0.0, left=(0.0, 1.0), right=(0.0, 1.0))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "cli_family.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the command line adds the current folder

    def call(*args, code=0):
        result = CliRunner().invoke(app, [str(a) for a in args])
        assert result.exit_code == code, result.output
        # a sentence, not a traceback: typer.Exit and usage errors are SystemExit
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return " ".join(result.output.split())

    return call


def test_train_export_evaluate_finetune(run, tmp_path):
    run("train", "tiny.toml", "--out", "run", "--set", "train.steps=3")
    run("export", "run", "weights", "--count", 4, "--storage", "int8")
    config = json.loads(Path("weights/config.json").read_text())
    assert config["storage"] == "int8"
    assert config["metrics"]["n=16"]["converged"]["median"] > 0
    output = run("evaluate", "weights", "--count", 4, "--json", "m.json")
    assert "median" in output and "n=16" in json.loads(Path("m.json").read_text())
    run(
        "finetune",
        "tiny.toml",
        "--weights",
        "weights",
        "--run",
        "fine",
        "--set",
        "data.family=reaction_diffusion",
    )
    assert Path("fine/checkpoint.safetensors").exists()
    settings = json.loads(Path("weights/config.json").read_text())
    Path("weights/config.json").write_text("{}")
    assert "config.json" in run("evaluate", "weights", code=2)
    Path("weights/config.json").write_text(json.dumps({**settings, "recipe": 3}))
    assert "recipe" in run("evaluate", "weights", code=2)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.steps=abc", "train.steps: expected a whole number"),
        ("train.stpes=3", "did you mean 'steps'"),
        ("train.batch=2.5", "train.batch: expected a whole number"),
        ("train.checkpoint_every=0", "train.checkpoint_every: expected at least 1"),
        ("train=5", "train: expected a table"),
        ("steps", "key=value"),
        ("data.noise=3", "data.noise: expected a list"),
        ("data.family=cli_family:forgotten", "must return Operators"),
        ("data.family=cli_family:floating", "are singular"),
        ("data.family=cli_family:nothing", "cannot load 'cli_family:nothing'"),
        ("data.family=no_such_module:f", "the current folder"),
        ("model.heads=3", "width 16 cannot be divided into 3 heads"),
        ("seed=hello", "seed: expected a whole number"),
        ("weights=nothing", "no model.safetensors"),
    ],
)
def test_settings_that_cannot_be_end_in_a_sentence(run, setting, words):
    assert words in run("train", "tiny.toml", "--set", setting, code=2)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["train", "no-such-recipe"], "shipped are"),
        (["train", "tiny.toml", "--device", "banana"], "device: 'banana'"),
        (["finetune", "tiny.toml", "--weights", "nothing"], "no model.safetensors"),
        (["evaluate", "nothing"], "no model.safetensors"),
        (["evaluate", "diffusion-64", "--count", "0"], "--count"),
        (["evaluate", "diffusion-64", "--json", "no/such/folder/m.json"], "there is no folder"),
        (["export", "nothing", "weights"], "train first"),
        (["export", "nothing", "weights", "--count", "-1"], "--count"),
    ],
)
def test_commands_that_cannot_be_end_in_a_sentence(run, args, words):
    assert words in run(*args, code=2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_gpu_is_said(run):
    assert "no CUDA device" in run("train", "tiny.toml", "--device", "cuda", code=2)


def test_a_broken_recipe_is_named(run, tmp_path):
    Path("broken.toml").write_text("name = ")
    assert "not valid TOML" in run("train", "broken.toml", code=2)


def test_recipes_are_listed(run):
    output = run("recipes")
    assert "diffusion-64" in output and "elliptic" in output


def test_own_family_in_the_folder_of_the_recipe_or_the_current_one(tmp_path):
    """By the installed command, whose search path holds neither."""
    home, elsewhere = tmp_path / "recipes", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "tiny.toml").write_text(RECIPE.replace("[data]", '[data]\nfamily = "beside_it:helmholtz"'))
    (home / "beside_it.py").write_text(OWN)
    program = Path(sys.executable).parent / "spectral-nn-algebraformer"
    if not program.exists():
        pytest.skip("the package is not installed")

    def call(folder, *args):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [program, *args], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )

    trained = call(elsewhere, "train", home / "tiny.toml", "--out", home / "run")
    assert trained.returncode == 0, trained.stdout
    assert json.loads((home / "run" / "recipe.json").read_text())["data"]["family"] == "beside_it:helmholtz"
    exported = call(home, "export", "run", "weights", "--count", "2")
    assert exported.returncode == 0, exported.stdout
