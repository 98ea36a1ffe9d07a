"""Dense collocation of a problem on one interval: `BVP.discretize`, and what `method="collocation"` solves.

The unknowns are the values of each function at Chebyshev points of the second kind, then the scalar
unknowns; the equations are collocated as `collocation_matrices` says. With the structural offsets c_i,
d_j of the system (J. D. Pryce, "A simple structural analysis method for DAEs", BIT 41 (2001)) and R
points, function j has R + d_j points and equation i is collocated at R + c_i: so an algebraic equation
inside a system (v = x u with v' elsewhere) leaves as many rows as there are conditions. Otherwise c = 0
and d_j is the order of u_j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chebyshev.grid import points, quadrature_weights, to_reference
from ..chebyshev.matrices import differentiation, interpolation
from ..chebyshev.series import ChebSeries
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
from .conditions import Surroundings
from .functionals import condition_rows, nonlocal_rows, scalar_terms

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

        values = [s(x) for s, x in zip(as_series(u, problem), space.grids, strict=False)]
        values += [np.zeros(x.size) for x in space.grids[len(values) :]]
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
    scalars = space.scalars(state)
    traces = {c: problem.trace(x, space.fields(state, x), scalars, rhs) for c, x in space.nodes.items()}
    conditions = _conditions(problem, space, state, rhs)
    (left, left_values), (middle, middle_values), (right, right_values) = conditions

    values: list[Any] = [left_values]
    for i, count in enumerate(space.counts):
        values.append(_at_least_rows(traces[count].residual[i], count))
    values += [middle_values, right_values]
    everything = [d for lin in traces.values() for *_, d in lin.entries + lin.param_entries]
    batch = np.broadcast_shapes(*[np.shape(d)[:-1] for d in everything], *[np.shape(v)[:-1] for v in values])
    if len(batch) > 1:
        raise ValueError(
            f"op: expected parameters of shape (B, 1) for a batch of problems, got a batch of shape {batch}"
        )
    dtype = np.result_type(complex if problem.complex else float, *everything, left, middle, right)

    A = output(out, batch[0] if batch else None, space.size, dtype)
    row = n_left = left.shape[-2]
    for i, count in enumerate(space.counts):  # first, as the kernel touches fresh memory with all threads
        values[1 + i] = values[1 + i] + _fill_equation(A, row, i, traces[count], space, state)
        row += count
    A[:, :n_left] = left
    A[:, row : row + middle.shape[-2]] = middle
    A[:, row + middle.shape[-2] :] = right
    b = -np.concatenate([np.broadcast_to(v, (*batch, v.shape[-1])) for v in values], axis=-1)
    return (A if batch else A[0]), b


def structural_offsets(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets c of equations and d of unknowns with d_j − c_i at least the order of u_j in equation i.

    Parameters
    ----------
    orders : ndarray of int (m, m)
        Order of unknown j in equation i, -1 where it does not appear.

    Returns
    -------
    c, d : ndarray of int (m,)
        The smallest ones (Pryce 2001, algorithm 3.1); the number of conditions is Σ d − Σ c.
    """
    from scipy.optimize import linear_sum_assignment

    impossible = -(10**6)
    sigma = np.where(orders < 0, impossible, orders)
    matched = linear_sum_assignment(sigma, maximize=True)[1]
    c = np.zeros(len(sigma), dtype=int)
    for _ in range(10 * len(sigma) + 10):
        d = np.max(sigma + c[:, None], axis=0)
        following = d[matched] - sigma[np.arange(len(sigma)), matched]
        if np.array_equal(following, c):
            return c, d
        c = following
    raise ValueError("op: the equations do not determine the unknowns")


