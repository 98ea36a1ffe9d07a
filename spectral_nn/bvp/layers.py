"""Boundary layers foreseen: breakpoints where the linearized equation decays away from an end on a short scale.

At each end the frozen system z' = M z has rates, the eigenvalues of M. Those that decay into the domain fast make a layer of
width 1 / |rate|; a few breakpoints there save as many levels of bisection. A layer foreseen in vain costs a few elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .mesh import Mesh, State
from .problem import Problem
from .rates import frozen_rates, may_reach

OFFSETS = np.array([4.0, 12.0, 28.0, 60.0])
"""Breakpoints in units of the layer's width: each element sees a decay it can resolve, and e^-60 times any rate is nothing."""
FAST = 60.0
"""Rates times the length of the end element above which a layer is foreseen: below, refinement gets there at once."""
MAX_STATES = 12
APART = 3.0


def with_layers(problem: Problem, state: State, rhs: Any) -> Mesh:
    """The mesh of a state with breakpoints added in the boundary layers that the linearization there shows."""
    mesh = state.mesh
    if mesh.D == 0 or mesh.D > MAX_STATES or problem.structure.nonlocal_terms:
        return mesh
    a, b = mesh.t[0], mesh.t[-1]
    inset = 1e-7 * (b - a)
    x = np.array([a + inset, b - inset])
    values = np.zeros((int(mesh.slot[-1]), 2)) if problem.linear else state.fields()[:, [0, -1]]
    with np.errstate(all="ignore"):
        lin = problem.trace(x, lambda j, k: values[mesh.slot[j] + k], state.lam, rhs)
    if mesh.m == 1 and not may_reach(lin, int(mesh.orders[0]), 2.0 * FAST / (b - a)):
        return mesh
    added: list[float] = []
    for end, h in ((0, mesh.t[1] - a), (1, b - mesh.t[-2])):
        for rate in _decay_rates(lin, mesh, end, FAST / h):
            offsets = OFFSETS / rate
            offsets = offsets[offsets < 0.5 * h]
            added += list(a + offsets) if end == 0 else list(b - offsets)
    if not added:
        return mesh
    t = np.unique(np.concatenate([mesh.t, added]))
    return Mesh(t[np.concatenate([[True], np.diff(t) > 1e-14 * np.abs(t[1:])])], mesh.p, mesh.orders)


def _decay_rates(lin: Any, mesh: Mesh, end: int, least: float) -> list[float]:
    """Rates above ``least`` at which solutions of the frozen system decay from the end inwards, apart from each other."""
    r = frozen_rates(lin, mesh.orders, end, least) * (1.0 if end else -1.0)
    fast = np.sort(r[(r.real > 0.5 * np.abs(r.imag)) & (r.real > least)].real)[::-1]
    kept: list[float] = []
    for rate in fast:
        if not kept or rate < kept[-1] / APART:
            kept.append(float(rate))
    return kept
