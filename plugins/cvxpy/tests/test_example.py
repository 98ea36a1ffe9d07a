"""The example runs, reaches the certified optimum, and saves its figure."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
EXAMPLES = Path(__file__).parents[3] / "examples"


def test_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "cvxpy_side_by_side.py"))["main"]
    found, expected = main(save=str(tmp_path / "figure.png"))
    assert abs(found - expected) <= 1e-9
    assert (tmp_path / "figure.png").stat().st_size > 5000
    difference = float(capsys.readouterr().out.split()[-1])
    assert difference <= 1e-6
