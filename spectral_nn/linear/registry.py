"""Who may solve: built-in solvers, and plugins found by their entry points.

A distribution offers a solver by an entry point in the group ``spectral_nn.linear_solvers``. The list of
names is read from package metadata, so no plugin is imported before it is used. A plugin that cannot be
loaded is warned about with the cause, stays listed as broken, and harms nobody else; with the environment
variable ``SPECTRAL_NN_STRICT_PLUGINS=1`` it raises instead.
"""

from __future__ import annotations

import difflib
import importlib
import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from .interface import LinearSolver, Traits

GROUP = "spectral_nn.linear_solvers"
STRICT_VARIABLE = "SPECTRAL_NN_STRICT_PLUGINS"
DISTRIBUTION = "spectral-nn"

#: Known without metadata, so that a bare checkout works and looking one up reads no files.
BUILT_IN = {
    "auto": "spectral_nn.linear.select:Auto",
    "lu": "spectral_nn.linear.direct:LU",
    "qr": "spectral_nn.linear.direct:QR",
    "cholesky": "spectral_nn.linear.direct:Cholesky",
    "triangular": "spectral_nn.linear.direct:Triangular",
    "banded": "spectral_nn.linear.banded:BandedLU",
    "almost_banded": "spectral_nn.linear.almost_banded:AlmostBandedQR",
    "block": "spectral_nn.linear.block:BlockLU",
    "gmres": "spectral_nn.linear.krylov:GMRES",
    "fgmres": "spectral_nn.linear.krylov:FGMRES",
    "cg": "spectral_nn.linear.krylov:CG",
    "tikhonov": "spectral_nn.linear.regularized:Tikhonov",
}


class SolverUnavailable(ImportError):
    """The solver asked for is known but cannot be used: broken, or something it requires is missing."""


class SolverEntry:
    """One line of the table: where a solver comes from, and whether it can be used.

    Attributes
    ----------
    name, target, distribution, version : str
        Name in the slot, ``module:object``, and who supplies it.
    """

    def __init__(self, name: str, target: str, distribution: str, version: str) -> None:
        self.name, self.target, self.distribution, self.version = name, target, distribution, version
        self._solver: LinearSolver | None = None
        self._cause: BaseException | None = None

    @property
    def state(self) -> str:
        """ "ready", "needs torch" (a required module is missing) or "broken: the cause". Loads the entry."""
        solver = self._try_load()
        if solver is None:
            return f"broken: {_cause_text(self._cause)}"
        missing = _missing(solver.traits)
        return f"needs {', '.join(missing)}" if missing else "ready"

    @property
    def traits(self) -> Traits | None:
        """The solver's traits; None if it is broken. Loads the entry."""
        solver = self._try_load()
        return None if solver is None else solver.traits

    @property
    def summary(self) -> str:
        """What it is, in a line; empty if it is broken. Loads the entry."""
        return self.traits.summary if self.traits else ""

    def load(self) -> LinearSolver:
        """The solver object; raises `SolverUnavailable` with the cause."""
        solver = self._try_load()
        who = f"solver {self.name!r} ({self.distribution} {self.version})"
        if solver is None:
            raise SolverUnavailable(
                f"{who} is broken: {_cause_text(self._cause)}. Reinstall or remove that distribution."
            ) from self._cause
        missing = _missing(solver.traits)
        if missing:
            names = ", ".join(missing)
            raise SolverUnavailable(
                f"{who} needs {names}, not installed here; pip install {' '.join(missing)}"
            )
        return solver

    def __repr__(self) -> str:
        return (
            f"SolverEntry({self.name!r}, {self.target!r}, {self.distribution} {self.version}, {self.state})"
        )

    def _try_load(self) -> LinearSolver | None:
        if self._solver is None and self._cause is None:
            try:
                self._solver = _as_solver(_import_object(self.target))
            except Exception as error:  # a plugin may fail in any way; it must not take others along
                self._cause = error
                _complain(
                    f"linear solver plugin {self.name!r} ({self.target}, distribution {self.distribution} "
                    f"{self.version}) could not be loaded: {_cause_text(error)}",
                    error,
                )
        return self._solver


