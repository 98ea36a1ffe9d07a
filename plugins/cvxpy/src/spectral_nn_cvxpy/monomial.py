"""The nonlinear part of an objective, brought to one form: coefficient * (l_p norm of affine entries) **
power.

``cp.norm(r, p) ** p``, ``cp.sum_squares(r)``, ``cp.power(cp.abs(r), p)``, ``cp.norm(cp.square(r), 2)`` and
their nestings all reduce to :class:`Monomial`; what does not reduce is refused with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cvxpy.atoms.affine.binary_operators import DivExpression, multiply
from cvxpy.atoms.affine.promote import Promote
from cvxpy.atoms.elementwise.abs import abs as abs_atom
from cvxpy.atoms.elementwise.power import Power
from cvxpy.atoms.norm1 import norm1
from cvxpy.atoms.norm_inf import norm_inf
from cvxpy.atoms.pnorm import Pnorm
from cvxpy.atoms.quad_over_lin import quad_over_lin

from .interpret import AffineReader, entries_moved
from .refusal import Refused
from .tape import Node

# Exponents closer than this are the same number written in two ways (a rational and a float, a product of
# powers).
_SAME = 1e-12


@dataclass(frozen=True)
class Monomial:
    """Per output entry k: ``coefficient_k * (sum over i with group_i = k of row_i |r_i|^p) ** (power / p)``.

    Attributes
    ----------
    residual : cvxpy affine expression
        r, its entries numbered column-major.
    p : float
    power : float
        1 makes a norm, p a sum of p-th powers.
    groups : ndarray of int or None
        To which output entry each entry of r belongs. None: entry i to output i, each a norm of one entry,
        |r_i|^power.
    rows : Node or None
        Nonnegative factors of the entries (inside the sum), or None for ones.
    coefficient : Node or None
        Nonnegative factors of the outputs, or None for ones.
    nonneg : bool
        Whether the atom is defined for r >= 0 alone (``r ** 3``).
    """

    residual: Any
    p: float
    power: float
    groups: np.ndarray | None = None
    rows: Node | None = None
    coefficient: Node | None = None
    nonneg: bool = False


def monomial(expr: Any, reader: AffineReader) -> Monomial:
    """`expr` as a Monomial.

    Raises
    ------
    Refused
        Naming the sub-expression that does not reduce.
    """
    if isinstance(expr, abs_atom):
        inner = expr.args[0]
        return Monomial(inner, 1.0, 1.0) if inner.is_affine() else monomial(inner, reader)
    if isinstance(expr, norm1) and expr.args[0].size == 1 and expr.args[0].is_affine():
        return Monomial(expr.args[0], 1.0, 1.0)
    if isinstance(expr, Power):
        return _power(expr, reader)
    if isinstance(expr, Pnorm):
        return _norm(expr, _exponent(expr), 1.0, reader)
    if isinstance(expr, quad_over_lin) and expr.args[1].is_constant():
        inner = _norm(expr, 2.0, 2.0, reader)
        return _times(
            inner,
            reader.tape.apply(lambda y: 1.0 / np.asarray(y).reshape(-1), reader.value(expr.args[1])),
            reader,
        )
    if isinstance(expr, multiply) and any(arg.is_constant() for arg in expr.args):
        constant, inner = expr.args if expr.args[0].is_constant() else expr.args[::-1]
        return _times(monomial(inner, reader), _vector(constant, reader), reader)
    if isinstance(expr, DivExpression) and expr.args[1].is_constant():
        inverse = reader.tape.apply(lambda c: 1.0 / c, _vector(expr.args[1], reader))
        return _times(monomial(expr.args[0], reader), inverse, reader)
    if isinstance(expr, Promote):
        inner = monomial(expr.args[0], reader)
        if inner.groups is None and inner.residual.size == 1:
            rows = entries_moved(expr)
            return replace(inner, residual=_promoted(inner.residual, len(rows)))
    raise Refused(expr, why_not(expr))


def why_not(expr: Any) -> str:
    """Why the atom at the top of `expr` is none of the minimizer's."""
    name = type(expr).__name__
    if isinstance(expr, norm1 | abs_atom):
        return "an l_1 term has no curvature, and the minimizer needs 1 < p < inf"
    if isinstance(expr, norm_inf) or name in ("max", "maximum", "MaxEntries"):
        return "an l_inf term (a maximum) is not smooth, and the minimizer needs 1 < p < inf"
    if isinstance(expr, Power):
        return "its base is neither affine nor the absolute value, norm or power of something affine"
    return f"'{name}' is not built of l_p norms (1 < p < inf), quadratics and affine parts"


