"""Tracing an operator: from ``lambda x, u: …`` to values, exact partial derivatives, orders and linearity.

Terms that reach beyond the node become extra unknowns, so that what remains is local (see docs/architecture.md):

- ``u(x0)``, ``u.sum()``, ``u.jump(x0)`` are scalar parameters, each with one condition (`ScalarTerm`);
- ``(K*u.diff()).diff()``, ``u.cumsum()``, ``u(x/2)`` and kernels are unknown functions, each with one equation
  (`FunctionTerm`); only the last two couple distant points.

Their order of appearance identifies them from one trace to the next.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .expression import ORDERS, Expression

Fields = Callable[[int, int], Any]
"""``fields(j, k)``: values at the nodes of the k-th derivative of unknown j (an array, or the number 0)."""


@dataclass(frozen=True)
class ScalarTerm:
    """A scalar unknown made by the trace: ``kind`` is "point", "sum" or "jump"; ``key`` = (j, k, x0) but for sums."""

    kind: str
    key: tuple[int, int, float] | None = None


@dataclass(frozen=True)
class FunctionTerm:
    """An unknown function made by the trace: ``kind`` is "diff", "cumsum", "at" or "kernel".

    For the nonlocal kinds ``source`` = (j, k) is what is composed or integrated; ``map`` is the kernel K(x, t).
    """

    kind: str
    source: tuple[int, int] | None = None
    map: Any = None
    volterra: bool = False


@dataclass
class Structure:
    """What tracing finds out about a problem, before any number matters."""

    n_unknowns: int
    n_params: int
    orders: list[int] = field(default_factory=list)
    functions: list[FunctionTerm] = field(default_factory=list)
    scalars: list[ScalarTerm] = field(default_factory=list)
    linear: bool = True

    @property
    def m(self) -> int:
        """Unknown functions in all."""
        return self.n_unknowns + len(self.functions)

    @property
    def p(self) -> int:
        """Scalar unknowns in all."""
        return self.n_params + len(self.scalars)

    @property
    def nonlocal_terms(self) -> list[tuple[int, FunctionTerm]]:
        """The (unknown index, term) pairs that couple distant points."""
        return [(self.n_unknowns + i, f) for i, f in enumerate(self.functions) if f.kind in ("at", "kernel")]


@dataclass
class Linearization:
    """The operator and its partial derivatives at nodes x (n,), around the given fields.

    Attributes
    ----------
    residual : list of m arrays
        F_i(x, u, …) − rhs_i at the nodes; numbers where constant. Broadcast over a batch if the operator does.
    entries : list of (i, j, k, values)
        ∂F_i/∂u_j^(k) at the nodes; numbers where constant.
    param_entries : list of (i, p, values)
        ∂F_i/∂λ_p.
    affine : bool
        Whether every equation is affine in the unknowns.
    sums : list of Expression
        Integrands of the scalar terms of kind "sum", in order.
    points : dict of unknown index to array
        Where the "at" terms evaluate their source.
    """

    x: np.ndarray
    residual: list[Any]
    entries: list[tuple[int, int, int, Any]]
    param_entries: list[tuple[int, int, Any]]
    affine: bool
    sums: list[Expression]
    points: dict[int, Any]


class OperatorTrace:
    """One evaluation of the operator at nodes x. Implements `expression.Context`."""

    def __init__(
        self,
        structure: Structure,
        x: np.ndarray,
        fields: Fields,
        params: Sequence[Any],
        discover: bool = False,
        values_only: bool = False,
    ):
        self.structure, self.x, self.fields, self.params = structure, x, fields, params
        self.discover, self.values_only = discover, values_only
        self.compared = False
        self.equations: list[Expression] = []
        self.sums: list[Expression] = []
        self.points: dict[int, Any] = {}
        self._guessed: dict[int, Any] = {}
        self._n_functions = self._n_scalars = 0

    # --- what the operator is called with

    def unknown(self, j: int, k: int = 0) -> Expression:
        if self.discover:
            orders = self.structure.orders
            orders[j] = max(orders[j], k)
            value = self._guessed.get(j, 0.0) if j >= self.structure.n_unknowns else self.fields(j, k)
        else:
            value = self.fields(j, k)
        return Expression(self, value, {} if self.values_only else {j * ORDERS + k: 1.0}, True, (j, k))

    def parameter(self, index: int) -> Expression:
        value = self.params[index] if index < len(self.params) else 0.0
        return Expression(self, value, {} if self.values_only else {-1 - index: 1.0}, True)

    # --- Context

    def derivative(self, expr: Expression, k: int) -> Expression:
        if expr.variable is not None:
            return self.unknown(expr.variable[0], expr.variable[1] + k)
        j = self._function(FunctionTerm("diff"), expr)
        self.equations.append(self.unknown(j) - expr)
        return self.unknown(j, k)

    def antiderivative(self, expr: Expression) -> Expression:
        j = self._function(FunctionTerm("cumsum"), expr)
        self.equations.append(self.unknown(j, 1) - expr)
        return self.unknown(j)

    def at(self, expr: Expression, point: Any) -> Expression:
        if isinstance(point, Expression):
            raise TypeError("op: u(…) takes points that do not depend on the unknowns")
        if np.ndim(point) == 0:
            return self._scalar(ScalarTerm("point", (*_pure(expr, "u(x0)"), float(point))))
        points = np.asarray(point, dtype=float)
        if points.shape != self.x.shape:
            raise ValueError(
                f"op: u(points) must have one point for each x, shape {self.x.shape}, got {points.shape}"
            )
        j = self._function(FunctionTerm("at", self._pure_source(expr)), expr)
        self.points[j] = points
        self.equations.append(self.unknown(j))
        return self.unknown(j)

    def kernel(self, expr: Expression, kernel: Any, volterra: bool) -> Expression:
        if not callable(kernel):
            raise TypeError(f"op: the kernel must be a callable K(x, t), got {type(kernel).__name__}")
        j = self._function(FunctionTerm("kernel", self._pure_source(expr), kernel, volterra), expr)
        self.equations.append(self.unknown(j))
        return self.unknown(j)

    def integral(self, expr: Expression) -> Expression:
        self.sums.append(expr)
        return self._scalar(ScalarTerm("sum"))

    def jump(self, expr: Expression, point: float) -> Expression:
        return self._scalar(ScalarTerm("jump", (*_pure(expr, "u.jump(x0)"), float(point))))

    # --- bookkeeping

    def _pure_source(self, expr: Expression) -> tuple[int, int]:
        """The (unknown, order) behind an expression; a compound one becomes an unknown first."""
        if expr.variable is not None:
            return expr.variable
        j = self._function(FunctionTerm("diff"), expr)
        self.equations.append(self.unknown(j) - expr)
        return (j, 0)

    def _function(self, term: FunctionTerm, expr: Expression) -> int:
        s, index = self.structure, self._n_functions
        self._n_functions += 1
        if self.discover:
            s.functions.append(term)
            s.orders.append(0)
            self._guessed[s.n_unknowns + index] = expr.value if term.kind == "diff" else 0.0
        elif index >= len(s.functions) or s.functions[index].kind != term.kind:
            raise ValueError(
                "op: must apply the same operations at every call; it took another branch this time"
            )
        return s.n_unknowns + index

    def _scalar(self, term: ScalarTerm) -> Expression:
        s = self.structure
        if term.kind != "sum" and term in s.scalars:
            return self.parameter(s.n_params + s.scalars.index(term))
        if self.discover:
            s.scalars.append(term)
            return self.parameter(s.p - 1)
        if term.kind != "sum":
            raise ValueError(
                "op: must apply the same operations at every call; it took another branch this time"
            )
        sums = [i for i, t in enumerate(s.scalars) if t.kind == "sum"]
        index = self._n_scalars
        self._n_scalars += 1
        return self.parameter(s.n_params + sums[index])

    def result(self, equations: Sequence[Any], rhs: Sequence[Any]) -> Linearization:
        """Split the equations (user's first, then those of the trace's own unknowns) into values and partials."""
        residual: list[Any] = []
        entries: list[tuple[int, int, int, Any]] = []
        param_entries: list[tuple[int, int, Any]] = []
        affine = not self.compared
        for i, eq in enumerate([*equations, *self.equations]):
            r = eq.value - rhs[i] if i < len(rhs) else eq.value
            residual.append(r)
            affine = affine and eq.affine
            for key, d in eq.partials.items():
                if key < 0:
                    param_entries.append((i, -1 - key, d))
                else:
                    entries.append((i, key // ORDERS, key % ORDERS, d))
        affine = affine and all(s.affine for s in self.sums)
        return Linearization(self.x, residual, entries, param_entries, affine, self.sums, self.points)


def _pure(expr: Expression, what: str) -> tuple[int, int]:
    if expr.variable is None:
        raise TypeError(
            f"op: {what} applies to an unknown or a derivative of it, not to a compound expression"
        )
    return expr.variable


def is_number(value: Any) -> bool:
    """Whether the value is a plain number (NumPy scalars and 0-d arrays included)."""
    if type(value) in (float, int, complex):  # the common case: the abstract class costs a microsecond
        return True
    return isinstance(value, numbers.Number) or (
        isinstance(value, np.ndarray | np.generic) and value.ndim == 0
    )
