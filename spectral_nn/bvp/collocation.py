"""Dense collocation of a problem on one interval: `BVP.discretize`, and what `method="collocation"` solves.

The unknowns are the values of each function at Chebyshev points of the second kind, then the scalar
unknowns; the equations are collocated as `collocation_matrices` says. How many points each function and
each equation has, and what is eliminated, is said in `collocation_space`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..linear.interface import LinearSystem
from .collocation_matrices import (
    ROWS,
    assemble,
    combine,
    functional,
    grid,
    output,
    row_basis,
    row_nodes,
    second_order_batch,
)
from .collocation_space import GridSpace, structural_offsets
from .conditions import Condition, Surroundings
from .functionals import condition_rows, scalar_terms

if TYPE_CHECKING:
    from .problem import Problem
    from .trace import Linearization

__all__ = [
    "ROWS", "GridSpace", "assemble", "discretize", "functional", "grid", "linear_system", "row_basis",
    "row_nodes", "second_order_batch", "structural_offsets",
]  # fmt: skip


def discretize(
    problem: Problem,
    n: int = 64,
    *,
    rows: str = "rectangular",
    u: Any = None,
    params: Sequence[complex] | None = None,
    rhs: Any = None,
    out: np.ndarray | None = None,
) -> LinearSystem:
    """The dense collocation system of a problem at n points.

    Parameters
    ----------
    problem : Problem
        Its operator and right-hand side may be closures over parameters of shape (B, 1), which broadcast
        against the nodes (n,): the system is then a batch of B.
    n : int
        Points of the function of highest order. A scalar problem gives matrices (n, n).
    rows : {"rectangular", "interior"}
        Where the equations are collocated, see `collocation_matrices`.
    u : number, callable, ChebSeries, BVPResult or a list of those, optional
        Where to linearize. May be left out for a linear problem.
    params : sequence of numbers, optional
        Values of the unknown scalars to linearize at; default their guesses.
    rhs : optional
        Another right-hand side.
    out : ndarray (B, N, N), optional
        Filled with the matrices of a batch: saves the memory's first touch where batches follow each other.

    Returns
    -------
    LinearSystem
        A (N, N) or (B, N, N), b (N,) or (B, N). Its solution is the next Newton iterate, for a linear problem
        the solution itself: the values of each function at its grid, left to right, then the scalar unknowns.
        ``meta`` holds ``grid`` (n,), ``domain``, ``boundary_rows``, ``interior_rows``, ``equation_order`` (of
        the first function), ``row_nodes``, ``rows``, and ``sizes``, the number of points of each function.

    Raises
    ------
    ValueError
        For a nonlinear problem without ``u``, too few points, break points, or rows="interior" where it does
        not fit.

    Examples
    --------
    Three values of a parameter at once:

    >>> import numpy as np
    >>> from spectral_nn import BVP
    >>> k = np.array([[1.0], [2.0], [3.0]])
    >>> system = BVP(lambda x, u: u.diff(2) + k**2 * u, (0, 1), lbc=0, rbc=1).discretize(24)
    >>> system.A.shape, system.b.shape
    ((3, 24, 24), (3, 24))
    >>> u = system.solve().x
    >>> bool(np.abs(u - np.sin(k * system.meta["grid"]) / np.sin(k)).max() < 1e-12)
    True
    """
    if not problem.linear and u is None:
        raise ValueError("u: the problem is nonlinear; expected a function to linearize at, got None")
    if problem.breakpoints:
        raise ValueError(
            "n: collocation on one interval cannot hold break points, "
            f"got {problem.breakpoints}; use method='mesh'"
        )
    space = GridSpace(problem, n, rows)
    state = None
    if u is not None:
        from .guess import as_series

        series = as_series(u, problem)
        grids = zip(space.kept, space.grids, strict=True)
        values = [series[j](x) if j < len(series) else 0.0 * x for j, x in grids]
        scalars = list(problem.params.values()) if params is None else list(params)
        state = np.concatenate([*values, scalars, np.zeros(space.n_scalars - len(scalars))])
    A, b = linear_system(problem, space, state, rhs, out)
    if state is not None:
        b = b + A @ state
    return LinearSystem(A, b, space.meta())


def linear_system(
    problem: Problem,
    space: GridSpace,
    state: np.ndarray | None = None,
    rhs: Any = None,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Jacobian and minus the residual at a state (N,) (None: zero); rows as in `collocation_matrices`.

    Returns
    -------
    A : ndarray (N, N) or (B, N, N)
    b : ndarray (N,) or (B, N)
    """
    space.expand(state)
    scalars = space.scalars(state)
    traces = {c: problem.trace(x, space.fields(state, x), scalars, rhs) for c, x in space.nodes.items()}
    conditions = _conditions(problem, space, state, rhs)
    (left, left_values), (middle, middle_values), (right, right_values) = conditions
    equations = [_coefficients(i, traces[c], space, c) for i, c in zip(space.kept, space.counts, strict=True)]

    values: list[Any] = [left_values]
    for i, count in zip(space.kept, space.counts, strict=True):
        values.append(_at_least_rows(traces[count].residual[i], count))
    values += [middle_values, right_values]
    everything = [d for pair in equations for part in pair for d in part.values()]
    shapes = [np.shape(part)[:-1] for part in [*everything, *values]]
    batch = np.broadcast_shapes(*shapes, *[part.shape[:-2] for part in (left, middle, right)])
    if len(batch) > 1:
        raise ValueError(
            f"op: expected parameters of shape (B, 1) for a batch of problems, got a batch of shape {batch}"
        )
    dtype = np.result_type(complex if problem.complex else float, *everything, left, middle, right)

    A = output(out, batch[0] if batch else None, space.size, dtype)
    row = n_left = left.shape[-2]
    for at, count in enumerate(space.counts):  # first, as the kernel touches fresh memory with all threads
        _fill_equation(A, row, *equations[at], space, count)
        values[1 + at] = values[1 + at] + _fill_nonlocal(A, row, at, traces[count], space, state)
        row += count
    A[:, :n_left] = left
    A[:, row : row + middle.shape[-2]] = middle
    A[:, row + middle.shape[-2] :] = right
    b = -np.broadcast_to(_joined(values), (*batch, space.size))
    return (A if batch else A[0]), b