def _power(expr: Power, reader: AffineReader) -> Monomial:
    exponent = float(np.asarray(expr.p.value))
    base = expr.args[0]
    if exponent < 1:
        raise Refused(expr, f"the exponent {exponent:g} is below 1, and the minimizer needs powers above 1")
    if base.is_affine():
        whole_line = _is_power_of_two(exponent)  # CVXPY defines the other powers for nonnegative bases alone
        return Monomial(base, 1.0, exponent, nonneg=not (whole_line or base.is_nonneg()))
    inner = monomial(base, reader)
    coefficient = inner.coefficient
    if coefficient is not None:
        coefficient = reader.tape.apply(lambda c: c**exponent, coefficient)
    return replace(inner, power=inner.power * exponent, coefficient=coefficient)


def _norm(expr: Any, q: float, outer: float, reader: AffineReader) -> Monomial:
    """``(sum_i x_i^q) ** (outer / q)`` over the axis of `expr`, for x affine or itself a monomial."""
    arg = expr.args[0]
    groups = _axis_groups(expr)
    if arg.is_affine():
        return Monomial(arg, q, outer, groups)
    inner = monomial(arg, reader)
    if inner.groups is None:  # x_i = c_i |r_i|^a: the sum is of c_i^q |r_i|^(a q)
        p = inner.power * q
        rows = inner.coefficient
        if rows is not None:
            rows = reader.tape.apply(lambda c: c**q, rows)
        return Monomial(inner.residual, p, inner.power * outer, groups, rows, None, inner.nonneg)
    if (
        abs(inner.power * q - inner.p) <= _SAME * inner.p
    ):  # norms of norms of one exponent: one sum over all entries
        rows, outputs = inner.rows, inner.groups
        if inner.coefficient is not None:
            factor = reader.tape.apply(
                lambda c: (np.broadcast_to(c, outputs.max() + 1) ** q)[outputs], inner.coefficient
            )
            rows = factor if rows is None else reader.tape.apply(np.multiply, rows, factor)
        return Monomial(
            inner.residual, inner.p, inner.power * outer, groups[outputs], rows, None, inner.nonneg
        )
    raise Refused(
        expr,
        f"norms with p = {inner.p:g} inside one with p = {q:g} are no l_p norm of affine entries",
    )


def _times(inner: Monomial, factor: Node, reader: AffineReader) -> Monomial:
    if inner.coefficient is None:
        return replace(inner, coefficient=factor)
    return replace(inner, coefficient=reader.tape.apply(np.multiply, inner.coefficient, factor))


def _vector(constant: Any, reader: AffineReader) -> Node:
    """A constant factor as a vector (entries,) or (1,); minus signs were found by CVXPY's own sign
    analysis."""
    if isinstance(constant, Promote):
        constant = constant.args[0]
    return reader.tape.apply(
        lambda v: np.asarray(v, dtype=float).reshape(-1, order="F"), reader.value(constant)
    )


def _exponent(expr: Pnorm) -> float:
    """The exponent that ``expr.value`` is computed with: the rational for ``cp.norm``, the user's for
    approx=False."""
    p = float(expr.p)
    if p > 1:
        return p
    raise Refused(expr, f"p = {p:g} is not above 1")


def _axis_groups(expr: Any) -> np.ndarray:
    """Which output entry each entry of the argument goes into."""
    arg = expr.args[0]
    if expr.axis is None:
        return np.zeros(arg.size, dtype=np.intp)
    axes = (expr.axis,) if np.isscalar(expr.axis) else tuple(expr.axis)
    axes = tuple(axis % arg.ndim for axis in axes)
    kept = [1 if i in axes else d for i, d in enumerate(arg.shape)]
    numbers = np.arange(expr.size).reshape(kept, order="F")
    return np.broadcast_to(numbers, arg.shape).reshape(-1, order="F")


def _promoted(residual: Any, size: int) -> Any:
    from cvxpy import promote, reshape

    return promote(reshape(residual, (), order="F"), (size,))


def _is_power_of_two(p: float) -> bool:
    return p == int(p) and int(p) > 1 and int(p) & (int(p) - 1) == 0
