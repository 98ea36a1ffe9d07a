"""The last look before success is claimed: the equations at many points that no node ever saw.

A pulse or a jump narrower than the distance of the nodes leaves no trace in residuals next to them. One evaluation of the
operator at some two thousand points, even ones and ones crowded at the ends of the elements, catches what is wider than
that; a feature narrower than their distance that touches no node and no such point goes unseen by any method that samples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .mesh import Mesh, integrals
from .resolve import scales
from .system import Evaluation

EVEN = 1500
"""Even points over the domain; elements get at least `FEWEST` each."""
FEWEST = 8
CROWDED = np.logspace(-6, -2, 13)
"""Distances from the ends of an element, in units of it."""
TOUCHING = 1e-12
"""Distance of the points next to each breakpoint, in units of the largest |x|: a wider sliver beyond a jump is seen."""
SHARP = 1e-9
"""Relative residuals above this (and 100 tol) mean that the equations are other ones there, not that they are unresolved."""


def scan(ev: Evaluation, rhs: Any, tol: float) -> Mesh | None:
    """The mesh with breakpoints around every place where the equations are not met, or None if they are.

    Where the residual is large the equations themselves change; the place is found to the last digit by bisection.
    """
    mesh = ev.state.mesh
    look = _Look(ev, rhs)
    x, relative, touching = look.everywhere()
    sharp_limit = max(100.0 * tol, SHARP)
    limit = np.where(touching, sharp_limit, max(tol, 1e-12))
    bad = ~(relative <= limit)
    if not bad.any():
        return None
    length = mesh.t[-1] - mesh.t[0]
    sharp = ~(relative <= sharp_limit)
    places = np.flatnonzero(sharp[:-1] != sharp[1:])
    edges = _bisect(lambda y: ~(look.at(y) <= sharp_limit), x[places], x[places + 1], sharp[places])
    vague = np.flatnonzero(bad & ~sharp)
    near = np.concatenate([x[np.maximum(vague - 1, 0)], x[np.minimum(vague + 1, x.size - 1)]])
    near = near[np.abs(near[:, None] - mesh.t).min(axis=1, initial=np.inf) > 1e-9 * length]
    t = np.unique(np.concatenate([mesh.t, edges, near]))
    t = t[np.concatenate([[True], np.diff(t) > 1e-13 * length])]
    t[-1] = mesh.t[-1]
    return None if t.size == mesh.t.size else Mesh(t, mesh.p, mesh.orders)


class _Look:
    """The residual of the equations relative to the size of their terms, anywhere."""

    def __init__(self, ev: Evaluation, rhs: Any):
        self.ev, self.rhs, self.sizes = ev, rhs, scales(ev)

    def everywhere(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (n,), ascending, the relative residual there, and which of them touch a breakpoint."""
        from . import mesh_kernels

        state, mesh = self.ev.state, self.ev.state.mesh
        per_element = max(FEWEST, 1 << int(np.log2(max(1, EVEN // mesh.E))))
        tau, V = _reference(per_element, mesh.p, int(mesh.orders.max(initial=0)))
        inside = np.empty((int(mesh.slot[-1]), mesh.E, tau.size), dtype=state.W.dtype)
        mesh_kernels.fields(state.Z, state.W, mesh.half, mesh.orders, mesh.zoff, mesh.slot, V, tau, inside)
        step = TOUCHING * np.abs(mesh.t).max()
        ends = np.stack([mesh.t[:-1] + step, mesh.t[1:] - step], axis=1).ravel()
        elements = np.arange(mesh.E)
        x = np.concatenate([(mesh.t[:-1, None] + mesh.half[:, None] * tau).ravel(), ends])
        element = np.concatenate([np.repeat(elements, tau.size), np.repeat(elements, 2)])
        values = np.concatenate(
            [inside.reshape(inside.shape[0], -1), state.fields_at(ends, element[-ends.size :])], axis=1
        )
        relative = self._relative(x, element, values)
        order = np.argsort(x)
        return x[order], relative[order], order >= x.size - ends.size

    def at(self, x: np.ndarray) -> np.ndarray:
        """The relative residual at points x (n,)."""
        element = self.ev.state.mesh.locate(x)
        return self._relative(x, element, self.ev.state.fields_at(x, element))

    def _relative(self, x: np.ndarray, element: np.ndarray, values: np.ndarray) -> np.ndarray:
        problem, state = self.ev.problem, self.ev.state
        slot = state.mesh.slot
        worst = np.zeros(x.size)
        with np.errstate(all="ignore"):
            lin = problem.trace(x, lambda j, k: values[slot[j] + k], state.lam, self.rhs, values_only=True)
            for i, r in enumerate(lin.residual):
                worst = np.maximum(worst, np.nan_to_num(np.abs(r), nan=np.inf) / self.sizes[i, element])
        return worst


def _bisect(bad: Callable, low: np.ndarray, high: np.ndarray, low_is_bad: np.ndarray) -> np.ndarray:
    """Where ``bad`` changes between low and high, to the last digit; all places at once."""
    for _ in range(64 if low.size else 0):
        middle = 0.5 * (low + high)
        same = bad(middle) == low_is_bad
        low, high = np.where(same, middle, low), np.where(same, high, middle)
        if (high <= np.nextafter(low, np.inf)).all():
            break
    return high


@lru_cache(maxsize=32)
def _reference(n: int, p: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (q,) of the reference element [0, 2], and the matrices (K + 1, q, p) that evaluate there."""
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    crowded = CROWDED[CROWDED < 0.5 / n]
    tau = 2.0 * np.unique(np.concatenate([(np.arange(n) + golden) / n, crowded, 1.0 - crowded]))
    return tau, integrals(tau - 1.0, p, K)
