"""A mesh of elements, and functions on it: highest derivatives at Chebyshev points, states at the breakpoints.

Every function of order d is its d-fold integral, so nothing is ever differentiated numerically (docs/architecture.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from ..chebyshev.grid import points, quadrature_weights
from ..chebyshev.matrices import integration, interpolation
from ..chebyshev.series import ChebSeries
from ..chebyshev.transform import values_to_coefficients


@dataclass(frozen=True)
class Reference:
    """Matrices of the reference element with p nodes, for derivatives up to some order K."""

    nodes: np.ndarray
    """(p,) Chebyshev points of the first kind, ascending."""
    V: np.ndarray
    """(K + 1, p, p): r-fold integral from the left end, at the nodes."""
    right: np.ndarray
    """(K + 1, p): r-fold integral at the right end."""
    weights: np.ndarray
    """(p,) Fejér's quadrature weights."""
    to_coefficients: np.ndarray
    """(p, p)"""
    between: np.ndarray
    """(q,) points between the nodes, where residuals are judged: two sets, the first has p + 1 points."""
    V_between: np.ndarray
    """(K + 1, q, p)"""


@lru_cache(maxsize=64)
def reference(p: int, K: int) -> Reference:
    """The reference element, made once for each p."""
    nodes = points(p, 1)
    # First set: zeros of U_{p+1}, near the extremes of the nodal polynomial T_p. Second: an unrelated, even spread.
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    first = -np.cos(np.pi * np.arange(1, p + 2) / (p + 2))
    second = 2.0 * (np.arange(p // 2) + golden) / (p // 2) - 1.0
    between = np.concatenate([first, second])
    return Reference(
        nodes,
        integrals(nodes, p, K),
        integrals(np.array([1.0]), p, K)[:, 0],
        quadrature_weights(p, 1),
        values_to_coefficients(np.eye(p), 1, 0),
        between,
        integrals(between, p, K),
    )


def integrals(x: np.ndarray, p: int, K: int) -> np.ndarray:
    """(K + 1, x.size, p): interpolation, and integration from −1 up to K times, to the points x of [−1, 1]."""
    return np.ascontiguousarray([interpolation(x, p, 1)] + [integration(p, 1, r, x) for r in range(1, K + 1)])


class Mesh:
    """Elements t[0] < … < t[E] with p nodes each, for unknowns of given orders.

    Parameters
    ----------
    t : array (E + 1,)
    p : int
    orders : sequence of m int
    """

    def __init__(self, t: np.ndarray, p: int, orders: Any):
        self.t, self.p = np.ascontiguousarray(t, dtype=float), p
        self.orders = np.asarray(orders, dtype=np.int64)
        self.m, self.E = len(orders), self.t.size - 1
        self.zoff = np.concatenate([[0], np.cumsum(self.orders)])
        self.slot = np.concatenate([[0], np.cumsum(self.orders + 1)])
        self.D = int(self.zoff[-1])
        self.ref = reference(p, int(self.orders.max(initial=0)))
        self.half = 0.5 * np.diff(self.t)
        # Rows of `State.fields` by which Newton steps are measured: all states, and unknowns of order 0.
        self.measured_order = np.concatenate([np.arange(max(d, 1)) for d in self.orders])
        self.measured = np.repeat(self.slot[:-1], np.maximum(self.orders, 1)) + self.measured_order
        self.kept: dict[Any, np.ndarray] = {}  # rows of nonlocal terms

    @cached_property
    def x(self) -> np.ndarray:
        """(E p,) nodes, ascending."""
        return (self.t[:-1, None] + self.half[:, None] * (self.ref.nodes + 1.0)).ravel()

    @cached_property
    def x_between(self) -> np.ndarray:
        """(E q,) points where residuals are judged."""
        return (self.t[:-1, None] + self.half[:, None] * (self.ref.between + 1.0)).ravel()

    @cached_property
    def weights(self) -> np.ndarray:
        """(E p,) quadrature weights at the nodes."""
        return (self.half[:, None] * self.ref.weights).ravel()

    def locate(self, x: np.ndarray) -> np.ndarray:
        """Element of each point; a breakpoint belongs to the element on its right."""
        return np.clip(np.searchsorted(self.t, x, side="right") - 1, 0, self.E - 1)

    def row(self, j: int, k: int, x0: float, element: int | None = None) -> tuple[int, np.ndarray]:
        """The functional u_j^(k)(x0) as (element e, row (D + m p,) on [Z[e], W[e]])."""
        e = int(self.locate(np.array([x0]))[0]) if element is None else element
        d, h = int(self.orders[j]), self.half[e]
        xi = np.array([np.clip((x0 - self.t[e]) / h - 1.0, -1.0, 1.0)])
        row = np.zeros(self.D + self.m * self.p)
        at = self.D + j * self.p
        r = d - k
        row[at : at + self.p] = (
            h**r * (integration(self.p, 1, r, xi) if r else interpolation(xi, self.p, 1))[0]
        )
        row[self.zoff[j] + k : self.zoff[j] + d] = taylor_powers((xi[0] + 1.0) * h, r)
        return e, row

    def integral_row(self, j: int, k: int, weights: np.ndarray) -> np.ndarray:
        """The functional Σ weights·u_j^(k)(nodes) as rows (E, D + m p)."""
        d, g = int(self.orders[j]), weights.reshape(self.E, self.p)
        r = d - k
        rows = np.zeros((self.E, self.D + self.m * self.p), dtype=g.dtype)
        at = self.D + j * self.p
        rows[:, at : at + self.p] = self.half[:, None] ** r * (g @ self.ref.V[r]) if r else g
        term = g
        for i in range(r):
            rows[:, self.zoff[j] + k + i] = term.sum(axis=1)
            term = term * (self.half[:, None] * (self.ref.nodes + 1.0)) / (i + 1)
        return rows


class State:
    """Functions and scalars on a mesh: ``Z`` (E + 1, D), ``W`` (E, m, p), ``lam`` (P,)."""

    def __init__(self, mesh: Mesh, Z: np.ndarray, W: np.ndarray, lam: np.ndarray):
        self.mesh, self.Z, self.W, self.lam = mesh, Z, W, lam

    @classmethod
    def zeros(cls, mesh: Mesh, n_scalars: int, dtype: Any = float) -> State:
        """Every function and scalar zero."""
        return cls(
            mesh,
            np.zeros((mesh.E + 1, mesh.D), dtype),
            np.zeros((mesh.E, mesh.m, mesh.p), dtype),
            np.zeros(n_scalars, dtype),
        )

    def plus(self, step: State, factor: float = 1.0) -> State:
        """This state moved along a Newton step."""
        return State(
            self.mesh, self.Z + factor * step.Z, self.W + factor * step.W, self.lam + factor * step.lam
        )

    def fields(self, between: bool = False) -> np.ndarray:
        """Values (Σ(d_j + 1), E q) of all derivatives at the nodes, or at the points between them; see `pick`."""
        from . import mesh_kernels

        mesh, ref = self.mesh, self.mesh.ref
        V, xi = (ref.V_between, ref.between) if between else (ref.V, ref.nodes)
        out = np.empty((int(mesh.slot[-1]), mesh.E, xi.size), dtype=self.W.dtype)
        mesh_kernels.fields(self.Z, self.W, mesh.half, mesh.orders, mesh.zoff, mesh.slot, V, xi + 1.0, out)
        return out.reshape(out.shape[0], -1)

    def fields_at(self, x: np.ndarray, element: np.ndarray) -> np.ndarray:
        """Values (Σ(d_j + 1), n) of all derivatives at any points (n,) in the given elements."""
        from . import mesh_kernels

        mesh = self.mesh
        coefs = np.ascontiguousarray(self.W @ mesh.ref.to_coefficients.T)
        out = np.empty((int(mesh.slot[-1]), x.size), dtype=self.W.dtype)
        highest = np.empty((mesh.m, x.size), dtype=self.W.dtype)
        mesh_kernels.highest_at(coefs, mesh.t, element, x, highest)
        states = np.empty((x.size, mesh.D), dtype=self.W.dtype)
        mesh_kernels.states_at(coefs, self.Z, mesh.t, mesh.orders, mesh.zoff, element, x, states)
        for j, d in enumerate(mesh.orders):
            out[mesh.slot[j] : mesh.slot[j] + d] = states[:, mesh.zoff[j] : mesh.zoff[j] + d].T
            out[mesh.slot[j] + d] = highest[j]
        return out

    def at(self, j: int, k: int, x0: float) -> Any:
        """u_j^(k)(x0)."""
        mesh = self.mesh
        if k < mesh.orders[j]:
            if x0 == mesh.t[0]:
                return self.Z[0, mesh.zoff[j] + k]
            if x0 == mesh.t[-1]:
                return self.Z[-1, mesh.zoff[j] + k]
        e, row = mesh.row(j, k, x0)
        return row[: mesh.D] @ self.Z[e] + row[mesh.D :] @ self.W[e].ravel()

    def to_mesh(self, mesh: Mesh) -> State:
        """The same functions on another mesh, by interpolation of the highest derivatives."""
        from . import mesh_kernels

        old = self.mesh
        coefs = np.ascontiguousarray(self.W @ old.ref.to_coefficients.T)
        x = mesh.x
        W = np.empty((mesh.m, x.size), dtype=self.W.dtype)
        mesh_kernels.highest_at(coefs, old.t, old.locate(x), x, W)
        Z = np.empty((mesh.E + 1, mesh.D), dtype=self.Z.dtype)
        mesh_kernels.states_at(coefs, self.Z, old.t, old.orders, old.zoff, old.locate(mesh.t), mesh.t, Z)
        Z[0], Z[-1] = self.Z[0], self.Z[-1]
        W = np.ascontiguousarray(W.reshape(mesh.m, mesh.E, mesh.p).transpose(1, 0, 2))
        return State(mesh, Z, W, self.lam.copy())

    def series(self, j: int) -> ChebSeries:
        """Unknown j as a piecewise Chebyshev series, which knows its derivatives as integrals of the highest one."""
        return self._derivative(j, 0).with_derivatives(partial(self._derivative, j), int(self.mesh.orders[j]))

    def _derivative(self, j: int, k: int) -> ChebSeries:
        """u_j^(k), of degree p − 1 + d_j − k."""
        mesh, d = self.mesh, int(self.mesh.orders[j]) - k
        from_nodes, from_state = _to_series(mesh.p, d)
        half = mesh.half[:, None]
        first = mesh.zoff[j] + k
        coefs = (half**d * self.W[:, j]) @ from_nodes
        coefs += (half ** np.arange(d) * self.Z[:-1, first : first + d]) @ from_state
        return ChebSeries(mesh.t, coefs)


@lru_cache(maxsize=64)
def _to_series(p: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """(p, p + d) and (d, p + d): Chebyshev coefficients of the d-fold integral of nodal values, and of (ξ + 1)^i / i!."""
    xi = points(p + d, 1)
    V = integration(p, 1, d, xi) if d else interpolation(xi, p, 1)
    powers = values_to_coefficients(taylor_powers(xi + 1.0, d), 1, 1) if d else np.empty((0, p))
    return values_to_coefficients(V, 1, 0).T, powers


def taylor_powers(step: np.ndarray, r: int) -> np.ndarray:
    """(r, …): step^i / i! for i < r."""
    out = np.ones((r, *np.shape(step)))
    for i in range(1, r):
        out[i] = out[i - 1] * step / i
    return out
