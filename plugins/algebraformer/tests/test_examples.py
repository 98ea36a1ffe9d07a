"""The examples of the learned solvers run and give what their headers promise (training at toy size)."""

import runpy
from pathlib import Path

import matplotlib
import pytest
from spectral_nn_algebraformer.pretrained import shipped_weights

matplotlib.use("Agg")

EXAMPLES = Path(__file__).parents[3] / "examples"
CASES = {
    "learned_bvp": ("elliptic", {"save": "figure.png"}, 1e-9),
    "learned_family": ("", {"steps": 20}, 1e-6),
    "learned_noise": ("noise-diffusion-64", {"save": "figure.png"}, 0.1),
    "learned_newton_start": ("newton-lp", {}, 1e-8),
}


@pytest.mark.parametrize("name", CASES)
def test_example(name, tmp_path, monkeypatch):
    weights, arguments, accuracy = CASES[name]
    if weights and weights not in shipped_weights():
        pytest.skip(f"weights {weights!r} are not shipped yet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = (
        __import__(name) if name == "learned_family" else None
    )  # its family is looked up by the module's name
    main = module.main if module else runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    found, expected = main(**arguments)
    assert abs(found - expected) <= accuracy * (1 + abs(expected))
    if "save" in arguments:
        assert (tmp_path / "figure.png").stat().st_size > 5000
