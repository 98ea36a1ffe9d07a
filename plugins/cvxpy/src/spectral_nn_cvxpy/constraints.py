"""Constraints: rows of E x = e and G x <= h, or bounds, and the way back from multipliers to dual values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy.constraints.nonpos import Inequality, NonNeg, NonPos
from cvxpy.constraints.zero import Equality, Zero

from . import affine
from .affine import Affine, Selection
from .interpret import AffineReader
from .refusal import Refused
from .tape import Node
from .variables import Layout

NOT_FINITE = "Problem data contains NaN or Inf. Check your parameter values and constants."

# A constraint between constants may be violated by rounding.
_CONSTANT_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Row:
    """One constraint of the user: ``r == 0`` (equality) or ``r <= 0`` with r affine.

    `constraint` is None for a condition that comes with an atom's domain and has no dual value to show.
    """

    residual: Node
    equality: bool
    constraint: Any


@dataclass(frozen=True)
class _BoundRows:
    """Where an inequality became bounds: ``scale * x[columns] + offset <= 0``."""

    row: Row
    columns: np.ndarray
    scale: np.ndarray
    limits: np.ndarray


@dataclass
class Rows:
    """The constraints as numbers, at one set of parameter values.

    `contradiction` names a constraint that no point meets, found without solving anything.
    """

    E: np.ndarray | sp.csr_array | None
    e: np.ndarray | None
    G: np.ndarray | sp.csr_array | None
    h: np.ndarray | None
    lb: np.ndarray
    ub: np.ndarray
    contradiction: str | None
    stated: tuple[np.ndarray, np.ndarray]  # bounds before equal ones became equalities
    equalities: list[Row]
    inequalities: list[tuple[Row, np.ndarray]]
    bounds: list[_BoundRows]
    pinned: np.ndarray

    def contradicting_duals(self) -> dict[int, np.ndarray]:
        """Multipliers that combine the contradiction into 0 <= a negative number, by constraint id."""
        lb, ub = self.stated
        low, high = np.zeros(len(lb)), np.zeros(len(ub))
        crossed = np.flatnonzero(lb > ub)[:1]
        low[crossed] = high[crossed] = 1.0
        self.pinned = np.zeros(0, dtype=np.intp)
        eq = np.zeros(sum(row.residual.value.size for row in self.equalities))
        ineq = np.zeros(sum(len(kept) for _, kept in self.inequalities))
        out = self.dual_values(eq, ineq, low, high)
        for row, _ in self.inequalities:
            value: Affine = row.residual.value
            if not value.blocks and row.constraint is not None and not crossed.size:
                wrong = np.sign(value.offset) if row.equality else (value.offset > 0).astype(float)
                out[row.constraint.id] = np.reshape(wrong, row.constraint.shape, order="F")
        return out

    @property
    def bounded(self) -> bool:
        """Whether any bound is finite."""
        return bool(np.any(np.isfinite(self.lb)) or np.any(np.isfinite(self.ub)))

    def dual_values(
        self, eq: np.ndarray, ineq: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> dict[int, np.ndarray]:
        """Multipliers in the shapes of the user's constraints, by constraint id, with CVXPY's signs.

        The Lagrangian is ``f + nu'(lhs - rhs)`` for ``lhs == rhs`` and ``f + mu'(lhs - rhs)``, mu >= 0, for
        ``lhs <= rhs``; f is what is minimized, the negative of the objective of a Maximize.
        """
        out: dict[int, np.ndarray] = {}
        used = 0
        for row in self.equalities:
            size = row.residual.value.size
            _save(out, row, eq[used : used + size])
            used += size
        if self.pinned.size:  # lb == ub became equalities: their multiplier belongs to the side it pushes on
            nu = eq[used:]
            low, high = low.copy(), high.copy()
            low[self.pinned], high[self.pinned] = np.maximum(-nu, 0.0), np.maximum(nu, 0.0)
        used = 0
        for row, kept in self.inequalities:
            mu = np.zeros(row.residual.value.size)
            mu[kept] = ineq[used : used + len(kept)]
            used += len(kept)
            _save(out, row, mu)
        low_left, high_left = low.copy(), high.copy()
        lb, ub = self.stated
        for bound in self.bounds:
            mu = np.zeros(len(bound.columns))
            for upper, left, tightest in ((True, high_left, ub), (False, low_left, lb)):
                # The multiplier of a bound stated more than once goes to the first constraint that is tight.
                side = (bound.scale > 0) == upper
                for i in np.flatnonzero(side & (bound.limits == tightest[bound.columns])):
                    column = bound.columns[i]
                    mu[i] = left[column] / abs(bound.scale[i])
                    left[column] = 0.0
            _save(out, bound.row, mu)
        return out


def read_constraints(constraints: list[Any], reader: AffineReader) -> list[Row]:
    """Read the user's constraints.

    Raises
    ------
    Refused
        For constraints that are not affine equalities and inequalities.
    """
    rows = []
    for constraint in constraints:
        if not isinstance(constraint, Equality | Zero | Inequality | NonPos | NonNeg):
            kind = type(constraint).__name__
            reason = f"'{kind}' is a conic constraint; affine equalities, inequalities and bounds are taken"
            raise Refused(constraint, reason)
        expr = constraint.expr
        if expr.is_complex():
            raise Refused(constraint, "it is complex, and the minimizer works in real numbers")
        if not expr.is_affine():
            raise Refused(
                constraint, "it constrains a nonlinear expression; norms are taken in the objective alone"
            )
        node = reader.read(expr)
        if isinstance(constraint, NonNeg):
            node = reader.tape.apply(lambda a: affine.scaled(a, -1.0), node)
        rows.append(Row(node, isinstance(constraint, Equality | Zero), constraint))
    return rows


def instantiate(rows: list[Row], layout: Layout) -> Rows:
    """The constraints' numbers at the present parameter values."""
    lb, ub = layout.bounds()
    none = np.zeros(0, dtype=np.intp)
    if not rows and not layout.bounded:
        return Rows(None, None, None, None, lb, ub, None, (lb, ub), [], [], [], none)
    if np.any(np.isnan(lb)) or np.any(np.isnan(ub)):
        raise ValueError(NOT_FINITE)
    contradiction = None
    equalities: list[Row] = []
    inequalities: list[tuple[Row, np.ndarray]] = []
    bounds: list[_BoundRows] = []
    general: list[Affine] = []
    for row in rows:
        value: Affine = row.residual.value
        if value.size == 0 and not row.equality:
            inequalities.append((row, none))
            continue
        if np.any(np.isnan(value.offset)) or (row.equality and not np.all(np.isfinite(value.offset))):
            raise ValueError(NOT_FINITE)
        if not value.blocks:  # no variable in it: it holds or it does not
            worst = float(np.max(np.abs(value.offset) if row.equality else value.offset, initial=0.0))
            if worst > _CONSTANT_TOLERANCE:
                contradiction = f"{row.constraint} does not hold"
            inequalities.append((row, none))
            continue
        if row.equality:
            equalities.append(row)
            continue
        entries = _single_entries(value, layout)
        if entries is not None:
            columns, scale = entries
            limits = -value.offset / scale
            np.minimum.at(ub, columns[scale > 0], limits[scale > 0])
            np.maximum.at(lb, columns[scale < 0], limits[scale < 0])
            bounds.append(_BoundRows(row, columns, scale, limits))
            continue
        if np.any(value.offset == np.inf):
            contradiction = f"{row.constraint}: its constant part is infinite"
        kept = np.flatnonzero(np.isfinite(value.offset))
        inequalities.append((row, kept))
        general.append(value if len(kept) == value.size else affine.gathered(value, kept))
    if np.any(lb > ub) or np.any(lb == np.inf) or np.any(ub == -np.inf):
        contradiction = "the lower bound of a variable exceeds its upper bound"
    pinned = np.flatnonzero(lb == ub)
    lower, upper = lb, ub
    equal = [row.residual.value for row in equalities]
    if pinned.size and contradiction is None:
        # Bounds that leave no interior would starve an interior-point method: they are equalities.
        equal.append(_pins(pinned, lb, layout))
        lower, upper = lb.copy(), ub.copy()
        lower[pinned], upper[pinned] = -np.inf, np.inf
    E, e = _matrix(equal, layout)
    G, h = _matrix(general, layout)
    stated = (lb, ub)
    return Rows(E, e, G, h, lower, upper, contradiction, stated, equalities, inequalities, bounds, pinned)


