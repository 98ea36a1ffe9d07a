"""Every example runs, gives the value its header promises, and saves a figure."""

from __future__ import annotations

import runpy
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("Agg")

EXAMPLES = Path(__file__).parents[1] / "examples"
BVP_EXAMPLES = (
    "airy",
    "beam",
    "boundary_layer",
    "bratu",
    "bratu_continuation",
    "carrier",
    "complex_helmholtz",
    "delay_pantograph",
    "discontinuous_coefficient",
    "integral_condition",
    "interior_layer",
    "ivp",
    "painleve_deflation",
    "periodic",
    "system_pendulum",
    "unknown_parameter",
)
ACCURACY = {"bratu_continuation": 1e-7}  # the fold is located by minimization along the arclength


@pytest.mark.parametrize("name", BVP_EXAMPLES)
def test_example_gives_what_its_header_promises(name: str, tmp_path: Path) -> None:
    main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    figure = tmp_path / f"{name}.png"
    found, expected = main(save=str(figure))
    assert abs(found - expected) <= ACCURACY.get(name, 1e-9) * (1 + abs(expected))
    assert figure.stat().st_size > 5000


@pytest.mark.parametrize("name", BVP_EXAMPLES)
def test_example_header_says_what_it_is(name: str) -> None:
    header = (EXAMPLES / f"{name}.py").read_text().split('"""')[1]
    for field in ("Equation", "Run", "Expected", f"python examples/{name}.py --save"):
        assert field in header
