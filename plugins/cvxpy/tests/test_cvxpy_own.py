"""CVXPY's own tests, their solves routed through the method wherever it applies.

The test modules that ship with CVXPY run as they are, with ``Problem.solve`` replaced. What fails there is
run again untouched: no test that passes with CVXPY's solvers may fail with the method, except for those
listed with the reason why they cannot.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import cvxpy
import pytest

TESTS = Path(cvxpy.__file__).parent / "tests"
# Modules about the atoms, expressions and constraints that the reader reads.
QUICK = [
    "test_power_atom",
    "test_quadratic",
    "test_quad_form",
    "test_convolution",
    "test_objectives",
    "test_shape",
]
SLOW = [
    "test_atoms", "test_attributes", "test_bounds", "test_constraints", "test_copy", "test_dpp",
    "test_einsum", "test_expressions", "test_matrices", "test_nd_matmul", "test_param_quad_prog",
    "test_problem", "test_qp_solvers", "test_zero_sized",
]  # fmt: skip
# Tests that look at the solver itself, not at the solution.
EXCEPTIONS = {
    "test_approx_warning": "expects the warning that power cones would be exact",
    "test_assume_psd": "expects the error of another solver",
    "test_indefinite_assume_psd_raises": "expects the wording of CVXPY's compilation",
    "test_solver_stats": "expects at least one iteration; the method needs none for a quadratic",
    "test_highs_var_bounds": "asks 1e-8 of a minimizer at zero slope: a gap of 1e-9 leaves 5e-5 there",
    "test_expr_does_not_support_cpp_error": "expects CVXPY's compilation",
    "test_expr_does_not_support_cpp_warning": "expects CVXPY's compilation",
    "test_nd_variable_warning": "expects CVXPY's compilation",
    "test_nd_variable_value_error": "expects CVXPY's compilation",
}

pytestmark = pytest.mark.skipif(not TESTS.is_dir(), reason="this CVXPY ships without its tests")


def test_quick_modules() -> None:
    assert routed(QUICK) >= 10


@pytest.mark.slow
def test_slow_modules() -> None:
    assert routed(SLOW) >= 150


def routed(modules: list[str]) -> int:
    """Run the modules through the method; the number of solves that it did itself."""
    paths = [f"{module}.py" for module in modules]
    output = run(["-p", "routed_to_newton_lp", *paths])
    failed = [name for name in failures(output) if name.split("::")[-1].split("[")[0] not in EXCEPTIONS]
    if failed:
        untouched = set(failures(run(failed)))
        new = [name for name in failed if name not in untouched]
        assert not new, f"{new}\n{output[-6000:]}"
    counted = re.search(r"newton_lp solved (\d+)", output)
    assert counted, output[-3000:]
    return int(counted.group(1))


def run(arguments: list[str]) -> str:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    quiet = ["-q", "-rf", "--no-header", "--tb=short", "-W", "ignore", "-p", "no:cacheprovider", "--color=no"]
    command = [sys.executable, "-m", "pytest", *quiet, *arguments]
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "400"}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def failures(output: str) -> list[str]:
    return re.findall(r"^FAILED (\S+)", output, flags=re.MULTILINE)
