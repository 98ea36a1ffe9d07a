"""The wheel holds every recipe and all shipped weights."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from spectral_nn_algebraformer.pretrained import shipped_weights
from spectral_nn_algebraformer.recipe import shipped_recipes

PROJECT = Path(__file__).parents[1]


@pytest.mark.skipif(not (PROJECT / "pyproject.toml").exists(), reason="not a checkout")
def test_wheel_holds_weights_and_recipes(tmp_path):
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for weights in shipped_weights():
        for file in ("model.safetensors", "config.json", "README.md"):
            assert f"spectral_nn_algebraformer/weights/{weights}/{file}" in names
    for recipe in shipped_recipes():
        assert f"spectral_nn_algebraformer/recipes/{recipe}.toml" in names
    assert "spectral_nn_algebraformer/py.typed" in names
    assert wheel.stat().st_size < 40e6
