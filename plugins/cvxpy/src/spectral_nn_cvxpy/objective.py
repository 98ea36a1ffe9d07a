"""The objective, taken apart into l_p terms, a quadratic and a linear part.

The reader walks from the root down and carries along by which factors the entries of the sub-expression enter
the objective. Affine atoms pass the factors on through their transpose; at a convex atom the walk ends in a
term.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy import Maximize
from cvxpy.atoms.affine.add_expr import AddExpression
from cvxpy.atoms.affine.affine_atom import AffAtom
from cvxpy.atoms.affine.binary_operators import DivExpression, MulExpression, multiply
from cvxpy.atoms.affine.promote import Promote
from cvxpy.atoms.affine.sum import Sum
from cvxpy.atoms.affine.unary_operators import NegExpression
from cvxpy.atoms.norm1 import norm1
from cvxpy.atoms.quad_form import QuadForm

from .interpret import AffineReader, flat, summed_entries
from .monomial import Monomial, monomial
from .refusal import Refused
from .tape import Node

# Same meaning as in monomial.py.
_SAME = 1e-12


@dataclass(frozen=True)
class Term:
    """``sum_k c_k (sum_{i in group k} w_i |r_i|^p)^(power/p)`` with power 1 ("norm"), p ("power"), or
    another.

    `residual` holds an Affine, `weights` the c_k (outputs,), `rows` the w_i or is None. `power` other than 1
    and p is possible for a single term alone, whose minimizer does not depend on it.
    """

    residual: Node
    p: float
    power: float
    groups: np.ndarray | None
    weights: Node
    rows: Node | None
    source: Any


@dataclass(frozen=True)
class Quadratic:
    """``weight * r' P r`` with r affine."""

    residual: Node
    matrix: Node
    weight: Node
    source: Any


@dataclass
class Objective:
    """The parts whose sum, up to a constant, is minimized. `sign` is -1 for Maximize."""

    sign: float
    terms: list[Term] = field(default_factory=list)
    quadratics: list[Quadratic] = field(default_factory=list)
    linear: list[tuple[Node, Node]] = field(default_factory=list)  # (Affine, factors)
    constants: list[tuple[Node, Node]] = field(default_factory=list)  # (value, factors)
    nonneg: list[Node] = field(default_factory=list)  # Affine that the domain of an atom keeps nonnegative

    def constant(self) -> float:
        """The constant part, at the present parameter values."""
        offsets = [(node.value.offset, factors.value) for node, factors in self.linear]
        values = [(flat(node.value), factors.value) for node, factors in self.constants]
        return float(sum(np.sum(value * factors) for value, factors in offsets + values))

    @property
    def outer(self) -> Term | None:
        """The single term that stands inside a further power, or None."""
        strange = [t for t in self.terms if not _same(t.power, 1.0) and not _same(t.power, t.p)]
        return strange[0] if strange else None


def read_objective(objective: Any, reader: AffineReader) -> Objective:
    """Take the objective of a problem apart.

    Raises
    ------
    Refused
        Where a part is not an l_p norm, its power, a quadratic or affine.
    """
    sign = -1.0 if isinstance(objective, Maximize) else 1.0
    out = Objective(sign)
    _Walk(reader, out).down(objective.expr, reader.tape.constant(np.array([sign])))
    outer = out.outer
    if outer is not None and (
        len(out.terms) > 1 or out.quadratics or out.linear or outer.weights.value.size > 1
    ):
        raise Refused(
            outer.source,
            f"the l_{outer.p:g} norm to the power {outer.power:g} is taken for power 1 or {outer.p:g}, "
            "or any power where it is the whole objective",
        )
    return out


