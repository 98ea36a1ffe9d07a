"""The unknowns: CVXPY's variables laid out in one vector, their attributes turned into bounds and fewer
unknowns."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy import Variable

from .affine import Affine, Block, Selection, flatten
from .refusal import Refused

_SYMMETRIC = ("symmetric",)
# Attributes that no smooth Newton method over the reals honours, and what to say of them.
_REFUSED = {
    "boolean": "it is boolean, and the minimizer is continuous",
    "integer": "it is integer, and the minimizer is continuous",
    "complex": "it is complex, and the minimizer works in real numbers",
    "imag": "it is complex, and the minimizer works in real numbers",
    "hermitian": "it is complex, and the minimizer works in real numbers",
    "PSD": "it is constrained to be positive semidefinite, a conic constraint",
    "NSD": "it is constrained to be negative semidefinite, a conic constraint",
}


class Layout:
    """Where each variable lives in the vector x of unknowns.

    A symmetric, diagonal or sparse variable has fewer unknowns than entries: ``vec(variable) = spread @
    unknowns``.

    Parameters
    ----------
    variables : list of cvxpy.Variable
    """

    def __init__(self, variables: list[Variable]) -> None:
        self.variables = variables
        self.places: dict[int, slice] = {}
        self._spreads: dict[int, sp.csr_array | None] = {}
        count = 0
        for variable in variables:
            for attribute, reason in _REFUSED.items():
                if variable.attributes[attribute]:
                    raise Refused(variable, reason)
            spread = _spread(variable)
            unknowns = variable.size if spread is None else spread.shape[1]
            self._spreads[variable.id] = spread
            self.places[variable.id] = slice(count, count + unknowns)
            count += unknowns
        self.size = count

    def affine(self, variable: Variable) -> Affine:
        """``vec(variable)`` as an affine function of its unknowns."""
        spread = self._spreads[variable.id]
        matrix = Selection(np.arange(variable.size), variable.size) if spread is None else spread
        return Affine({variable.id: Block(matrix)}, np.zeros(variable.size))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds (size,) from the attributes, at the present parameter values."""
        lower, upper = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        for variable in self.variables:
            low, high = _entry_bounds(variable)
            if low is None and high is None:
                continue
            place, spread = self.places[variable.id], self._spreads[variable.id]
            if low is not None:
                lower[place] = low if spread is None else _collect(low, spread, variable, np.maximum, -np.inf)
            if high is not None:
                upper[place] = (
                    high if spread is None else _collect(high, spread, variable, np.minimum, np.inf)
                )
        return lower, upper

    @property
    def bounded(self) -> bool:
        """Whether any attribute bounds anything."""
        return any(
            variable.bounds is not None
            or any(variable.attributes[name] for name in ("nonneg", "nonpos", "pos", "neg"))
            for variable in self.variables
        )

    def values(self, x: np.ndarray) -> dict[int, Any]:
        """The value of every variable, shaped as CVXPY shapes it, by variable id."""
        out: dict[int, Any] = {}
        for variable in self.variables:
            part, spread = x[self.places[variable.id]], self._spreads[variable.id]
            if variable.attributes["diag"]:
                out[variable.id] = sp.diags_array(part)  # CVXPY keeps diagonal values sparse
                continue
            entries = part if spread is None else spread @ part
            out[variable.id] = np.reshape(entries, variable.shape, order="F").copy()
        return out

    def start(self) -> np.ndarray | None:
        """The unknowns at the variables' present values, or None where a value is missing or not finite."""
        if not self.variables or any(variable._value is None for variable in self.variables):
            return None
        x = np.empty(self.size)
        for variable in self.variables:
            if variable.sparse_idx is not None:
                part = np.asarray(variable._value)  # the stored entries; .value would warn and fill zeros
            else:
                part = flatten(variable._value)
                spread = self._spreads[variable.id]
                if spread is not None:
                    part = (spread.T @ part) / np.asarray(spread.sum(axis=0)).reshape(-1)
            x[self.places[variable.id]] = part
        return x if np.all(np.isfinite(x)) else None


def _spread(variable: Variable) -> sp.csr_array | None:
    """The 0/1 matrix from unknowns to entries, or None where every entry is its own unknown."""
    shape = variable.shape
    if any(variable.attributes[name] for name in _SYMMETRIC):
        if len(shape) > 2:
            raise Refused(variable, "a stack of symmetric matrices is not handled")
        n = shape[0]
        rows, cols = np.triu_indices(n)
        number = np.zeros((n, n), dtype=np.intp)
        number[rows, cols] = number[cols, rows] = np.arange(len(rows))
        target = number.reshape(-1, order="F")
        return sp.csr_array((np.ones(n * n), (np.arange(n * n), target)), shape=(n * n, len(rows)))
    if variable.attributes["diag"]:
        if len(shape) > 2:
            raise Refused(variable, "a stack of diagonal matrices is not handled")
        n = shape[0]
        return sp.csr_array((np.ones(n), (np.arange(n) * (n + 1), np.arange(n))), shape=(n * n, n))
    if variable.sparse_idx is not None:
        entries = np.ravel_multi_index(variable.sparse_idx, shape, order="F")
        count = len(entries)
        return sp.csr_array((np.ones(count), (entries, np.arange(count))), shape=(variable.size, count))
    return None


def _entry_bounds(variable: Variable) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Bounds of all entries, column-major; None where there are none on that side."""
    low = high = None
    if variable.attributes["nonneg"] or variable.attributes["pos"]:
        low = np.zeros(variable.size)
    if variable.attributes["nonpos"] or variable.attributes["neg"]:
        high = np.zeros(variable.size)
    if variable.bounds is not None:
        below, above = (_full(bound, variable) for bound in variable.bounds)
        low = below if low is None else np.maximum(low, below)
        high = above if high is None else np.minimum(high, above)
    return low, high


def _full(bound: Any, variable: Variable) -> np.ndarray:
    value = bound.value if hasattr(bound, "is_constant") else bound
    if sp.issparse(value):
        value = value.toarray()
    return flatten(np.broadcast_to(np.asarray(value, dtype=float), variable.shape))


def _collect(
    bound: np.ndarray, spread: sp.csr_array, variable: Variable, tighter: Any, loose: float
) -> np.ndarray:
    """Bounds of the unknowns from those of the entries; entries that are fixed at zero must allow zero."""
    coo = sp.coo_array(spread)
    rows, cols = coo.coords
    out = np.full(spread.shape[1], loose)
    tighter.at(out, cols, bound[rows])
    if variable.attributes["diag"]:
        fixed = np.ones(variable.size, dtype=bool)
        fixed[rows] = False
        if np.any(tighter(bound[fixed], 0.0) != 0.0):
            out[:] = -loose  # no value is allowed: the sign of infinity that makes the bounds contradict
    return out
