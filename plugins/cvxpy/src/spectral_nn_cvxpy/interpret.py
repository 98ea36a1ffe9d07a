"""Affine expressions read off the tree: matrix and offset without CVXPY's compilation.

The atoms that people write (products with constants, sums, slices, stacks, reshapes) are evaluated directly.
Atoms that only move entries about (slices, stacks, transposes, broadcasts, diagonals, ...) are all read in
one way: the atom's own ``numeric`` is run on the numbers of the entries instead of their values. Whatever is
left goes to :mod:`~spectral_nn_cvxpy.extract`, which asks CVXPY for the coefficients of that one atom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy import Constant, Variable
from cvxpy.atoms.affine.add_expr import AddExpression
from cvxpy.atoms.affine.binary_operators import DivExpression, MulExpression, multiply
from cvxpy.atoms.affine.broadcast_to import broadcast_to
from cvxpy.atoms.affine.concatenate import Concatenate
from cvxpy.atoms.affine.conj import conj
from cvxpy.atoms.affine.diag import diag_mat, diag_vec
from cvxpy.atoms.affine.hstack import Hstack
from cvxpy.atoms.affine.index import index, special_index
from cvxpy.atoms.affine.promote import Promote
from cvxpy.atoms.affine.real import real
from cvxpy.atoms.affine.reshape import reshape
from cvxpy.atoms.affine.sum import Sum
from cvxpy.atoms.affine.transpose import transpose
from cvxpy.atoms.affine.unary_operators import NegExpression
from cvxpy.atoms.affine.upper_tri import upper_tri
from cvxpy.atoms.affine.vstack import Vstack
from cvxpy.atoms.affine.wraps import Wrap
from cvxpy.atoms.elementwise.power import Power

from . import affine
from .affine import Affine
from .extract import coefficients
from .refusal import Refused
from .tape import Node, Tape
from .variables import Layout

# Atoms whose every output entry is one entry of an argument, or zero.
_MOVERS = (
    Concatenate, Hstack, Promote, Vstack, broadcast_to, diag_mat, diag_vec, index, reshape, special_index,
    transpose, upper_tri,
)  # fmt: skip
# Atoms that leave a real argument as it is.
_WRAPPERS = (Wrap, conj, real)


class AffineReader:
    """Reads affine expressions onto a tape.

    Parameters
    ----------
    tape : Tape
    layout : Layout
        Who the unknowns are.
    """

    def __init__(self, tape: Tape, layout: Layout) -> None:
        self.tape = tape
        self.layout = layout
        self._read: dict[int, tuple[Any, Node]] = {}  # the expression is kept, so that its id stays its own

    def read(self, expr: Any) -> Node:
        """The affine expression `expr` as a Node that holds an Affine; each sub-expression is read once."""
        known = self._read.get(id(expr))
        if known is None:
            known = self._read[id(expr)] = (expr, self._interpret(expr))
        return known[1]

    def value(self, expr: Any) -> Node:
        """The constant expression `expr` as a Node that holds CVXPY's value of it."""
        if expr.is_complex():
            raise Refused(expr, "it is complex, and the minimizer works in real numbers")
        if isinstance(expr, Constant) or not expr.parameters():
            return self.tape.constant(expr.value)
        return self.tape.reader(lambda: expr.value)

    def linear_map(self, atom: Any, arg: int) -> Node:
        """The matrix by which the affine atom `atom` acts on its argument number `arg`, column-major on both
        sides."""
        places = [a for a in atom.args if not a.is_constant()]
        number = next(k for k, place in enumerate(places) if place is atom.args[arg])
        return self.tape.apply(lambda parts: parts[number], self._coefficients(atom, places))

    def _interpret(self, expr: Any) -> Node:
        if expr.is_constant():
            return self.tape.apply(affine.of_constant, self.value(expr))
        if isinstance(expr, Variable):
            return self.tape.constant(self.layout.affine(expr))
        for kind in type(expr).__mro__:
            if kind in _HANDLERS:
                return _HANDLERS[kind](self, expr)
        return self._ask_cvxpy(expr)

    def _ask_cvxpy(self, expr: Any) -> Node:
        """Coefficients of this one atom in its arguments by CVXPY, the arguments read here."""
        inner = [arg for arg in expr.args if not arg.is_constant()]

        def combine(parts: list[Any], *arguments: Affine) -> Affine:
            pieces = [affine.multiplied(m, a) for m, a in zip(parts[:-1], arguments, strict=True)]
            return affine.added(Affine({}, parts[-1]), *pieces)

        return self.tape.apply(combine, self._coefficients(expr, inner), *map(self.read, inner))

    def _coefficients(self, atom: Any, inner: list[Any]) -> Node:
        fixed = [self.value(arg) for arg in atom.args if arg.is_constant()]

        def ask(*values: Any) -> list[Any]:
            try:
                return coefficients(atom, inner, values)
            except Exception as error:  # whatever CVXPY raises here, the user is to hear which atom it was
                raise Refused(
                    atom, f"its coefficients could not be read ({type(error).__name__}: {error})"
                ) from error

        return self.tape.apply(ask, *fixed)


def entries_moved(atom: Any) -> np.ndarray:
    """For an atom that moves entries: per output entry the number, from 1, of the stacked input entry; 0 for
    a zero."""
    numbered, count = [], 1
    for arg in atom.args:
        numbers = np.arange(count, count + arg.size).reshape(arg.shape, order="F")
        numbered.append(numbers)
        count += arg.size
    moved = np.asarray(atom.numeric(numbered))
    return moved.reshape(-1, order="F").astype(np.intp)


