"""The last look before success is claimed: the equations at many points that no node ever saw.

A pulse or a jump narrower than the distance of the nodes leaves no trace in residuals next to them. One evaluation of the
operator at a few thousand points, even ones and ones crowded at the ends and breakpoints, catches what is wider than that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .mesh import Mesh
from .resolve import scales
from .system import Evaluation

EVEN = 1500
CROWDED = np.logspace(-6, -2, 21)
"""Distances from the ends, in units of the domain."""


def scan(ev: Evaluation, rhs: Any, tol: float) -> Mesh | None:
    """The mesh with breakpoints around every point where the equations are not met, or None if they are."""
    problem, state = ev.problem, ev.state
    mesh = state.mesh
    a, b = problem.domain
    x = a + (b - a) * _points()
    element = mesh.locate(x)
    values = state.fields_at(x, element)
    with np.errstate(all="ignore"):
        lin = problem.trace(x, lambda j, k: values[mesh.slot[j] + k], state.lam, rhs, values_only=True)
        sizes = scales(ev)
        relative = np.zeros(x.size)
        for i, r in enumerate(lin.residual):
            relative = np.maximum(relative, np.nan_to_num(np.abs(r), nan=np.inf) / sizes[i, element])
    bad = np.flatnonzero(relative > max(tol, 1e-12))
    if bad.size == 0:
        return None
    new = np.concatenate([mesh.t, x[np.maximum(bad - 1, 0)], x[np.minimum(bad + 1, x.size - 1)]])
    t = np.unique(new)
    t = t[np.concatenate([[True], np.diff(t) > 1e-13 * (b - a)])]
    t[-1] = b
    return None if t.size == mesh.t.size else Mesh(t, mesh.p, mesh.orders)


@lru_cache(maxsize=1)
def _points() -> np.ndarray:
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    even = (np.arange(EVEN) + golden) / EVEN
    points = np.unique(np.concatenate([even, CROWDED * golden, 1.0 - CROWDED * golden]))
    points.flags.writeable = False
    return points
