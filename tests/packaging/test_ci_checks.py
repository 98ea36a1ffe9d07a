"""The checks of .ci/ notice what they are there for."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files_of(source: Path) -> set[str]:
    return {
        f"{source.name}/{path.relative_to(source).as_posix()}"
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_complete_wheel_has_no_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check = load("check_wheels")
    found = files_of(ROOT / "spectral_nn") | {"spectral_nn-0.1.0.dist-info/METADATA"}
    assert check.problems_of("spectral_nn", found) == []


def test_what_is_missing_from_a_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check = load("check_wheels")
    found = files_of(ROOT / "spectral_nn") - {"spectral_nn/py.typed", "spectral_nn/testing.py"}
    problems = check.problems_of("spectral_nn", found | {"tests/test_x.py"})
    assert "py.typed is missing" in problems
    assert "spectral_nn/testing.py is in the source tree and not in the wheel" in problems
    assert "unexpected top-level entries tests" in problems
    weights = "spectral_nn_algebraformer/weights/none/model.safetensors"
    assert any(
        "weights/none/config.json is missing" in p for p in check.problems_of("spectral_nn", {weights})
    )


def test_the_command_is_executable_and_is_shell() -> None:
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert subprocess.run(["bash", "-n", str(run)], capture_output=True).returncode == 0
