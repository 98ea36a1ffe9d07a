"""The documentation is true: its examples run and print what is shown, docstrings too, and the API page is current."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import spectral_nn

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ("spectral_nn_algebraformer", "spectral_nn_cvxpy", "spectral_nn_chebpy")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


run_blocks = _load(ROOT / "docs" / "run_blocks.py")
make_api = _load(ROOT / "docs" / "make_api.py")
make_examples = _load(ROOT / "docs" / "make_examples.py")


def _modules(package: str) -> list[str]:
    if importlib.util.find_spec(package) is None:
        return []
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, package + ".")
    return [package, *(m.name for m in found if "kernels" not in m.name and not m.name.endswith("__main__"))]


@pytest.mark.parametrize("page", run_blocks.pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_page_runs_and_prints_what_it_shows(page: Path) -> None:
    text = page.read_text()
    if missing := [p for p in PLUGINS if p in text and importlib.util.find_spec(p) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    wrong = [
        f"{page.name}, line {block.line}\n{difference}"
        for block, printed in run_blocks.run(page)
        if block.expected is not None
        for difference in run_blocks.differences(block.expected, printed)
    ]
    assert not wrong, "\n".join(wrong) + f"\n(python docs/run_blocks.py --update {page.relative_to(ROOT)})"


@pytest.mark.parametrize("name", [m for p in ("spectral_nn", *PLUGINS) for m in _modules(p)])
def test_docstring_examples(name: str) -> None:
    """Doctests of every docstring in a module, private ones included."""
    failed = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert failed.failed == 0


def test_every_public_callable_shows_an_example() -> None:
    bare = [
        name
        for name in spectral_nn.__all__
        if name.islower() and ">>>" not in (getattr(spectral_nn, name).__doc__ or "")
    ]
    assert not bare, f"no example in the docstrings of {', '.join(bare)}"


@pytest.mark.parametrize("maker", [make_api, make_examples], ids=lambda m: m.__name__)
def test_generated_page_is_current(maker: ModuleType) -> None:
    assert maker.PAGE.read_text() == maker.render(), f"run python docs/{maker.__name__}.py"


def test_links_lead_somewhere() -> None:
    dead = []
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
            if "://" not in target and not (page.parent / target).exists():
                dead.append(f"{page.name}: {target}")
    assert not dead, "\n".join(dead)


def test_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    lost = [
        p.name for p in (ROOT / "docs").glob("*.md") if p.name != "index.md" and f"({p.name})" not in index
    ]
    assert not lost, f"docs/index.md does not link {', '.join(lost)}"


def test_status_table_is_that_of_the_code() -> None:
    """docs/how_to_choose.md names every way a solve can end."""
    from spectral_nn.bvp.eigs import EigStatus
    from spectral_nn.linear.interface import LinearStatus
    from spectral_nn.lp.result import LpStatus

    page = (ROOT / "docs" / "how_to_choose.md").read_text()
    members = [s.name for family in (spectral_nn.Status, EigStatus, LinearStatus, LpStatus) for s in family]
    missing = [name for name in members if f"`{name}`" not in page]
    assert not missing, f"not explained: {', '.join(missing)}"


def test_a_difference_is_seen() -> None:
    """The comparison used above lets effort vary and nothing else."""
    shown = "  success: True  (SOLVED)\n      nit: 7\n     time: 3.1 ms\n0.25 [1. 2.]\n"
    assert not run_blocks.differences(shown, shown.replace("nit: 7", "nit: 9").replace("3.1", "99"))
    assert not run_blocks.differences(shown, shown.replace("0.25", "0.2500000001"))
    for old, new in (
        ("SOLVED", "SINGULAR"),
        ("0.25", "0.2501"),
        ("[1. 2.]", "[1. 2. 3.]"),
        ("True", "False"),
    ):
        assert run_blocks.differences(shown, shown.replace(old, new))
    assert run_blocks.differences(shown, shown + "more\n")
