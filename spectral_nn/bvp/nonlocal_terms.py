"""Terms that couple distant points, ``u(x/2)`` and integral kernels, as dense rows on the unknowns of a mesh.

Kernels may have a kink at t = x (Green's functions do): on the element of x the integral is split there, each part with
Gauss-Legendre points of its own; on the other elements the nodes' quadrature serves.
"""

from __future__ import annotations

import numpy as np

from ..chebyshev.matrices import integration, interpolation
from .mesh import Mesh, State, taylor_powers
from .trace import FunctionTerm


def nonlocal_rows(
    term: FunctionTerm, mesh: Mesh, S: int, xi: np.ndarray, points: np.ndarray | None
) -> np.ndarray:
    """The term at reference points xi (q,) of every element, as a matrix (E q, n) on the block system's unknowns.

    Parameters
    ----------
    S : int
        States in all (functions, scalars, accumulators): the unknowns of element e start at ``e (S + m p)``.
    points : array (E q,), optional
        For compositions: where the source is evaluated.
    """
    assert term.source is not None
    if term.kind == "at":
        assert points is not None
        return _compositions(term.source, mesh, S, points)
    return _kernel(term, mesh, S, xi)


def pack(state: State, S: int) -> np.ndarray:
    """A state as a vector of the block system (accumulators zero)."""
    mesh = state.mesh
    step, P = S + mesh.m * mesh.p, state.lam.size
    x = np.zeros(mesh.E * step + S, dtype=state.W.dtype)
    parts = x[: mesh.E * step].reshape(mesh.E, step)
    parts[:, : mesh.D] = state.Z[:-1]
    parts[:, mesh.D : mesh.D + P] = state.lam
    parts[:, S:] = state.W.reshape(mesh.E, -1)
    x[mesh.E * step :][: mesh.D] = state.Z[-1]
    x[mesh.E * step :][mesh.D : mesh.D + P] = state.lam
    return x


def _compositions(source: tuple[int, int], mesh: Mesh, S: int, points: np.ndarray) -> np.ndarray:
    a, b = mesh.t[0], mesh.t[-1]
    slack = 1e-12 * (b - a)
    if not ((points >= a - slack) & (points <= b + slack)).all():
        raise ValueError(
            f"op: u(points) asks for x = {points[np.argmax(np.abs(points - (a + b) / 2))]:g}, "
            f"outside of the domain [{a:g}, {b:g}]"
        )
    points = np.clip(points, a, b)
    out = np.zeros((points.size, _size(mesh, S)))
    element = mesh.locate(points)
    for e in np.unique(element):
        at = np.flatnonzero(element == e)
        _place(
            out, at, mesh, S, e, _element_rows(source, mesh, e, (points[at] - mesh.t[e]) / mesh.half[e] - 1.0)
        )
    return out


def _kernel(term: FunctionTerm, mesh: Mesh, S: int, xi: np.ndarray) -> np.ndarray:
    assert term.source is not None
    q, p = xi.size, mesh.p
    x = mesh.t[:-1, None] + mesh.half[:, None] * (xi + 1.0)
    nodes = mesh.x.reshape(mesh.E, p)
    gauss, weights = np.polynomial.legendre.leggauss(p + 4)
    kind = np.result_type(float, np.asarray(term.map(x[:1, :1], nodes[:1, :1])))
    out = np.zeros((mesh.E * q, _size(mesh, S)), kind)
    at_nodes = [_element_rows(term.source, mesh, e, mesh.ref.nodes) for e in range(mesh.E)]
    for e in range(mesh.E):
        at = e * q + np.arange(q)
        for other in range(mesh.E if not term.volterra else e):
            if other != e:
                K = _values(term, x[e][:, None], nodes[other][None, :]) * (
                    mesh.half[other] * mesh.ref.weights
                )
                _place(out, at, mesh, S, other, K @ at_nodes[other])
        for low, high in ((-np.ones(q), xi), (xi, np.ones(q)))[: 1 if term.volterra else 2]:
            s = 0.5 * (high - low)[:, None] * (gauss + 1.0) + low[:, None]
            w = 0.5 * (high - low)[:, None] * weights * mesh.half[e]
            K = _values(term, x[e][:, None], mesh.t[e] + mesh.half[e] * (s + 1.0)) * w
            rows = _element_rows(term.source, mesh, e, s.ravel()).reshape(q, gauss.size, -1)
            _place(out, at, mesh, S, e, np.einsum("qg,qgc->qc", K, rows))
    return out


def _values(term: FunctionTerm, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, t.shape)
    values = np.broadcast_to(np.asarray(term.map(x, t)) * 1.0, shape)
    if not np.isfinite(values).all():
        i = np.argwhere(~np.isfinite(values))[0]
        where = np.broadcast_to(x, shape)[tuple(i)], np.broadcast_to(t, shape)[tuple(i)]
        raise ValueError(
            f"op: the kernel is not finite at (x, t) = ({where[0]:g}, {where[1]:g}); expected finite values"
        )
    return values


def _element_rows(source: tuple[int, int], mesh: Mesh, e: int, xi: np.ndarray) -> np.ndarray:
    """u_j^(k) at reference points of element e: rows (q, D + m p) on [Z[e], W[e]]."""
    j, k = source
    r = int(mesh.orders[j]) - k
    h = mesh.half[e]
    rows = np.zeros((xi.size, mesh.D + mesh.m * mesh.p))
    at = mesh.D + j * mesh.p
    rows[:, at : at + mesh.p] = h**r * integration(mesh.p, 1, r, xi) if r else interpolation(xi, mesh.p, 1)
    rows[:, mesh.zoff[j] + k : mesh.zoff[j] + k + r] = taylor_powers(h * (xi + 1.0), r).T
    return rows


def _place(out: np.ndarray, at: np.ndarray, mesh: Mesh, S: int, e: int, rows: np.ndarray) -> None:
    first = e * (S + mesh.m * mesh.p)
    out[at, first : first + mesh.D] += rows[:, : mesh.D]
    out[at, first + S : first + S + mesh.m * mesh.p] += rows[:, mesh.D :]


def _size(mesh: Mesh, S: int) -> int:
    return mesh.E * (S + mesh.m * mesh.p) + S
