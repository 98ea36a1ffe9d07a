"""The command line, as a user types it."""

import json

import pytest
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


@pytest.fixture
def run(tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)

    def call(*args, code=0):
        result = CliRunner().invoke(app, [str(a) for a in args])
        assert result.exit_code == code, result.output
        return result.output

    return call


def test_train_export_evaluate_finetune(run, tmp_path):
    recipe, weights = tmp_path / "tiny.toml", tmp_path / "weights"
    run("train", recipe, "--run", tmp_path / "run", "--set", "train.steps=3")
    run("export", tmp_path / "run", weights, "--count", 4)
    assert json.loads((weights / "config.json").read_text())["metrics"]["n=16"]["converged"]["median"] > 0
    output = run("evaluate", weights, "--count", 4, "--json", tmp_path / "m.json")
    assert "median" in output and "n=16" in json.loads((tmp_path / "m.json").read_text())
    run(
        "finetune",
        recipe,
        "--weights",
        weights,
        "--run",
        tmp_path / "fine",
        "--set",
        "data.family=reaction_diffusion",
    )
    assert (tmp_path / "fine" / "checkpoint.safetensors").exists()


def test_mistakes_end_in_a_sentence(run, tmp_path):
    assert "did you mean" in run("train", tmp_path / "tiny.toml", "--set", "train.stpes=3", code=2)
    assert "shipped are" in run("train", "no-such-recipe", code=2)
    assert "key=value" in run("train", tmp_path / "tiny.toml", "--set", "steps", code=2)
    assert "Traceback" not in run("export", tmp_path / "nothing", tmp_path / "w", code=2)


def test_recipes_are_listed(run):
    output = run("recipes")
    assert "diffusion-64" in output and "elliptic" in output