def _single_entries(value: Affine, layout: Layout) -> tuple[np.ndarray, np.ndarray] | None:
    """(unknown, factor) per row where every row holds one unknown, else None."""
    if len(value.blocks) != 1:
        return None
    ((key, block),) = value.blocks.items()
    start = layout.places[key].start
    matrix = block.matrix
    if isinstance(matrix, Selection):
        return matrix.columns + start, np.full(len(matrix.columns), block.scale)
    if isinstance(matrix, np.ndarray):
        nonzero = matrix != 0
        if not np.all(nonzero.sum(axis=1) == 1):
            return None
        cols = np.argmax(nonzero, axis=1)
        factors = matrix[np.arange(len(cols)), cols]
    else:
        compact = matrix.copy()
        compact.eliminate_zeros()
        if not np.all(np.diff(compact.indptr) == 1):
            return None
        cols, factors = compact.indices, compact.data
    return cols + start, block.scale * factors


def _pins(pinned: np.ndarray, value: np.ndarray, layout: Layout) -> Affine:
    """``x[pinned] - value[pinned]`` as rows over all variables."""
    blocks = {}
    for key, place in layout.places.items():
        rows = np.flatnonzero((pinned >= place.start) & (pinned < place.stop))
        if rows.size:
            shape = (len(pinned), place.stop - place.start)
            unit = (np.ones(len(rows)), (rows, pinned[rows] - place.start))
            blocks[key] = affine.Block(sp.csr_array(unit, shape=shape))
    return Affine(blocks, -value[pinned])


def _matrix(
    parts: list[Affine], layout: Layout
) -> tuple[np.ndarray | sp.csr_array | None, np.ndarray | None]:
    parts = [part for part in parts if part.size]
    if not parts:
        return None, None
    whole = affine.stacked(parts)
    return affine.columns(whole, layout.places, layout.size), -whole.offset


def _save(out: dict[int, np.ndarray], row: Row, value: np.ndarray) -> None:
    if row.constraint is not None:
        out[row.constraint.id] = np.reshape(value, row.constraint.shape, order="F").copy()