def summed_entries(atom: Any) -> np.ndarray:
    """For ``cp.sum``: per input entry the number of the output entry that it is added to."""
    shape, out = atom.args[0].shape, np.arange(atom.size)
    if atom.axis is None:
        return np.zeros(atom.args[0].size, dtype=np.intp)
    axes = (atom.axis,) if np.isscalar(atom.axis) else tuple(atom.axis)
    kept = [1 if i in {a % len(shape) for a in axes} else d for i, d in enumerate(shape)]
    return np.broadcast_to(out.reshape(kept, order="F"), shape).reshape(-1, order="F")


def _add(reader: AffineReader, expr: Any) -> Node:
    terms = [reader.read(arg) for arg in expr.args]
    for k, arg in enumerate(expr.args):
        if arg.size != expr.size:
            numbers = np.arange(arg.size).reshape(arg.shape, order="F")
            rows = np.broadcast_to(numbers, expr.shape).reshape(-1, order="F")
            terms[k] = reader.tape.apply(affine.gathered, terms[k], reader.tape.constant(rows))
    return reader.tape.apply(affine.added, *terms)


def _negate(reader: AffineReader, expr: Any) -> Node:
    return reader.tape.apply(lambda a: affine.scaled(a, -1.0), reader.read(expr.args[0]))


def _elementwise(reader: AffineReader, expr: Any) -> Node:
    left, right = expr.args
    constant, inner = (left, right) if left.is_constant() else (right, left)
    if isinstance(constant, Promote):
        constant = constant.args[0]
    if inner.size != expr.size:
        return reader._ask_cvxpy(expr)
    return reader.tape.apply(_times, reader.read(inner), reader.value(constant))


def _divide(reader: AffineReader, expr: Any) -> Node:
    inner, constant = expr.args
    if isinstance(constant, Promote):
        constant = constant.args[0]
    return reader.tape.apply(
        lambda a, c: _times(a, 1.0 / flat(c)), reader.read(inner), reader.value(constant)
    )


def _matmul(reader: AffineReader, expr: Any) -> Node:
    left, right = expr.args
    if max(left.ndim, right.ndim) > 2:
        return reader._ask_cvxpy(expr)
    if left.is_constant():
        inner, constant, build = right, left, _left_factor
    else:
        inner, constant, build = left, right, _right_factor
    if constant.size == 1 and (constant.shape == () or inner.shape == ()):
        return reader.tape.apply(_times, reader.read(inner), reader.value(constant))
    if inner.shape == ():
        return reader._ask_cvxpy(expr)
    shape = inner.shape
    factor = reader.tape.apply(lambda value: build(value, shape), reader.value(constant))
    return reader.tape.apply(affine.multiplied, factor, reader.read(inner))


def _sum(reader: AffineReader, expr: Any) -> Node:
    target = summed_entries(expr)
    matrix = sp.csr_array(
        (np.ones(len(target)), (target, np.arange(len(target)))), shape=(expr.size, len(target))
    )
    factor = reader.tape.constant(affine.settled(matrix))
    return reader.tape.apply(affine.multiplied, factor, reader.read(expr.args[0]))


def _move(reader: AffineReader, expr: Any) -> Node:
    rows = entries_moved(expr)
    parts = [reader.read(arg) for arg in expr.args]
    source = parts[0] if len(parts) == 1 else reader.tape.apply(lambda *p: affine.stacked(list(p)), *parts)
    if rows.size and rows.min() == 0:
        kept = np.flatnonzero(rows)
        place = sp.csr_array(
            (np.ones(len(kept)), (kept, rows[kept] - 1)), shape=(len(rows), source.value.size)
        )
        return reader.tape.apply(affine.multiplied, reader.tape.constant(affine.settled(place)), source)
    return reader.tape.apply(affine.gathered, source, reader.tape.constant(rows - 1))


def _pass(reader: AffineReader, expr: Any) -> Node:
    return reader.read(expr.args[0])


def _affine_power(reader: AffineReader, expr: Any) -> Node:
    if float(expr.p.value) != 1.0:
        raise Refused(expr, "it is not affine")
    return reader.read(expr.args[0])


def _times(inner: Affine, value: Any) -> Affine:
    factors = flat(value)
    if factors.size == 1:
        return affine.scaled(inner, factors[0])
    return affine.scaled_rows(inner, factors)


def flat(value: Any) -> np.ndarray:
    """A constant's value as a column-major vector."""
    return affine.flatten(value)


def _left_factor(value: Any, shape: tuple[int, ...]) -> np.ndarray | sp.csr_array:
    """C in ``vec(C @ X) = (I kron C) vec(X)`` for X of the given shape."""
    matrix = affine.as_matrix(value)
    if matrix.ndim == 1:
        matrix = matrix[None, :]
    if len(shape) == 1 or shape[1] == 1:
        return matrix
    return affine.settled(sp.csr_array(sp.kron(sp.eye_array(shape[1]), matrix, format="csr")))


def _right_factor(value: Any, shape: tuple[int, ...]) -> np.ndarray | sp.csr_array:
    """C in ``vec(X @ C) = (C' kron I) vec(X)`` for X of the given shape."""
    matrix = affine.as_matrix(value)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if len(shape) == 1 or shape[0] == 1:
        return matrix.T if isinstance(matrix, np.ndarray) else sp.csr_array(matrix.T)
    return affine.settled(sp.csr_array(sp.kron(matrix.T, sp.eye_array(shape[0]), format="csr")))


_HANDLERS: dict[type, Callable[[AffineReader, Any], Node]] = {
    AddExpression: _add,
    NegExpression: _negate,
    multiply: _elementwise,
    MulExpression: _matmul,
    DivExpression: _divide,
    Power: _affine_power,
    Sum: _sum,
    **dict.fromkeys(_MOVERS, _move),
    **dict.fromkeys(_WRAPPERS, _pass),
}
