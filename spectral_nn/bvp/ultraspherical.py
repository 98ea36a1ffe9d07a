"""Linear problems with smooth coefficients in O(n): the ultraspherical spectral method with adaptive QR.

For ``sum_k a_k(x) u^(k)(x) = f(x)`` the unknowns are Chebyshev coefficients of u and the equation is written
in coefficients of C^(N), N the order.  The matrix is banded, as wide as the coefficients a_k have terms,
below one dense row per condition.  QR goes down the infinite matrix and stops at the first n where what is
left of the right-hand side is below the tolerance: that n is enough, and nothing was factored twice.

Source: Olver & Townsend, A fast and well-conditioned spectral method, SIAM Review 55 (2013).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..chebyshev import ChebSeries
from ..chebyshev.grid import Array
from ..linear.almost_banded import AlmostBanded
from ..linear.interface import LinearSystem
from .ultraspherical_operator import Condition, UltrasphericalOperator, as_conditions

EPS = float(np.finfo(float).eps)
# First piece of the infinite matrix.
FIRST_ROWS = 128
# Rows are factored in pieces that stay in cache.
PIECE = 4096
# A right-hand side of size 1 in the rows may not be answered by coefficients above this (see
# linear.almost_banded).
LARGEST_GROWTH = 0.02 / EPS
RANDOM = np.random.default_rng(0).uniform(-1.0, 1.0, 4999)
# The independent check: backward error of the infinite system, and residual of the equation between the
# points.
LARGEST_BACKWARD_ERROR = 1e-12
LARGEST_RESIDUAL = 1e-8
# Trailing coefficients below this, relative to the largest, are dropped.
NEGLIGIBLE = 1e-30
# Points of that residual: this many times coefficients, within bounds.
CHECK_WORK, CHECK_POINTS = 10_000, (8, 40)


@dataclass(frozen=True, slots=True)
class UltrasphericalInfo:
    """How a solve ended.

    Attributes
    ----------
    success : bool
    message : str
        A sentence; what to try if it did not succeed.
    n : int
        Coefficients per unknown that were solved for, before trailing ones were dropped.
    bandwidth : (int, int)
        Diagonals below and above the main one, the dense rows' shift included.
    backward_error : float
        Residual over the sizes of its terms, 2-norms over the coefficients of the equations and the
        conditions; from the operator applied anew, without the matrix that was factored.
    residual : float
        Largest ``|sum a_k u^(k) - f| / max(sum |a_k u^(k)| + |f|)`` at random points, from what was given.
    bc_residual : float
        Largest misfit of a condition relative to the sum of the sizes of its terms and its value.
    time : float
        Seconds.
    """

    success: bool
    message: str
    n: int
    bandwidth: tuple[int, int]
    backward_error: float
    residual: float
    bc_residual: float
    time: float

    def __repr__(self) -> str:
        width = max(len(f.name) for f in fields(self))
        rows = ((f.name, getattr(self, f.name)) for f in fields(self))
        return "\n".join(
            f"{name.rjust(width)}: {value:.3g}"
            if isinstance(value, float)
            else f"{name.rjust(width)}: {value}"
            for name, value in rows
        )


def solve_ultraspherical(
    coefs: Sequence[Any],
    rhs: Any,
    conditions: Sequence[Any],
    domain: tuple[float, float] = (-1.0, 1.0),
    *,
    tol: float = 1e-15,
    n_max: int = 2**20,
) -> tuple[Any, UltrasphericalInfo]:
    """Solve a linear boundary value problem with smooth coefficients, with as many coefficients as it takes.

    Parameters
    ----------
    coefs : sequence
        ``[a_0, a_1, …, a_N]``; each a number, a callable of an array of points, a `ChebSeries` of one piece,
        or an ndarray of Chebyshev coefficients on the domain.  For a system ``coefs[e][v]`` is such a
        sequence (or None) for unknown v in equation e.
    rhs : number, callable, ChebSeries or ndarray of Chebyshev coefficients; a list of those for a system
    conditions : sequence
        N of them (for a system as many as the orders of its equations in sum): `Condition` objects, or pairs
        ``(terms, value)`` where terms is a list of ``(point, derivative, weight)``, in a system
        ``(point, derivative, weight, unknown)``.
    domain : (float, float)
    tol : float
        What may be left of the right-hand side, relative to the whole, as a residual inside the interval:
        rows of the matrix are scaled to size 1, and row i counts i^N times.
    n_max : int
        Largest number of coefficients per unknown.

    Returns
    -------
    u : ChebSeries, or a list of them for a system
    info : UltrasphericalInfo

    Raises
    ------
    ValueError
        For a wrong number of conditions, a coefficient that is not finite or not resolved, a point outside.

    Examples
    --------
    Airy's equation with a boundary layer, ``1e-6 u'' - x u = 0``, u(-1) = 1, u(1) = 0:

    >>> from spectral_nn.bvp.ultraspherical import solve_ultraspherical
    >>> u, info = solve_ultraspherical(
    ...     [lambda x: -x, 0, 1e-6], 0, [([(-1, 0, 1)], 1), ([(1, 0, 1)], 0)]
    ... )
    >>> bool(info.success and abs(u(-1) - 1) < 1e-12)
    True
    """
    start = time.perf_counter()
    operator = UltrasphericalOperator(coefs, domain)
    conditions = as_conditions(conditions, operator)
    b = operator.right_side(conditions, rhs)
    march = _March(operator, conditions, b)
    n = march.run(tol, n_max)
    x = march.solve(n)
    u = _series(x, operator)
    growth, backward_error, bc_residual, residual = march.growth(n), np.inf, np.inf, np.inf
    if np.isfinite(x).all():
        backward_error, bc_residual = march.check(x)
        residual = operator.pointwise_residual(u, rhs, int(np.clip(CHECK_WORK // x.size, *CHECK_POINTS)))
    success, message = _judge(march.converged, growth, backward_error, residual, n, tol)
    info = UltrasphericalInfo(
        success=success,
        message=message,
        n=n // operator.size,
        bandwidth=(march.lower, march.upper),
        backward_error=backward_error,
        residual=residual,
        bc_residual=bc_residual,
        time=time.perf_counter() - start,
    )
    return (u[0] if operator.is_scalar else u), info


def discretize_ultraspherical(
    coefs: Sequence[Any],
    rhs: Any,
    conditions: Sequence[Any],
    n: int,
    domain: tuple[float, float] = (-1.0, 1.0),
) -> LinearSystem:
    """The linear system of n Chebyshev coefficients per unknown, for any solver of the slot.

    Parameters as in `solve_ultraspherical`.  The matrix is an `AlmostBanded` of size n times the number of
    unknowns, unknowns interleaved; rows are scaled.

    Examples
    --------
    >>> from spectral_nn.bvp.ultraspherical import discretize_ultraspherical
    >>> system = discretize_ultraspherical([0, 0, 1], 2, [([(-1, 0, 1)], 0), ([(1, 0, 1)], 0)], 4)
    >>> system.solve("almost_banded").x.round(12) + 0.0  # u = x^2 - 1 = -T_0 / 2 + T_2 / 2
    array([-0.5,  0. ,  0.5,  0. ])
    """
    operator = UltrasphericalOperator(coefs, domain)
    checked = as_conditions(conditions, operator)
    size = n * operator.size
    dense = len(checked)
    if n < 1 or size < dense:
        raise ValueError(f"n must be at least {-(-dense // operator.size)} for {dense} conditions; got {n}")
    b = np.zeros(size, operator.dtype)
    values = operator.right_side(checked, rhs)
    b[: min(size, values.size)] = values[:size]
    blocks = -(-(size - dense) // operator.size)
    top = operator.condition_rows(checked, 0, size)
    factors = _row_factors(top)
    top *= factors[:, None]
    b[:dense] *= factors
    weight = _row_weights(top, 1.0)[dense:]
    band, scale = operator.rows(0, max(blocks, 1))
    band = band[: size - dense] * weight[:, None]
    b[dense:] *= scale[: size - dense] * weight
    meta = {
        "domain": operator.domain,
        "boundary_rows": np.arange(dense),
        "equation_order": max(operator.orders),
    }
    return LinearSystem(AlmostBanded(top, band, operator.lower + dense), b, meta)


class _March:
    """QR down the infinite almost-banded matrix, row piece by row piece."""

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
        x = np.resize(RANDOM, n).astype(self.work.dtype)
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
            self.factors = _row_factors(new)
        new *= self.factors[:, None]
        before = self.weight[self.columns - 1] if self.columns else 1.0
        self.top[:, self.columns : columns] = new
        self.weight[self.columns : columns] = _row_weights(new, before)
        self.columns = columns

    def _allocate(self, rows: int) -> None:
        """Room for that many rows and columns; memory that is not touched costs nothing."""
        dtype = self.operator.dtype
        shapes = {
            "work": (rows, 2 * self.l + self.u + 1),
            "fill": (rows, self.dense),
            "b": (rows,),  # scaled
            "rotated": (rows,),  # Q^H b
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


def _row_factors(top: Array) -> Array:
    """Powers of two that bring the dense rows to size about 1, (K,).

    Rows of derivatives grow along the row: it is the beginning, where the solution lives, that counts.
    """
    dense = len(top)
    beginning = np.abs(top[:, :dense]).max(axis=1, initial=0.0)
    some = np.abs(top[:, : 4 * dense + 8]).max(axis=1, initial=0.0)
    size = np.where(beginning > 0, beginning, np.where(some > 0, some, 1.0))
    return np.ldexp(1.0, -np.frexp(size)[1])


def _row_weights(top: Array, before: float) -> Array:
    """Powers of two by which to multiply the rows of the band, (n,), one for each column of the dense rows.

    QR is stable column by column: rounding is relative to the largest entry of a column.  Where a condition
    on a derivative makes that entry grow like a power of the column, the band has to grow along, or drowns.
    """
    largest = np.abs(top).max(axis=0, initial=before)
    if not largest.max(initial=0.0) >= 2.0:
        return np.full(largest.size, max(before, 1.0))
    return np.ldexp(1.0, np.frexp(np.maximum.accumulate(largest))[1] - 1)


def _series(x: Array, operator: UltrasphericalOperator) -> list[ChebSeries]:
    """One series per unknown, trailing coefficients below rounding dropped."""
    out = []
    for v in range(operator.size):
        c = x[v :: operator.size]
        # the tail is right far below rounding of u, and derivatives live on it
        above = np.flatnonzero(~(np.abs(c) <= NEGLIGIBLE * np.abs(c).max(initial=0.0)))
        out.append(ChebSeries(operator.domain, [c[: above[-1] + 1] if above.size else np.zeros(1, c.dtype)]))
    return out


def _judge(
    converged: bool, growth: float, backward_error: float, residual: float, n: int, tol: float
) -> tuple[bool, str]:
    if not np.isfinite(growth) or growth >= LARGEST_GROWTH:
        return False, (
            f"The problem is singular to working precision (growth {growth:.1e}): "
            "a condition is missing or stated twice, or there is an eigenvalue at 0; change the conditions."
        )
    if not converged:
        return False, f"Not resolved by {n} unknowns; raise n_max, or use method='mesh' for layers and kinks."
    if not backward_error <= max(LARGEST_BACKWARD_ERROR, 10 * tol):
        return (
            False,
            f"The linear system was solved to a backward error of {backward_error:.1e} only; scale it.",
        )
    if not residual <= LARGEST_RESIDUAL + 1e3 * EPS * n:
        return False, (
            f"The residual between the points is {residual:.1e}: a coefficient or the right-hand side is not "
            "resolved by its Chebyshev series; use method='mesh' with breakpoints."
        )
    return True, "Resolved: what is left of the right-hand side is below tol, and the residual agrees."
