"""What importing and solving load: nothing that the core does not need, nothing before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "numba",
    "torch",
    "cvxpy",
    "matplotlib",
    "rich",
    "typer",
    "chebpy",
    "scipy.sparse.linalg",
    "scipy.optimize",
)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=ROOT, timeout=300
    )


def loaded_after(code: str, candidates: tuple[str, ...]) -> set[str]:
    done = run(f"{code}\nimport sys\nprint('loaded:', *(m for m in {candidates!r} if m in sys.modules))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import spectral_nn", HEAVY) == set()


def test_listing_the_solvers_loads_nothing_heavy() -> None:
    code = "from spectral_nn import linear_solvers; assert 'lu' in linear_solvers(); print(linear_solvers())"
    assert loaded_after(code, ("numba", "torch", "cvxpy", "matplotlib")) == set()


def test_a_dense_solve_needs_no_numba() -> None:
    code = "from spectral_nn import solve_linear; assert solve_linear([[2.0, 1], [1, 3]], [3.0, 4]).success"
    assert loaded_after(code, HEAVY) == set()


def test_solving_a_problem_loads_no_plugin_and_no_plotting() -> None:
    code = (
        "from spectral_nn import solve_bvp\n"
        "assert solve_bvp(lambda x, u: u.diff(2) + u, (0, 1), lbc=0, rbc=1).success"
    )
    assert loaded_after(code, ("torch", "cvxpy", "matplotlib", "rich", "chebpy")) == set()


def test_every_public_name_loads_and_is_listed() -> None:
    code = (
        "import spectral_nn as s\n"
        "missing = [n for n in s.__all__ if not hasattr(s, n)]\n"
        "assert not missing, missing\n"
        "assert set(s.__all__) <= set(dir(s))\n"
        "try: s.no_such_name\n"
        "except AttributeError as error: assert 'no_such_name' in str(error)\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_runtime_requirements_are_three() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0] for requirement in project["dependencies"]}
    assert names == {"numpy", "scipy", "numba"}


def test_each_plugin_is_installed_by_the_test_command() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    for plugin in (ROOT / "plugins").iterdir():
        if (plugin / "pyproject.toml").exists():
            assert f"-e plugins/{plugin.name}" in lines
    assert "-r requirements.txt" in (ROOT / "requirements-test.txt").read_text().splitlines()


PROBE = """
from spectral_nn._numba import njit
@njit(cache=True)
def double(x):
    return 2 * x
"""


@pytest.fixture
def probe(tmp_path: Path) -> dict[str, str]:
    """A module of ours with one tiny kernel, and a cache that is cold."""
    (tmp_path / "spectral_nn_probe.py").write_text(PROBE)
    return {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}


def test_compiling_is_announced_once_and_only_when_it_happens(probe: dict[str, str]) -> None:
    code = "import spectral_nn_probe as p; p.double(1); p.double(1.5); p.double(1j)"
    cold, warm = run(code, **probe), run(code, **probe)
    assert cold.returncode == 0 and warm.returncode == 0, cold.stderr + warm.stderr
    assert cold.stderr.count("compiling numerical kernels") == 1
    assert warm.stderr == ""


def test_the_announcement_can_be_silenced_and_goes_to_the_log(probe: dict[str, str]) -> None:
    quiet = run("import spectral_nn_probe as p; p.double(1)", SPECTRAL_NN_QUIET="1", **probe)
    assert quiet.returncode == 0 and quiet.stderr == ""
    code = "import logging; logging.basicConfig(level=20); import spectral_nn_probe as p; p.double(1.5)"
    logged = run(code, SPECTRAL_NN_QUIET="1", **probe)
    assert "INFO:spectral_nn:spectral_nn: compiling" in logged.stderr


def test_kernels_of_others_are_not_announced(tmp_path: Path) -> None:
    (tmp_path / "other_kernels.py").write_text(PROBE)
    paths = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = run("import other_kernels as p; p.double(1)", **paths)
    assert done.returncode == 0 and done.stderr == ""
