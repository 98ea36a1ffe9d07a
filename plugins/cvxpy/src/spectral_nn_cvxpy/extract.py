"""The general fallback: CVXPY's own coefficient extraction, applied to one affine atom at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy import Constant, Minimize, Problem, Variable
from cvxpy.reductions.inverse_data import InverseData
from cvxpy.utilities.coeff_extractor import CoeffExtractor

from .affine import flatten, settled


def coefficients(atom: Any, inner: list[Any], values: tuple[Any, ...]) -> list[Any]:
    """How an affine atom acts on its non-constant arguments.

    Parameters
    ----------
    atom : cvxpy atom, affine
    inner : list of its non-constant arguments, in order
    values : values of its constant arguments, in order

    Returns
    -------
    list
        One matrix (atom.size, argument.size) per entry of `inner`, then the constant part (atom.size,).
    """
    fixed = iter(values)
    stand_ins = [Variable(arg.shape) for arg in inner]
    variables = iter(stand_ins)
    args = [Constant(next(fixed)) if arg.is_constant() else next(variables) for arg in atom.args]
    copy = atom.copy(args)
    try:
        return _extracted(copy, stand_ins)
    except (
        NotImplementedError
    ):  # an affine atom that CVXPY compiles through auxiliary variables, such as cumsum
        return _derived(copy, args, stand_ins)


def _extracted(copy: Any, stand_ins: list[Variable]) -> list[Any]:
    """Coefficients of `copy` in the stand-in variables by CVXPY's extractor."""
    inverse = InverseData(Problem(Minimize(0), [stand_in == 0 for stand_in in stand_ins]))
    backend = None if max(copy.ndim, copy._max_ndim()) <= 2 and copy._all_support_cpp() else "SCIPY"
    # One column: there are no parameters left. Rows run over the entries of [A b], column-major.
    flat = sp.coo_array(sp.csc_array(CoeffExtractor(inverse, backend).affine(copy))[:, [0]])
    rows, cols = flat.coords[0] % copy.size, flat.coords[0] // copy.size
    matrix = sp.csc_array((flat.data, (rows, cols)), shape=(copy.size, inverse.x_length + 1))
    parts: list[Any] = []
    for stand_in in stand_ins:
        begin = inverse.var_offsets[stand_in.id]
        parts.append(settled(sp.csr_array(matrix[:, begin : begin + stand_in.size])))
    return [*parts, np.asarray(matrix[:, [-1]].toarray()).reshape(-1)]


def _derived(copy: Any, args: list[Any], stand_ins: list[Variable]) -> list[Any]:
    """The same from the atom's own derivative, which for an affine atom is its matrix everywhere."""
    values = [arg.value if isinstance(arg, Constant) else np.zeros(arg.shape) for arg in args]
    slopes = copy._grad(values)
    parts = [settled(sp.csr_array(sp.csr_array(slopes[_place(args, v)]).T)) for v in stand_ins]
    return [*parts, flatten(copy.numeric(values))]


def _place(args: list[Any], wanted: Any) -> int:
    return next(k for k, arg in enumerate(args) if arg is wanted)  # == on expressions builds a constraint
