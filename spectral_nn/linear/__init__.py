"""A x = b, and who may solve it: the slot, the built-in solvers, the registry and the certificate."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .interface import (
    ItemReports,
    LinearSolution,
    LinearSolver,
    LinearStatus,
    LinearSystem,
    Traits,
    matrix_of,
    structure_of,
)

if TYPE_CHECKING:
    from .banded import Banded
    from .certify import Certified, factor
    from .registry import linear_solvers, resolve
    from .select import select_linear_solver
    from .solve import solve_linear

_HOME = {
    "Banded": "banded",
    "Certified": "certify",
    "factor": "certify",
    "linear_solvers": "registry",
    "resolve": "registry",
    "select_linear_solver": "select",
    "solve_linear": "solve",
}

__all__ = [
    "Banded", "Certified", "ItemReports", "LinearSolution", "LinearSolver", "LinearStatus", "LinearSystem",
    "Traits", "factor", "linear_solvers", "matrix_of", "resolve", "select_linear_solver", "solve_linear",
    "structure_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spectral_nn.linear' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
