"""A pytest plugin: ``Problem.solve`` goes to ``newton_lp`` first, and to CVXPY where the method refuses.

python -m pytest -p routed_to_newton_lp path/to/cvxpy/tests/test_power_atom.py
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import cvxpy as cp
import spectral_nn_cvxpy

# Options that mean the same here; a solve with others is about a particular solver and stays with it.
COMMON = {"solver", "verbose", "warm_start", "ignore_dpp", "enforce_dpp"}

_original = cp.Problem.solve
_counts: Counter[str] = Counter()


def _solve(self: cp.Problem, *args: Any, **options: Any) -> Any:
    if args or not set(options) <= COMMON:
        return _original(self, *args, **options)
    plain = {name: value for name, value in options.items() if name != "solver"}
    try:
        value = spectral_nn_cvxpy.solve(self, **plain)
    except spectral_nn_cvxpy.Refused:
        _counts["refused"] += 1
        return _original(self, *args, **options)
    _counts["solved"] += 1
    return value


cp.Problem.solve = _solve


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"newton_lp solved {_counts['solved']} refused {_counts['refused']}")