class GridSpace:
    """The grids, row nodes and evaluation rows of one discretization; a `functionals.Space`."""

    def __init__(self, problem: Problem, n: int, rows: str = "rectangular"):
        structure = problem.structure
        c, d = structural_offsets(problem._incidence)
        n_rows = int(n) - int(d.max())
        if rows not in ROWS:
            raise ValueError(f"rows: expected one of {ROWS}, got {rows!r}")
        if n_rows < 1 or n < 2:
            raise ValueError(
                f"n: expected at least {max(int(d.max()) + 1, 2)} points for order {d.max()}, got {n}"
            )
        if rows == "interior" and (c.any() or len(set(d)) > 1):
            raise ValueError(
                f"rows: 'interior' needs unknowns of one order, got orders {tuple(int(o) for o in d)}"
            )
        self.domain, self.layout, self.order = problem.domain, rows, int(d[0])
        self.degrees, self.sizes, self.counts = d, [n_rows + int(o) for o in d], [n_rows + int(o) for o in c]
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(int)
        self.n_scalars = structure.p
        self.size = int(self.starts[-1]) + self.n_scalars
        self.breaks = np.array(self.domain)
        self.grids = [grid(size, self.domain) for size in self.sizes]
        self.nodes = {count: self._nodes(count, max(self.sizes)) for count in self.counts}
        self.quadrature = points(n, 1, self.domain), quadrature_weights(n, 1, self.domain)
        self._guesses = list(problem.params.values())
        self.n_conditions = self.size - sum(self.counts)
        self.n_left = 0
        self.nonlocal_terms = structure.nonlocal_terms

    def _nodes(self, count: int, n: int) -> np.ndarray:
        return row_nodes(n, n - count, self.domain, self.layout)

    def basis(self, j: int, count: int) -> np.ndarray:
        """Derivatives 0, 1, … of function j at the ``count`` row nodes: (d_j + 1, count, size_j)."""
        return row_basis(self.sizes[j], int(self.degrees[j]), self.domain, self.layout, count)

    def rows(self, j: int, k: int, x: np.ndarray) -> np.ndarray:
        n, (a, b) = self.sizes[j], self.domain
        out = np.zeros((x.size, self.size))
        matrix = interpolation(to_reference(x, self.domain), n, 2) @ differentiation(n, k, 2)
        out[:, self.starts[j] : self.starts[j + 1]] = matrix * (2.0 / (b - a)) ** k
        return out

    def fields(self, state: np.ndarray | None, x: np.ndarray) -> Callable[[int, int], np.ndarray]:
        """What a trace asks for: values at x of the k-th derivative of unknown j."""
        if state is None:
            return lambda j, k: np.zeros_like(x)
        return lambda j, k: self.rows(j, k, x) @ state

    def scalars(self, state: np.ndarray | None) -> list[Any]:
        if state is None:
            return [0.0] * self.n_scalars
        return list(state[self.size - self.n_scalars :])

    def split(self, vector: np.ndarray) -> tuple[list[ChebSeries], np.ndarray]:
        """A vector of unknowns as functions and scalars."""
        ends = zip(self.starts[:-1], self.starts[1:], strict=True)
        return [ChebSeries.from_values(vector[a:b], self.domain) for a, b in ends], vector[self.starts[-1] :]

    def describe(self, row: int) -> str:
        """What a row of the matrix holds, in words."""
        row -= self.n_left
        for i, count in enumerate(self.counts):
            if 0 <= row < count:
                return f"equation {i + 1} at x = {self.nodes[count][row]:.6g}"
            row -= count
        return "a condition"

    def meta(self) -> dict[str, Any]:
        """What solvers may want to know, see `LinearSystem`."""
        equations = np.arange(self.n_left, self.n_left + sum(self.counts))
        conditions = np.setdiff1d(np.arange(self.size), equations)
        return {
            "grid": self.grids[0], "domain": self.domain, "boundary_rows": conditions,
            "interior_rows": equations, "equation_order": self.order, "rows": self.layout,
            "row_nodes": self.nodes[self.counts[0]], "sizes": tuple(self.sizes),
        }  # fmt: skip


def _conditions(
    problem: Problem, space: GridSpace, state: np.ndarray | None, rhs: Any
) -> list[tuple[Any, Any]]:
    """(rows, values) of the left, the other and the right conditions, the trace's own among the others."""
    nodes, weights = space.quadrature
    fields, scalars = space.fields(state, nodes), space.scalars(state)

    def at(j: int, k: int, x0: float) -> Any:
        return 0.0 if state is None else (space.rows(j, k, np.array([x0])) @ state)[0]

    given = problem.conditions(Surroundings(nodes, weights, fields, at, scalars))
    sides: list[list[Any]] = [[], [], []]
    for condition in given:
        sides[{"lbc": 0, "rbc": 2}.get(condition.label[:3], 1)].append(condition)
    out = []
    for side in sides:
        out.append(
            [condition_rows(side, space), np.array([c.value for c in side], dtype=None if side else float)]
        )
    structure = problem.structure
    if structure.scalars:
        sums = (
            problem.trace(nodes, fields, scalars, rhs).sums
            if any(t.kind == "sum" for t in structure.scalars)
            else []
        )
        rows, values = scalar_terms(structure, sums, space, state)
        out[1] = [_stacked([out[1][0], rows]), _stacked([out[1][1][:, None], values[..., None]])[..., 0]]
    for j, term in enumerate(structure.functions, structure.n_unknowns):
        if term.kind == "cumsum":
            row = space.rows(j, 0, np.array([space.domain[0]]))
            value = np.zeros(1) if state is None else row @ state
            out[1] = [_stacked([out[1][0], row]), np.concatenate([out[1][1], value], axis=-1)]
    space.n_left = out[0][0].shape[-2]
    return [(rows, values) for rows, values in out]


def _fill_equation(A: np.ndarray, row: int, i: int, lin: Linearization, space: GridSpace, state: Any) -> Any:
    """Write the rows of equation i; returns what nonlocal terms add to its residual."""
    count, added = space.counts[i], 0.0
    for j in range(len(space.sizes)):
        mine = [(k, d) for ii, jj, k, d in lin.entries if (ii, jj) == (i, j)]
        coefficients = np.empty((len(mine), A.shape[0], count), A.dtype)
        for e, (_, d) in enumerate(mine):
            coefficients[e] = d
        combine(coefficients, space.basis(j, count)[[k for k, _ in mine]], A, row, int(space.starts[j]))
    A[:, row : row + count, space.starts[-1] :] = 0.0
    for ii, p, d in lin.param_entries:
        if ii == i:
            A[:, row : row + count, space.starts[-1] + p] += d
    for j, term in space.nonlocal_terms:
        if j == i:
            rows = nonlocal_rows(term, space.nodes[count], lin.points.get(j), space)
            A[:, row : row + count] -= rows
            added = 0.0 if state is None else -rows @ state
    return added


def _at_least_rows(values: Any, count: int) -> np.ndarray:
    """Residual as an array whose last axis has ``count`` entries."""
    shape = np.broadcast_shapes(np.shape(values), (count,))
    return np.broadcast_to(values, shape)


def _stacked(blocks: Sequence[np.ndarray]) -> np.ndarray:
    batch = np.broadcast_shapes(*[b.shape[:-2] for b in blocks])
    return np.concatenate([np.broadcast_to(b, (*batch, *b.shape[-2:])) for b in blocks], axis=-2)
