"""Plugins: found without import, loaded when used, harmless when broken."""

from __future__ import annotations

import importlib
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import spectral_nn
from spectral_nn import linear_solvers, solve_linear
from spectral_nn.__main__ import main
from spectral_nn.linear import registry, resolve
from spectral_nn.linear.registry import BUILT_IN, SolverUnavailable
from spectral_nn.testing import check_linear_solver

ROOT = Path(__file__).parents[2]
GOOD = """
from spectral_nn.linear import LinearSolution, Traits
class Good:
    name = "{name}"
    traits = Traits(summary="inverts", requires={requires!r})
    def factor(self, A):
        import numpy as np
        return np.linalg.inv(A.A if hasattr(A, "A") else A)
    def solve(self, state, b):
        return LinearSolution(state @ b)
"""


class Site:
    """A folder on sys.path that looks like installed distributions."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, distribution: str, solver: str, source: str, attribute: str = "Good") -> None:
        module = distribution.replace("-", "_")
        (self.path / f"{module}.py").write_text(source)
        info = self.path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{solver} = {module}:{attribute}\n")
        importlib.invalidate_caches()
        registry.refresh()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    registry.refresh()
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("plugin_") or name == "spectral_nn_jacobi":
            del sys.modules[name]
    monkeypatch.undo()
    importlib.invalidate_caches()
    registry.refresh()


def test_names_are_listed_without_importing(site: Site) -> None:
    site.install("plugin-a", "good-a", GOOD.format(name="good-a", requires=()))
    table = linear_solvers()
    assert "good-a" in table and set(BUILT_IN) <= set(table)
    assert (table["good-a"].distribution, table["good-a"].version) == ("plugin-a", "1.2")
    assert "plugin_a" not in sys.modules
    assert table["good-a"].state == "ready" and table["good-a"].summary == "inverts"
    assert "plugin_a" in sys.modules


def test_an_installed_plugin_solves(site: Site) -> None:
    site.install("plugin-b", "good-b", GOOD.format(name="good-b", requires=()))
    answer = solve_linear(np.eye(4) * 3 + 1, np.ones(4), "good-b")
    assert answer.success and answer.solver == "good-b" and not answer.fell_back
    check_linear_solver("good-b")


def test_a_broken_plugin_is_isolated(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("plugin-c", "broken-c", "raise OSError('libcuda.so is missing')")
    with pytest.warns(RuntimeWarning, match=r"'broken-c'.*plugin-c 1\.2.*OSError: libcuda\.so is missing"):
        assert linear_solvers()["broken-c"].state == "broken: OSError: libcuda.so is missing"
    with pytest.raises(SolverUnavailable, match="libcuda.so is missing.*Reinstall or remove"):
        resolve("broken-c")
    assert solve_linear(np.eye(3), np.ones(3), "lu").success
    assert main(["--no-check"]) == 0
    printed = capsys.readouterr().out
    assert "broken: OSError: libcuda.so is missing" in printed and "plugin-c" in printed


def test_a_plugin_that_is_no_solver_is_broken(site: Site) -> None:
    site.install("plugin-d", "not-d", "Good = dict")
    with pytest.warns(RuntimeWarning, match="lacks name, traits, factor, solve"):
        assert linear_solvers()["not-d"].state.startswith("broken")
    site.install("plugin-d2", "not-d2", "x = 1", attribute="Missing")
    with pytest.warns(RuntimeWarning, match="AttributeError"):
        assert linear_solvers()["not-d2"].state.startswith("broken")


def test_strict_mode_raises(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("plugin-e", "broken-e", "import no_such_module_e")
    monkeypatch.setenv(registry.STRICT_VARIABLE, "1")
    with pytest.raises(SolverUnavailable, match="no_such_module_e"):
        resolve("broken-e")


def test_duplicates_name_both_distributions(site: Site) -> None:
    site.install("plugin-f", "twice", GOOD.format(name="twice", requires=()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        site.install("plugin-g", "twice", GOOD.format(name="twice", requires=()))
    with pytest.warns(RuntimeWarning, match=r"'twice' is offered by plugin-f .* and by plugin-g"):
        assert linear_solvers()["twice"].distribution == "plugin-f"


def test_a_plugin_cannot_replace_a_built_in_unnoticed(site: Site) -> None:
    site.install("plugin-h", "lu", GOOD.format(name="lu", requires=()))
    with pytest.warns(RuntimeWarning, match="'lu' is offered by spectral-nn .* and by plugin-h"):
        assert linear_solvers()["lu"].distribution == "spectral-nn"


def test_a_missing_requirement_is_said_in_a_sentence(site: Site) -> None:
    site.install("plugin-i", "needy", GOOD.format(name="needy", requires=("no_such_torch",)))
    assert linear_solvers()["needy"].state == "needs no_such_torch"
    with pytest.raises(SolverUnavailable, match=r"'needy' \(plugin-i 1\.2\) needs no_such_torch"):
        solve_linear(np.eye(2), np.ones(2), "needy")


def test_an_unknown_name_is_answered_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"'choleksy' is not installed\. Did you mean 'cholesky'\? Inst.*lu"):
        solve_linear(np.eye(2), np.ones(2), "choleksy")
    with pytest.raises(ValueError, match=r"docs/plugins\.md"):
        resolve("xyzzy")
    with pytest.raises(TypeError, match="lacks traits, factor, solve"):
        resolve(type("Named", (), {"name": "n"})())


def test_built_ins_are_the_declared_entry_points() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][registry.GROUP]
    assert declared == BUILT_IN
    for name in BUILT_IN:
        solver = resolve(name)
        assert solver.name == name and solver.traits.summary


def test_example_plugin_of_the_docs(site: Site) -> None:
    """The plugin shown in docs/plugins.md is the one under examples/, short, conforming and used."""
    folder = ROOT / "examples" / "plugin_solver"
    source = (folder / "src" / "spectral_nn_jacobi.py").read_text()
    page = (ROOT / "docs" / "plugins.md").read_text()
    assert source in page and len(source.splitlines()) <= 26
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    target = project["entry-points"][registry.GROUP]["jacobi"]
    assert f'jacobi = "{target}"' in page
    site.install("spectral-nn-jacobi", "jacobi", source, attribute=target.partition(":")[2])
    check_linear_solver("jacobi")
    rng = np.random.default_rng(0)
    A = rng.uniform(-1, 1, (30, 30)) + 25 * np.eye(30)
    answer = solve_linear(A, np.ones(30), "jacobi")
    assert answer.success and not answer.fell_back and answer.solver == "jacobi"
    hopeless = solve_linear(rng.standard_normal((30, 30)), np.ones(30), "jacobi")
    assert hopeless.success and hopeless.fell_back and hopeless.solver == "jacobi, then lu"


def test_diagnosis_lists_versions_and_solvers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-check"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"spectral_nn {spectral_nn.__version__}, Python 3.")
    assert f"numpy {np.__version__}" in printed
    rows = [line.split() for line in printed.splitlines()]
    assert all(any(row[:1] == [name] for row in rows) for name in BUILT_IN)