class _Walk:
    def __init__(self, reader: AffineReader, out: Objective) -> None:
        self.reader = reader
        self.tape = reader.tape
        self.out = out

    def down(self, expr: Any, factors: Node) -> None:
        """Add ``factors' vec(expr)`` to the objective; `factors` has expr.size entries, or one for all."""
        if expr.is_constant():
            _refuse_hidden_domains(expr)
            self.out.constants.append((self.reader.value(expr), factors))
        elif expr.is_affine():
            self.out.linear.append((self.reader.read(expr), factors))
        elif isinstance(expr, norm1) and expr.args[0].is_affine() and expr.args[0].is_nonneg():
            arg = expr.args[0]
            if expr.axis is None:
                self.out.linear.append((self.reader.read(arg), factors))
            else:
                self._convex(expr, factors)
        elif isinstance(expr, AffAtom):
            self._affine_atom(expr, factors)
        elif isinstance(expr, QuadForm):
            self._quadratic(expr, factors)
        else:
            self._convex(expr, factors)

    def _affine_atom(self, expr: Any, factors: Node) -> None:
        if isinstance(expr, AddExpression):
            for arg in expr.args:
                if arg.size == expr.size:
                    self.down(arg, factors)
                elif arg.size == 1:
                    self.down(arg, self.tape.apply(lambda f, n=expr.size: _total(f, n), factors))
                else:
                    raise Refused(expr, "it broadcasts a nonlinear part; write the broadcast out")
        elif isinstance(expr, NegExpression):
            self.down(expr.args[0], self.tape.apply(np.negative, factors))
        elif isinstance(expr, Sum):
            target = summed_entries(expr)
            if expr.size == 1:
                self.down(expr.args[0], factors)
            else:
                self.down(expr.args[0], self.tape.apply(lambda f: _spread(f, target), factors))
        elif isinstance(expr, Promote):
            self.down(expr.args[0], self.tape.apply(lambda f: _total(f, expr.size), factors))
        elif isinstance(expr, multiply) and all(arg.size == expr.size for arg in expr.args):
            constant, inner = expr.args if expr.args[0].is_constant() else expr.args[::-1]
            self.down(inner, self.tape.apply(lambda f, c: f * flat(c), factors, self._value(constant)))
        elif isinstance(expr, DivExpression) and expr.args[0].size == expr.size:
            constant = self._value(expr.args[1])
            self.down(expr.args[0], self.tape.apply(lambda f, c: f / flat(c), factors, constant))
        elif isinstance(expr, MulExpression) and any(arg.shape == () for arg in expr.args) and expr.size == 1:
            constant, inner = expr.args if expr.args[0].is_constant() else expr.args[::-1]
            self.down(inner, self.tape.apply(lambda f, c: f * flat(c), factors, self._value(constant)))
        else:
            for number, arg in enumerate(expr.args):
                if not arg.is_constant():
                    matrix = self.reader.linear_map(expr, number)
                    self.down(arg, self.tape.apply(_transposed, matrix, factors))

    def _value(self, constant: Any) -> Node:
        return self.reader.value(constant.args[0] if isinstance(constant, Promote) else constant)

    def _quadratic(self, expr: QuadForm, factors: Node) -> None:
        inner, matrix = expr.args
        if not inner.is_affine():
            raise Refused(expr, "quad_form is taken of affine expressions alone")
        residual = self.reader.read(inner)
        self.out.quadratics.append(Quadratic(residual, self.reader.value(matrix), factors, expr))

    def _convex(self, expr: Any, factors: Node) -> None:
        if not expr.is_convex():
            raise Refused(expr, "a concave part is not an l_p norm, a quadratic or affine")
        form = monomial(expr, self.reader)
        if form.groups is None and _same(form.power, 1.0):
            self._absolute(form, expr, factors)
            return
        residual = self.reader.read(form.residual)
        if form.nonneg:
            self.out.nonneg.append(residual)
        weights = factors
        if form.coefficient is not None:
            weights = self.tape.apply(np.multiply, factors, form.coefficient)
        p = form.power if form.groups is None else form.p
        self.out.terms.append(Term(residual, p, form.power, form.groups, weights, form.rows, expr))

    def _absolute(self, form: Monomial, expr: Any, factors: Node) -> None:
        if not form.residual.is_nonneg():
            raise Refused(expr, "an l_1 term has no curvature, and the minimizer needs 1 < p < inf")
        weights = factors
        if form.coefficient is not None:
            weights = self.tape.apply(np.multiply, factors, form.coefficient)
        self.out.linear.append((self.reader.read(form.residual), weights))


def _refuse_hidden_domains(expr: Any) -> None:
    """CVXPY calls a nonlinear expression without entries constant, and still keeps to its domain."""
    if not expr.variables():
        return
    stack = [expr]
    while stack:
        atom = stack.pop()
        if atom.args and not isinstance(atom, AffAtom):
            raise Refused(atom, "it has no entries, but its domain still binds")
        stack += atom.args


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME * max(abs(a), abs(b))


def _total(factors: np.ndarray, entries: int) -> np.ndarray:
    """The factor of a scalar that is copied to `entries` entries."""
    return np.array([factors[0] * entries]) if factors.size == 1 else np.array([factors.sum()])


def _spread(factors: np.ndarray, target: np.ndarray) -> np.ndarray:
    return factors if factors.size == 1 else factors[target]


def _transposed(matrix: np.ndarray | sp.csr_array, factors: np.ndarray) -> np.ndarray:
    full = factors if factors.size == matrix.shape[0] else np.broadcast_to(factors, matrix.shape[0])
    return np.asarray(matrix.T @ full).reshape(-1)
