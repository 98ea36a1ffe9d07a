"""One problem, measured: time, achieved error and size of what either library needed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.integrate import solve_bvp as scipy_solve_bvp

from spectral_nn import solve_bvp
from tests.problems import Problem

TARGET = 1e-9  # achieved error, relative to max(1, max |u|)
SCIPY_STARTS = (11, 41)  # points of the first mesh
SCIPY_MAX_NODES = 100_000
PATIENCE = 1.0  # seconds of repeats of one solver on one problem

#: Processor time: the wall's on an idle machine, and not that of other programs on a shared one.
_clock = time.process_time

#: COLNEW with compiled callbacks and analytic Jacobians at tolerance 1e-9, milliseconds: measured before this
#: project on a machine of the same kind, not in this run. None: it fails.
COLNEW_PRIOR: dict[str, float | None] = {
    "T1_1e-06": 0.9,
    "T4_0.001": 1.2,
    "T4_1e-06": 31.0,
    "T15_0.0001": 24.0,
    "T15_1e-06": None,
    "T25_0.001": 1.8,
    "bratu_3.5": 0.5,
    "carrier": 10.0,
    "pendulum": 0.7,
    "painleve_1": 0.4,
    "airy_-30_30": 25.0,
    "helmholtz_100": 10.0,
    "helmholtz_1000": None,
}


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, errors relative to max(1, max |u|)."""

    problem: str
    tags: str
    ms: float
    error: float
    solved: bool
    points: int
    newton: int
    scipy_ms: float
    scipy_error: float
    scipy_solved: bool
    scipy_nodes: int
    scipy_start: int
    colnew_ms: str  # prior measurement; "fails"; or empty where there is none

    @property
    def ratio(self) -> float:
        """How many times faster than SciPy."""
        return self.scipy_ms / self.ms


def measure(problem: Problem, repeats: int = 5, scipy: bool = True) -> Row:
    """One round: the best of a few repeats of either solver."""
    ours = _best(lambda: _ours(problem), repeats)
    other: tuple[Any, ...] = _scipy(problem, repeats) if scipy else (np.nan, np.nan, False, 0, 0)
    prior = COLNEW_PRIOR.get(problem.name, "")
    colnew = "fails" if prior is None else str(prior)
    values: tuple[Any, ...] = (problem.name, " ".join(sorted(problem.tags)), *ours, *other, colnew)
    return Row(*values)


def faster(first: Row | None, second: Row) -> Row:
    """The smaller time of each solver out of two rounds, with what belongs to it."""
    if first is None:
        return second
    ours = first if first.ms <= second.ms else second
    other = second if second.scipy_ms < first.scipy_ms else first  # a round without SciPy has NaN
    return replace(
        ours,
        scipy_ms=other.scipy_ms,
        scipy_error=other.scipy_error,
        scipy_solved=other.scipy_solved,
        scipy_nodes=other.scipy_nodes,
        scipy_start=other.scipy_start,
    )


def _ours(problem: Problem) -> tuple[float, float, bool, int, int]:
    arguments = problem.arguments()
    start = _clock()
    try:
        result = solve_bvp(**arguments)
    except Exception as failure:  # the table must show it, not stop
        warnings.warn(f"{problem.name}: {type(failure).__name__}: {failure}", stacklevel=1)
        return 1e3 * (_clock() - start), np.inf, False, 0, 0
    elapsed = _clock() - start
    error = _error(problem, lambda x: np.asarray(result(x)))
    return 1e3 * elapsed, error, bool(result.success) and error <= TARGET, int(result.n), int(result.nit)


def _scipy(problem: Problem, repeats: int) -> tuple[float, float, bool, int, int]:
    attempts = []
    for nodes in SCIPY_STARTS:
        attempts.append((*_scipy_once(problem, nodes), nodes))
        if attempts[-1][2]:
            again = _best(partial(_scipy_once, problem, nodes), repeats - 1)
            return min(attempts[-1], (*again, nodes))
    return min(attempts)


def _scipy_once(problem: Problem, nodes: int) -> tuple[float, float, bool, int]:
    form = problem.first_order
    assert form is not None
    x = np.linspace(*problem.domain, nodes)
    start = _clock()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = scipy_solve_bvp(form.fun, form.bc, x, form.guess(x), tol=TARGET, max_nodes=SCIPY_MAX_NODES)
    elapsed = _clock() - start
    error = _error(problem, lambda s: _rows(found.sol(s), form.rows))
    return 1e3 * elapsed, error, bool(found.success) and error <= TARGET, int(found.x.size)


def _rows(y: np.ndarray, rows: tuple[int, ...]) -> np.ndarray:
    return y[rows[0]] if len(rows) == 1 else y[list(rows)]


def _error(problem: Problem, evaluate: Callable[[np.ndarray], np.ndarray]) -> float:
    x, reference = problem.reference()
    scale = max(1.0, float(np.abs(reference).max()))
    return float(np.abs(evaluate(x) - reference).max()) / scale


def _best(run: Callable[[], tuple[Any, ...]], repeats: int) -> tuple[Any, ...]:
    """The fastest of the runs: at least two if they are quick, no more once `PATIENCE` is spent."""
    runs, began = [run()], _clock()
    while len(runs) < max(2, repeats) and _clock() - began + runs[0][0] / 1e3 < PATIENCE:
        runs.append(run())
    return min(runs, key=lambda r: r[0])