def _conditions(
    problem: Problem, space: GridSpace, state: np.ndarray | None, rhs: Any
) -> list[tuple[Any, Any]]:
    """(rows, values) of the left, the other and the right conditions, the trace's own among the others."""
    nodes, weights = space.quadrature
    fields, scalars = space.fields(state, nodes), space.scalars(state)

    def at(j: int, k: int, x0: float) -> Any:
        return space.fields(state, np.array([x0]))(j, k)[..., 0]

    given = problem.conditions(Surroundings(nodes, weights, fields, at, scalars))
    sides: list[list[Any]] = [[], [], []]
    for condition in given:
        sides[{"lbc": 0, "rbc": 2}.get(condition.label[:3], 1)].append(condition)
    out = []
    for side in sides:
        out.append([condition_rows(side, space), _values(side)])
    structure = problem.structure
    if structure.scalars:
        sums = (
            problem.trace(nodes, fields, scalars, rhs).sums
            if any(t.kind == "sum" for t in structure.scalars)
            else []
        )
        rows, values = scalar_terms(structure, sums, space, scalars, at)
        out[1] = [_stacked([out[1][0], rows]), _joined([out[1][1], values])]
    for j, term in enumerate(structure.functions, structure.n_unknowns):
        if term.kind == "cumsum":
            row = space.rows(j, 0, np.array([space.domain[0]]))
            value = np.zeros(1) if state is None else row @ state
            out[1] = [_stacked([out[1][0], row]), _joined([out[1][1], value])]
    space.n_left = out[0][0].shape[-2]
    return [(rows, values) for rows, values in out]


def _values(conditions: list[Condition]) -> np.ndarray:
    """Values of q conditions, (q,) or (B, q)."""
    numbers = [c.value if np.ndim(c.value) == 0 else np.asarray(c.value)[:, 0] for c in conditions]
    return np.stack(np.broadcast_arrays(*numbers), axis=-1) if numbers else np.zeros(0)


def _coefficients(
    i: int, lin: Linearization, space: GridSpace, count: int
) -> tuple[dict[tuple[int, int], Any], dict[int, Any]]:
    """Coefficients of u_j^(k), and of the scalars, in equation i; expanded functions written out."""
    terms: dict[tuple[int, int], Any] = {}
    scalars: dict[int, Any] = {}
    for ii, j, k, d in lin.entries:
        if ii == i and j in space.expanded:
            more, more_scalars = space.derivative(j, k, space.nodes[count])
            for key, a in more.items():
                terms[key] = terms.get(key, 0.0) + d * a
            for index, a in more_scalars.items():
                scalars[index] = scalars.get(index, 0.0) + d * a
        elif ii == i:
            terms[j, k] = terms.get((j, k), 0.0) + d
    for ii, index, d in lin.param_entries:
        if ii == i:
            scalars[index] = scalars.get(index, 0.0) + d
    return terms, scalars


def _fill_equation(
    A: np.ndarray,
    row: int,
    terms: dict[tuple[int, int], Any],
    scalars: dict[int, Any],
    space: GridSpace,
    count: int,
) -> None:
    """Write the rows of an equation: the local terms."""
    for at, j in enumerate(space.kept):
        mine = [k for jj, k in terms if jj == j]
        coefficients = np.empty((len(mine), A.shape[0], count), A.dtype)
        for e, k in enumerate(mine):
            coefficients[e] = terms[j, k]
        combine(coefficients, space.basis(at, count)[mine], A, row, int(space.starts[at]))
    A[:, row : row + count, space.starts[-1] :] = 0.0
    for index, d in scalars.items():
        A[:, row : row + count, space.starts[-1] + index] += d


def _fill_nonlocal(A: np.ndarray, row: int, at: int, lin: Linearization, space: GridSpace, state: Any) -> Any:
    """Write what couples distant points; returns what it adds to the residual."""
    i, count, added = space.kept[at], space.counts[at], 0.0
    for j, term in space.problem.structure.nonlocal_terms:
        if j == i:
            rows, values = space.nonlocal_part(term, space.nodes[count], lin.points.get(j), state)
            A[:, row : row + count] -= rows
            added = -values
    return added


def _at_least_rows(values: Any, count: int) -> np.ndarray:
    """Residual as an array whose last axis has ``count`` entries."""
    shape = np.broadcast_shapes(np.shape(values), (count,))
    return np.broadcast_to(values, shape)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    batch = np.broadcast_shapes(*[p.shape[:-1] for p in parts])
    return np.concatenate([np.broadcast_to(p, (*batch, p.shape[-1])) for p in parts], axis=-1)


def _stacked(blocks: Sequence[np.ndarray]) -> np.ndarray:
    batch = np.broadcast_shapes(*[b.shape[:-2] for b in blocks])
    return np.concatenate([np.broadcast_to(b, (*batch, *b.shape[-2:])) for b in blocks], axis=-2)
