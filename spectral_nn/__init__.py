"""Chebop for Python: boundary value problems to spectral accuracy, linear solvers as plugins, l_p minimization.

The public names load on first use, so that ``import spectral_nn`` costs nothing but numpy.
"""

from __future__ import annotations

import importlib
import logging
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bvp import BVP, BVPResult, Status, continuation, deflate, solve_bvp
    from .chebyshev import ChebSeries
    from .linear import LinearSolution, LinearSystem, linear_solvers, select_linear_solver, solve_linear
    from .lp import LpProblem, LpResult, LpTerm, minimize_lp, minimize_lp_batch

_HOME = {
    "bvp": ("BVP", "BVPResult", "Status", "continuation", "deflate", "solve_bvp"),
    "chebyshev": ("ChebSeries",),
    "linear": ("LinearSolution", "LinearSystem", "linear_solvers", "select_linear_solver", "solve_linear"),
    "lp": ("LpProblem", "LpResult", "LpTerm", "minimize_lp", "minimize_lp_batch"),
}
_ROOM_OF = {name: room for room, names in _HOME.items() for name in names}

__all__ = [
    "BVP",
    "BVPResult",
    "ChebSeries",
    "LinearSolution",
    "LinearSystem",
    "LpProblem",
    "LpResult",
    "LpTerm",
    "Status",
    "continuation",
    "deflate",
    "linear_solvers",
    "minimize_lp",
    "minimize_lp_batch",
    "select_linear_solver",
    "solve_bvp",
    "solve_linear",
]

try:
    __version__ = version("spectral-nn")
except PackageNotFoundError:  # a bare checkout on sys.path
    __version__ = "0+unknown"

logging.getLogger("spectral_nn").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'spectral_nn' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_ROOM_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
