"""Rows of dense matrices that are no equation at a node: conditions, scalar terms, compositions, kernels.

They need one thing of a discretization: the rows that evaluate u_j^(k) anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..chebyshev.grid import points, quadrature_weights
from .conditions import Condition
from .expression import ORDERS, Expression
from .trace import FunctionTerm, Structure

#: Entries of a block of evaluation rows that are held at once while kernels are integrated (32 MB).
_BLOCK = 4_000_000


class Space(Protocol):
    """A discretization as these rows see it: N unknowns, the p scalar ones last."""

    size: int
    n_scalars: int
    breaks: np.ndarray  # ends of the pieces, ascending
    quadrature: tuple[np.ndarray, np.ndarray]  # nodes and weights over the domain

    def rows(self, j: int, k: int, x: np.ndarray) -> np.ndarray:
        """Rows (len(x), N) that evaluate u_j^(k) at x; at an inner break, from the right."""
        ...


def condition_rows(conditions: Sequence[Condition], space: Space) -> np.ndarray:
    """The derivatives of q conditions with respect to the unknowns, (q, N) or (B, q, N)."""
    nodes = space.quadrature[0]
    parts = []
    for c in conditions:
        row: Any = np.zeros(space.size)
        for x0, j, k, coefficient in c.points:
            row = row + coefficient * space.rows(j, k, np.array([x0]))[0]
        for j, k, weights in c.integrals:
            row = row + np.broadcast_to(weights, nodes.shape) @ space.rows(j, k, nodes)
        for index, coefficient in c.params:
            row = row + coefficient * _unit(space, space.size - space.n_scalars + index)
        parts.append(row)
    return np.stack(np.broadcast_arrays(*parts), axis=-2) if parts else np.zeros((0, space.size))


def scalar_terms(
    structure: Structure,
    sums: Sequence[Expression],
    space: Space,
    known: Sequence[Any],
    at: Callable[[int, int, float], Any],
) -> tuple[np.ndarray, np.ndarray]:
    """λ − u_j^(k)(x0) and λ − ∫ g for the q scalar unknowns that the trace made (but for jumps).

    Parameters
    ----------
    sums : sequence of Expression
        The integrands g traced at the quadrature nodes around the state.
    known : sequence of p numbers
        Values of the scalars at the state.
    at : callable
        ``at(j, k, x0)`` is u_j^(k)(x0) at the state.

    Returns
    -------
    rows : ndarray (q, N) or (B, q, N)
    values : ndarray (q,) or (B, q)
    """
    first = space.size - space.n_scalars + structure.n_params
    nodes, weights = space.quadrature
    integrands = iter(sums)
    rows: list[Any] = []
    values: list[Any] = []
    for index, term in enumerate(structure.scalars):
        row: Any = _unit(space, first + index)
        value: Any = known[structure.n_params + index]
        if term.kind == "point" and term.key is not None:
            j, k, x0 = term.key
            row = row - space.rows(j, k, np.array([x0]))[..., 0, :]
            value = value - at(j, k, x0)
        elif term.kind == "sum":
            integrand = next(integrands)
            value = value - np.sum(weights * integrand.value, axis=-1)
            for key, d in integrand.partials.items():
                weighted = weights * d
                if key < 0:
                    unit = _unit(space, space.size - space.n_scalars - 1 - key)
                    row = row - unit * np.sum(weighted, axis=-1, keepdims=True)
                else:
                    row = row - weighted @ space.rows(key // ORDERS, key % ORDERS, nodes)
        else:
            continue
        rows.append(row)
        values.append(value)
    if not rows:
        return np.zeros((0, space.size)), np.zeros(0)
    return np.stack(np.broadcast_arrays(*rows), axis=-2), np.stack(np.broadcast_arrays(*values), axis=-1)


def nonlocal_rows(term: FunctionTerm, x: np.ndarray, at: Any, space: Space) -> np.ndarray:
    """Rows (len(x), N) of u(p(x)) or of ∫ K(x, t) u(t) dt, the right side of a nonlocal term's equation.

    The integrals are taken over [a, x] and [x, b] apart, piece by piece: a kernel with a kink on the
    diagonal, as Green's functions have, costs no digits.
    """
    assert term.source is not None
    j, k = term.source
    if term.kind == "at":
        return space.rows(j, k, np.asarray(at, dtype=float))
    out: Any = np.zeros((x.size, space.size))
    count = max(16, space.quadrature[0].size // (space.breaks.size - 1) + 8)
    for left, right in zip(space.breaks[:-1], space.breaks[1:], strict=True):
        out = out + _kernel_part(term, j, k, x, np.clip(x, left, right), left, count, space)
        if not term.volterra:
            out = out + _kernel_part(term, j, k, x, right, np.clip(x, left, right), count, space)
    return out


def _kernel_part(
    term: FunctionTerm, j: int, k: int, x: np.ndarray, to: Any, frm: Any, count: int, space: Space
) -> Any:
    """Rows of ∫ K(x, t) u_j^(k)(t) dt from ``frm`` to ``to`` (numbers, or one for each x) inside a piece."""
    t, w = 0.5 * (points(count, 1) + 1.0), 0.5 * quadrature_weights(count, 1)
    start, end = np.broadcast_to(frm, x.shape), np.broadcast_to(to, x.shape)
    length = end - start
    chunk = max(1, _BLOCK // (count * space.size))
    blocks = []
    for first in range(0, x.size, chunk):
        s = slice(first, first + chunk)
        nodes = start[s, None] + length[s, None] * t
        weights = length[s, None] * w * term.map(x[s, None] + 0.0 * nodes, nodes)
        rows = space.rows(j, k, nodes.ravel()).reshape(*nodes.shape, space.size)
        blocks.append(np.einsum("rq,rqn->rn", weights, rows, optimize=True))
    return np.concatenate(blocks)


def _unit(space: Space, column: int) -> np.ndarray:
    row = np.zeros(space.size)
    row[column] = 1.0
    return row
