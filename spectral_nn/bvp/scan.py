"""The last look before success is claimed: the equations at many points that no node ever saw.

A pulse or a jump narrower than the distance of the nodes leaves no trace in residuals next to them. One evaluation of the
operator at some two thousand points, even ones and ones crowded at the ends of the elements, catches what is wider than
that; a feature narrower than their distance that touches no node and no such point goes unseen by any method that samples.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from . import mesh_kernels
from .mesh import Mesh, integrals
from .resolve import scales
from .system import Evaluation

EVEN = 1500
"""Even points over the domain; elements get at least `FEWEST` each."""
FEWEST = 8
CROWDED = np.logspace(-6, -2, 13)
"""Distances from the ends of an element, in units of it."""


def scan(ev: Evaluation, rhs: Any, tol: float) -> Mesh | None:
    """The mesh with breakpoints around every point where the equations are not met, or None if they are."""
    problem, state = ev.problem, ev.state
    mesh = state.mesh
    per_element = max(FEWEST, 1 << int(np.log2(max(1, EVEN // mesh.E))))
    tau, V = _reference(per_element, mesh.p, int(mesh.orders.max(initial=0)))
    values = np.empty((int(mesh.slot[-1]), mesh.E, tau.size), dtype=state.W.dtype)
    mesh_kernels.fields(state.Z, state.W, mesh.half, mesh.orders, mesh.zoff, mesh.slot, V, tau, values)
    values = values.reshape(values.shape[0], -1)
    x = (mesh.t[:-1, None] + mesh.half[:, None] * tau).ravel()
    with np.errstate(all="ignore"):
        lin = problem.trace(x, lambda j, k: values[mesh.slot[j] + k], state.lam, rhs, values_only=True)
        bad = np.zeros((mesh.E, tau.size), dtype=bool)
        for i, r in enumerate(lin.residual):
            size = np.abs(np.broadcast_to(r, x.shape)).reshape(bad.shape)
            bad |= ~(size <= max(tol, 1e-12) * scales(ev)[i][:, None])
    if not bad.any():
        return None
    at = np.flatnonzero(bad.ravel())
    new = np.concatenate([mesh.t, x[np.maximum(at - 1, 0)], x[np.minimum(at + 1, x.size - 1)]])
    t = np.unique(new)
    t = t[np.concatenate([[True], np.diff(t) > 1e-13 * (t[-1] - t[0])])]
    t[-1] = mesh.t[-1]
    return None if t.size == mesh.t.size else Mesh(t, mesh.p, mesh.orders)


@lru_cache(maxsize=32)
def _reference(n: int, p: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (q,) of the reference element [0, 2], and the matrices (K + 1, q, p) that evaluate there."""
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    crowded = CROWDED[CROWDED < 0.5 / n] if n > 1 else CROWDED
    tau = 2.0 * np.unique(np.concatenate([(np.arange(n) + golden) / n, crowded, 1.0 - crowded]))
    return tau, integrals(tau - 1.0, p, K)
