"""QR down an infinite almost-banded matrix until the right-hand side is used up (adaptive QR)."""

from __future__ import annotations

import numpy as np

from ..chebyshev.grid import Array
from ..linear.almost_banded import random_side
from .ultraspherical_operator import Condition, UltrasphericalOperator

# First piece of the infinite matrix.
FIRST_ROWS = 128
# Rows are factored in pieces that stay in cache.
PIECE = 4096


class March:
    """QR down the infinite almost-banded matrix, row piece by row piece.

    Parameters
    ----------
    operator : UltrasphericalOperator
    conditions : list of Condition
        As `as_conditions` returns them.
    b : ndarray
        As `UltrasphericalOperator.right_side` returns it.
    """

    # rows of the matrix in the layout of linear/almost_banded_kernels.py, and what goes with each of them
    work: Array
    fill: Array
    tau: Array
    top: Array
    b: Array  # right-hand side, rows scaled and weighted
    rotated: Array  # Q^H b
    weight: Array
    equilibration: Array  # what brought the rows of the band to size 1, weights apart

    def __init__(self, operator: UltrasphericalOperator, conditions: list[Condition], b: Array) -> None:
        self.operator, self.conditions = operator, conditions
        self.dense = len(conditions)
        self.lower, self.upper = operator.lower + self.dense, operator.upper - self.dense
        # the dense rows, too, are to be eliminated below the diagonal
        self.l, self.u = max(self.lower, self.dense - 1), self.upper
        self.source = b  # right-hand side before scaling of the rows, zero beyond its end
        self.loaded = self.done = self.columns = 0
        self.factors = np.ones(self.dense)  # of the dense rows
        self.converged = False
        self.level = 0.0
        self._allocate(0)

    def run(self, tol: float, n_max: int) -> int:
        """Go down until what is left of b is small; the number of unknowns."""
        from ..linear.almost_banded_kernels import rotate, rotate_until_small

        size, order = self.operator.size, max(self.operator.orders)
        limit = n_max * size
        rows = max(size * FIRST_ROWS, self.source.size + size, 2 * self.operator.width)
        capacity = min(-(-rows // size) * size, limit)
        self._extend(capacity)
        self.level = tol * float(np.linalg.norm(self.b[: self.loaded] / self.weight[: self.loaded]))
        # before the last given entry of b, what is left cannot be small
        rotated = min(max(self.source.size, self.dense), capacity)
        rotate(self.work, self.tau, self.rotated, self.l, 0, rotated)
        n = rotated if self.source.size <= capacity and self._is_small(rotated) else -1
        while n < 0:
            n = rotate_until_small(
                self.work, self.tau, self.rotated, self.l, rotated, capacity, self.level, size, order
            )
            rotated = capacity if n < 0 else n
            if n >= 0 or capacity >= limit:
                break
            capacity = min(4 * capacity, capacity + PIECE * size, limit)
            self._extend(capacity)
        self.converged = n >= 0
        n = capacity if n < 0 else n
        n = min(-(-max(n, self.dense, 1) // size) * size, capacity)
        rotate(self.work, self.tau, self.rotated, self.l, rotated, n)
        return n

    def solve(self, n: int) -> Array:
        return self._back_substitute(self.rotated[:n].copy())

    def growth(self, n: int) -> float:
        """Size of the answer to a random right-hand side of size 1: large where the problem is singular.

        Q^H turns random into random, and need not be applied.
        """
        x = random_side(n).astype(self.work.dtype)
        return float(np.abs(self._back_substitute(x)).max())

    def check(self, x: Array) -> tuple[float, float]:
        """Backward error of the rows of the infinite matrix that x reaches; relative misfit of conditions.

        The operator is applied to x anew, without the matrix.
        """
        dense = self.dense
        top, b = self.top[:, : x.size], self.b[:dense]
        misfit, size = np.abs(top @ x - b), np.abs(top) @ np.abs(x) + np.abs(b)
        relative = np.divide(misfit, size, out=np.zeros(dense), where=size > 0)
        rows = min(x.size + self.lower, self.loaded) - dense
        value, scale = self.operator.apply(x, rows)
        given = self.source[dense : dense + rows]
        value[: given.size] -= given
        scale[: given.size] += np.abs(given)
        # each row to the size of its largest entry, as the solver had it
        factor = self.equilibration[:rows]
        value, scale = np.abs(value) * factor, scale * factor
        total, whole = (float(p @ p + q @ q) for p, q in ((misfit, value), (size, scale)))
        return float(np.sqrt(total / whole)) if whole > 0 else 0.0, float(relative.max(initial=0.0))

    def _back_substitute(self, x: Array) -> Array:
        from ..linear.almost_banded_kernels import back_substitute

        back_substitute(self.work, self.fill, self.top, x, self.l, self.u, x.size)
        return x

    def _is_small(self, n: int) -> bool:
        """Whether what is left of the right-hand side below row n is below tol."""
        size, order = self.operator.size, max(self.operator.orders)
        return bool(np.linalg.norm(self.rotated[n : n + self.l]) * max(n / size, 1.0) ** order <= self.level)

    def _extend(self, capacity: int) -> None:
        """Assemble and factor on, to `capacity` eliminated columns."""
        from ..linear.almost_banded_kernels import eliminate, load_rows

        m, dense, l, u = self.operator.size, self.dense, self.l, self.u
        blocks = -(-(capacity + l - dense) // m)
        columns = -(-(dense + blocks * m + l + u) // m) * m
        if columns > self.tau.size:
            self._allocate(8 * columns)
        self._extend_top(columns)
        if self.loaded == 0:
            self.b[:dense] = self.rotated[:dense] = self.factors * self.source[:dense]
        piece = max(PIECE // m, 1)
        for lo in range(max(self.loaded - dense, 0) // m, blocks, piece):
            hi = min(lo + piece, blocks)
            part = slice(dense + lo * m, dense + hi * m)
            band, scale = self.operator.rows(lo, hi)
            self.equilibration[lo * m : hi * m] = scale
            if self.weight[part.stop - 1] > 1.0:
                scale *= self.weight[part]
                band *= self.weight[part, None]
            given = self.source[part]
            self.b[part] = 0.0
            self.b[part][: given.size] = given * scale[: given.size]
            self.rotated[part] = self.b[part]
            load_rows(self.top, band, part.start, self.lower, self.work, self.fill, l, self.loaded, part.stop)
            self.loaded = part.stop
            stop = min(capacity, self.loaded - l)
            if stop > self.done:
                eliminate(self.work, self.fill, self.top, self.tau, l, u, self.done, stop)
                self.done = stop

    def _extend_top(self, columns: int) -> None:
        """Columns of the dense rows, and the weights of the rows below that go with them."""
        new = self.operator.condition_rows(self.conditions, self.columns, columns)
        if self.columns == 0:
            self.factors = row_factors(new)
        new *= self.factors[:, None]
        before = self.weight[self.columns - 1] if self.columns else 1.0
        self.top[:, self.columns : columns] = new
        self.weight[self.columns : columns] = row_weights(new, before)
        self.columns = columns

    def _allocate(self, rows: int) -> None:
        """Room for that many rows and columns; memory that is not touched costs nothing."""
        dtype = self.operator.dtype
        shapes = {
            "work": (rows, 2 * self.l + self.u + 1),
            "fill": (rows, self.dense),
            "b": (rows,),
            "rotated": (rows,),
        }
        for name, shape in shapes.items():
            new = np.empty(shape, dtype)
            if self.loaded:
                new[: self.loaded] = getattr(self, name)[: self.loaded]
            setattr(self, name, new)
        top, weight, tau = np.empty((self.dense, rows), dtype), np.empty(rows), np.empty(rows)
        equilibration = np.empty(rows)
        if self.columns:
            top[:, : self.columns] = self.top[:, : self.columns]
            weight[: self.columns] = self.weight[: self.columns]
            tau[: self.done] = self.tau[: self.done]
            equilibration[: self.loaded] = self.equilibration[: self.loaded]
        self.top, self.weight, self.tau, self.equilibration = top, weight, tau, equilibration


def row_factors(top: Array) -> Array:
    """Powers of two that bring the dense rows to size about 1, (K,).

    Rows of derivatives grow along the row: it is the beginning, where the solution lives, that counts.
    """
    dense = len(top)
    beginning = np.abs(top[:, :dense]).max(axis=1, initial=0.0)
    some = np.abs(top[:, : 4 * dense + 8]).max(axis=1, initial=0.0)
    size = np.where(beginning > 0, beginning, np.where(some > 0, some, 1.0))
    return np.ldexp(1.0, -np.frexp(size)[1])


def row_weights(top: Array, before: float) -> Array:
    """Powers of two by which to multiply the rows of the band, (n,), one for each column of the dense rows.

    QR is stable column by column: rounding is relative to the largest entry of a column.  Where a condition
    on a derivative makes that entry grow like a power of the column, the band has to grow along, or drowns.
    """
    largest = np.abs(top).max(axis=0, initial=before)
    if not largest.max(initial=0.0) >= 2.0:
        return np.full(largest.size, max(before, 1.0))
    return np.ldexp(1.0, np.frexp(np.maximum.accumulate(largest))[1] - 1)
