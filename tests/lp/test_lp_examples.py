"""The l_p examples run at a small size, keep the promise of their headers, and save a figure."""

import runpy
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("Agg")

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMISES = {
    "lp_regression_outliers": ({"points": 300}, lambda robust, squares: robust < 0.05 and squares > 0.5),
    "lp_graph_ssl": ({"points": 800, "degree": 60}, lambda eight, two: eight < 0.75 * two),
    "lp_polynomial_fit": ({"nodes": 600}, lambda error, best: best <= error < 1.02 * best),
    "lp_sweep_warm_start": (
        {"rows": 200, "unknowns": 10, "steps": 30},
        lambda warm, cold: warm < cold * 2 / 3,
    ),
}


@pytest.mark.parametrize("name", PROMISES)
def test_example(name, tmp_path, capsys):
    size, promise = PROMISES[name]
    main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    figure = tmp_path / f"{name}.png"
    assert promise(*main(save=str(figure), **size))
    assert figure.stat().st_size > 5000
    assert "False" not in capsys.readouterr().out


@pytest.mark.parametrize("name", PROMISES)
def test_header(name):
    header = (EXAMPLES / f"{name}.py").read_text().split('"""')[1]
    for field in ("Problem", "Expected", f"python examples/{name}.py --save"):
        assert field in header
