"""The grids of dense collocation: which function lives where, and which ones are expanded.

With the structural offsets c_i, d_j of the system (J. D. Pryce, "A simple structural analysis method for
DAEs", BIT 41 (2001)) and R points, function j has R + d_j points and equation i is collocated at R + c_i; c =
0 and d_j is the order of u_j unless there are algebraic equations.

The unknowns v = expr that the trace makes of derivatives of expressions, as in (K u')', are no unknowns here:
v stands for Σ a u^(l), and its derivatives follow by the product rule, those of a from a's values at the
largest grid. So (K u')' becomes K u'' + K' u', a matrix of the order and size that the user sees.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chebyshev.grid import points, quadrature_weights, to_reference
from ..chebyshev.matrices import differentiation, interpolation
from ..chebyshev.series import ChebSeries
from .collocation_matrices import ROWS, grid, row_basis, row_nodes
from .functionals import nonlocal_rows

if TYPE_CHECKING:
    from .problem import Problem
    from .trace import FunctionTerm


class GridSpace:
    """Grids, row nodes and evaluation rows of one discretization; a `functionals.Space`.

    The unknowns are the values of each function of `kept` at its grid, then the scalars.
    """

    def __init__(self, problem: Problem, n: int, rows: str = "rectangular"):
        structure = problem.structure
        if rows not in ROWS:
            raise ValueError(f"rows: expected one of {ROWS}, got {rows!r}")
        functions = enumerate(structure.functions, structure.n_unknowns)
        self.expanded = [j for j, f in functions if f.kind == "diff"]
        self.kept = [j for j in range(structure.m) if j not in self.expanded]
        incidence = _without(problem._incidence, self.expanded)[np.ix_(self.kept, self.kept)]
        c, d = structural_offsets(incidence)
        highest = int(d.max())
        n_rows = int(n) - highest
        if n_rows < 1 or n < 2:
            raise ValueError(
                f"n: expected at least {max(highest + 1, 2)} points for order {highest}, got {n}"
            )
        if rows == "interior" and (c.any() or len(set(d)) > 1):
            raise ValueError(f"rows: 'interior' needs unknowns of one order, got orders {tuple(d.tolist())}")
        self.problem, self.domain, self.layout = problem, problem.domain, rows
        self.order, self.highest = int(d[0]), highest
        self.top = incidence.max(axis=0)  # highest derivative of each kept function, with the expanded ones
        self.sizes = (n_rows + d).tolist()
        self.counts = (n_rows + c).tolist()
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(int)
        self.n_scalars = structure.p
        self.size = int(self.starts[-1]) + self.n_scalars
        self.breaks = np.array(self.domain)
        self.grids = [grid(size, self.domain) for size in self.sizes]
        self.fine = grid(n, self.domain)
        self.nodes = {count: row_nodes(count + highest, highest, self.domain, rows) for count in self.counts}
        self.quadrature = points(n, 1, self.domain), quadrature_weights(n, 1, self.domain)
        self.n_left = 0
        self.expansions: dict[int, Expansion] = {}

    def grid_of(self, j: int) -> np.ndarray:
        """Where function j is held by its values."""
        return self.fine if j in self.expanded else self.grids[self.kept.index(j)]

    def basis(self, position: int, count: int) -> np.ndarray:
        """Derivatives 0, 1, … of a kept function at the ``count`` row nodes: (K + 1, count, its size)."""
        return row_basis(self.sizes[position], int(self.top[position]), self.domain, self.layout, count)

    def rows(self, j: int, k: int, x: np.ndarray) -> np.ndarray:
        if j in self.expanded:
            terms, scalars = self.derivative(j, k, x)
            out: Any = np.zeros((x.size, self.size))
            for (source, order), a in terms.items():
                out = out + a[..., None] * self.rows(source, order, x)
            for index, a in scalars.items():
                column = np.zeros(self.size)
                column[self.starts[-1] + index] = 1.0
                out = out + a[..., None] * column
            return out
        at = self.kept.index(j)
        out = np.zeros((x.size, self.size))
        out[:, self.starts[at] : self.starts[at + 1]] = self._to(x, self.sizes[at], k)
        return out

    def fields(self, state: np.ndarray | None, x: np.ndarray) -> Callable[[int, int], np.ndarray]:
        """What a trace asks for: values at x of the k-th derivative of unknown j."""

        def values(j: int, k: int) -> np.ndarray:
            if j in self.expanded:
                if j not in self.expansions:  # about to be made: its equation v - expr then gives -expr
                    return np.zeros_like(x)
                return self.expansions[j].values @ self._to(x, self.fine.size, k).T
            return np.zeros_like(x) if state is None else self.rows(j, k, x) @ state

        return values

    def scalars(self, state: np.ndarray | None) -> list[Any]:
        if state is None:
            return [0.0] * self.n_scalars
        return list(state[self.size - self.n_scalars :])

    def expand(self, state: np.ndarray | None) -> None:
        """Linearize the expanded functions around a state, in order of creation: later ones may use earlier ones."""
        self.expansions = {}
        for v in self.expanded:
            x = self.fine
            lin = self.problem.trace(x, self.fields(state, x), self.scalars(state))
            e = Expansion(
                -np.broadcast_to(lin.residual[v], np.broadcast_shapes(np.shape(lin.residual[v]), x.shape))
            )
            for i, j, k, d in lin.entries:
                if i == v and j in self.expanded and j != v:
                    terms, scalars = self.derivative(j, k, x)
                    for key, a in terms.items():
                        e.add(key, -d * a)
                    for index, a in scalars.items():
                        e.add_scalar(index, -d * a)
                elif i == v and j != v:
                    e.add((j, k), -d * np.ones_like(x))
            for i, index, d in lin.param_entries:
                if i == v:
                    e.add_scalar(index, -d * np.ones_like(x))
            self.expansions[v] = e

    def derivative(self, v: int, k: int, x: np.ndarray) -> tuple[dict[tuple[int, int], Any], dict[int, Any]]:
        """v^(k) at x as coefficients (…, len(x)) of u_j^(l), and of the scalars, by the product rule."""
        e, n = self.expansions[v], self.fine.size
        terms: dict[tuple[int, int], Any] = {}
        for (j, order), a in e.terms.items():
            for s in range(k + 1):
                key = (j, order + k - s)
                terms[key] = terms.get(key, 0.0) + comb(k, s) * (a @ self._to(x, n, s).T)
        return terms, {index: a @ self._to(x, n, k).T for index, a in e.scalars.items()}

    def nonlocal_part(
        self, term: FunctionTerm, x: np.ndarray, at: Any, state: np.ndarray | None
    ) -> tuple[Any, Any]:
        """Rows of a composition or kernel at x, and its values around the state."""
        assert term.source is not None
        source = term.source[0]
        if source not in self.expanded:
            rows = nonlocal_rows(term, x, at, self)
            return rows, 0.0 if state is None else rows @ state
        weights = nonlocal_rows(term, x, at, _FineGrid(self))
        return weights @ self.rows(source, 0, self.fine), self.expansions[source].values @ weights.T

    def gather(self, functions: list[ChebSeries], scalars: np.ndarray) -> np.ndarray:
        """The vector of unknowns of functions (one for each unknown, the expanded ones included) and scalars."""
        values = [functions[j](x) for j, x in zip(self.kept, self.grids, strict=True)]
        return np.concatenate([*values, scalars])

    def split(self, vector: np.ndarray) -> tuple[list[ChebSeries], np.ndarray]:
        """A vector of unknowns as functions, the expanded ones included, and scalars."""
        self.expand(vector)
        values: dict[int, np.ndarray] = {v: e.values for v, e in self.expansions.items()}
        for at, j in enumerate(self.kept):
            values[j] = vector[self.starts[at] : self.starts[at + 1]]
        series = [ChebSeries.from_values(values[j], self.domain) for j in range(len(values))]
        return series, vector[self.starts[-1] :]

    def describe(self, row: int) -> str:
        """What a row of the matrix holds, in words."""
        row -= self.n_left
        for i, count in zip(self.kept, self.counts, strict=True):
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

    def _to(self, x: np.ndarray, n: int, k: int) -> np.ndarray:
        """From values at the n-point grid to the k-th derivative at x, (len(x), n)."""
        a, b = self.domain
        matrix = interpolation(to_reference(x, self.domain), n, 2)
        return (matrix @ differentiation(n, k, 2) if k else matrix) * (2.0 / (b - a)) ** k


class _FineGrid:
    """One function by its values at the largest grid, as a `functionals.Space`."""

    n_scalars = 0

    def __init__(self, space: GridSpace):
        self.space, self.size = space, space.fine.size
        self.breaks, self.quadrature = space.breaks, space.quadrature

    def rows(self, j: int, k: int, x: np.ndarray) -> np.ndarray:
        return self.space._to(x, self.size, k)


class Expansion:
    """An expanded function around a state: its values, and its derivative Σ terms u_j^(l) + Σ scalars λ.

    All are arrays (…, n) on the largest grid; leading axes are those of a batch.
    """

    def __init__(self, values: np.ndarray):
        self.values = values
        self.terms: dict[tuple[int, int], Any] = {}
        self.scalars: dict[int, Any] = {}

    def add(self, key: tuple[int, int], a: Any) -> None:
        self.terms[key] = self.terms.get(key, 0.0) + a

    def add_scalar(self, index: int, a: Any) -> None:
        self.scalars[index] = self.scalars.get(index, 0.0) + a


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


def _without(incidence: np.ndarray, expanded: list[int]) -> np.ndarray:
    """Orders with the expanded functions replaced by what they are made of."""
    incidence = incidence.copy()
    for v in reversed(expanded):
        for i in range(len(incidence)):
            order = incidence[i, v]
            if i != v and order >= 0:
                parts = np.where(incidence[v] >= 0, incidence[v] + order, -1)
                parts[v] = incidence[i, v] = -1
                incidence[i] = np.maximum(incidence[i], parts)
    return incidence