class SolverTable(Mapping[str, SolverEntry]):
    """Names to `SolverEntry`; names come from metadata alone, printing loads the light classes."""

    def __init__(self, entries: dict[str, SolverEntry]) -> None:
        self._entries = entries

    def __getitem__(self, name: str) -> SolverEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        rows = [("name", "distribution", "version", "state", "summary")]
        rows += [(e.name, e.distribution, e.version, e.state, e.summary) for e in self.values()]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join(
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]
            ).rstrip()
            for row in rows
        )


def linear_solvers() -> SolverTable:
    """Every linear solver that is built in or installed.

    Returns
    -------
    SolverTable
        A mapping from name to `SolverEntry` (distribution, version, state, summary, traits). Names are known
        without importing any plugin; an entry's state, summary and traits load its (light) class.

    Examples
    --------
    >>> from spectral_nn import linear_solvers
    >>> "lu" in linear_solvers()
    True
    >>> linear_solvers()["lu"].distribution
    'spectral-nn'
    """
    return SolverTable(dict(_entries()))


def resolve(solver: str | LinearSolver) -> LinearSolver:
    """The solver object for a name; an object is checked and handed through.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what is installed and the nearest match.
    TypeError
        For an object that is no solver; the message says what it lacks.
    SolverUnavailable
        If the solver is broken or something that it requires is not installed (an ImportError).
    """
    if not isinstance(solver, str):
        return _as_solver(solver)
    entry = _built_in(solver) if solver in BUILT_IN else _entries().get(solver)
    if entry is None:
        known = sorted(_entries())
        close = difflib.get_close_matches(solver, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"solver: {solver!r} is not installed.{hint} Installed: {', '.join(known)}. "
            "More come as plugins, such as spectral-nn-algebraformer; see docs/plugins.md."
        )
    return entry.load()


def refresh() -> None:
    """Forget what was found, so that a distribution installed meanwhile is seen."""
    _entries.cache_clear()
    _built_in.cache_clear()


@lru_cache(maxsize=1)
def _entries() -> dict[str, SolverEntry]:
    found: dict[str, SolverEntry] = {name: _built_in(name) for name in BUILT_IN}
    plugins = {(p.name, p.value, *_origin(p)) for p in entry_points(group=GROUP)}
    for name, target, distribution, version in sorted(plugins):
        if distribution == DISTRIBUTION:
            continue  # ours: BUILT_IN is the truth, a stale install is not
        if name in found:
            first = found[name]
            _complain(
                f"linear solver {name!r} is offered by {first.distribution} ({first.target}) and by "
                f"{distribution} ({target}); the first is used. Uninstall one of them."
            )
            continue
        found[name] = SolverEntry(name, target, distribution, version)
    return found


@cache
def _built_in(name: str) -> SolverEntry:
    from .. import __version__

    return SolverEntry(name, BUILT_IN[name], DISTRIBUTION, __version__)


def _origin(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown distribution", "?")


def _import_object(target: str) -> Any:
    module, _, path = target.partition(":")
    value: Any = importlib.import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _as_solver(candidate: Any) -> LinearSolver:
    solver = candidate() if isinstance(candidate, type) else candidate
    lacking = [a for a in ("name", "traits", "factor", "solve") if not hasattr(solver, a)]
    if lacking:
        raise TypeError(
            f"solver: expected a name or an object with name, traits, factor and solve; "
            f"{type(solver).__name__} lacks {', '.join(lacking)}"
        )
    if not isinstance(solver.traits, Traits):
        raise TypeError(
            f"solver: the traits of {type(solver).__name__} are a {type(solver.traits).__name__}; "
            "expected spectral_nn.linear.Traits"
        )
    return solver


def _missing(traits: Traits) -> list[str]:
    return [module for module in traits.requires if not _importable(module)]


@cache
def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _complain(message: str, cause: BaseException | None = None) -> None:
    if os.environ.get(STRICT_VARIABLE, "") not in ("", "0"):
        raise SolverUnavailable(message) from cause
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def _cause_text(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if error else ""
