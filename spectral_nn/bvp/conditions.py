"""Boundary, interior and integral conditions: what the user wrote, traced to values and linear functionals.

A traced condition is a number (its residual) and the functionals whose weighted sum is its derivative: values of
u_j^(k) at points, integrals of u_j^(k) against weights at the mesh nodes, and scalar unknowns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .expression import ORDERS, Expression
from .trace import ScalarTerm, Structure, is_number


@dataclass
class Condition:
    """A condition g(u, λ) = 0 linearized: ``value`` + Σ coef·functional(δu) + Σ coef·δλ."""

    value: Any
    label: str
    affine: bool = True
    points: list[tuple[float, int, int, Any]] = field(default_factory=list)
    """(x0, j, k, coefficient) of u_j^(k)(x0)."""
    integrals: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    """(j, k, weights (n,)) of Σ weights·u_j^(k)(nodes)."""
    params: list[tuple[int, Any]] = field(default_factory=list)
    scale: float = 0.0
    """Size of the terms that cancel in ``value``: the residual is judged relative to it."""

    def move(self, key: Any, coefficient: Any, size: Any) -> None:
        """File one partial derivative under its functional."""
        if isinstance(key, tuple) and key[0] == "point":
            self.points.append((*key[1:], coefficient))
        elif isinstance(key, tuple):
            self.integrals.append((*key[1:], coefficient))
        else:
            self.params.append((-1 - key, coefficient))
        self.scale += float(np.max(np.abs(size), initial=0.0))


class Surroundings:
    """What conditions may look at: the state of the solution, as a mesh (or a guess) presents it."""

    def __init__(self, x: np.ndarray, weights: np.ndarray, fields: Callable, at: Callable, params: Any):
        self.x, self.weights, self.fields, self.at, self.params = x, weights, fields, at, params


class ConditionTrace:
    """Evaluates conditions. At an end (``point`` given) the unknowns are numbers, otherwise functions on the nodes."""

    compared = False

    def __init__(
        self, structure: Structure, around: Surroundings, point: float | None, discover: bool = False
    ):
        self.structure, self.around, self.point, self.discover = structure, around, point, discover

    def unknown(self, j: int, k: int = 0) -> Expression:
        order = self.structure.orders[j]
        if k > order:
            raise ValueError(
                f"a condition uses the derivative of order {k} of unknown {j + 1}, but the equations have "
                f"order {order} in it: expected at most {order}"
            )
        if self.point is not None:
            return self._point(j, k, self.point)
        return Expression(self, self.around.fields(j, k), {j * ORDERS + k: 1.0}, True, (j, k))

    def parameter(self, index: int) -> Expression:
        return Expression(self, self.around.params[index], {-1 - index: 1.0}, True)

    def derivative(self, expr: Expression, k: int) -> Expression:
        j, k0 = self._pure(expr, "diff(k)")
        if self.point is None and isinstance(next(iter(expr.partials)), tuple):
            raise TypeError("bc: differentiate before evaluating: u.diff()(x0), not u(x0).diff()")
        return self.unknown(j, k0 + k)

    def at(self, expr: Expression, point: Any) -> Expression:
        if not is_number(point):
            raise TypeError(f"bc: u(x0) takes one point, got {type(point).__name__}")
        j, k = self._pure(expr, "u(x0)")
        return self._point(j, k, float(point))

    def integral(self, expr: Expression) -> Expression:
        if self.point is not None:
            raise TypeError("lbc/rbc: an integral belongs into bc=lambda x, u: u.sum() - value")
        w = self.around.weights
        partials: dict[Any, Any] = {}
        for key, d in expr.partials.items():
            if isinstance(key, tuple) or key < 0:
                partials[key] = np.sum(w * d)
            else:
                partials["integral", key // ORDERS, key % ORDERS] = w * d
        return Expression(self, np.sum(w * expr.value), partials, expr.affine)

    def antiderivative(self, expr: Expression) -> Expression:
        raise TypeError(
            "bc: u.cumsum() is not available in conditions; use u.sum(), or cumsum in the equation"
        )

    def kernel(self, expr: Expression, kernel: Any, volterra: bool) -> Expression:
        raise TypeError("bc: kernels are not available in conditions; weight the integrand: (K(x)*u).sum()")

    def jump(self, expr: Expression, point: float) -> Expression:
        term = ScalarTerm("jump", (*self._pure(expr, "u.jump(x0)"), float(point)))
        if self.discover and term not in self.structure.scalars:
            self.structure.scalars.append(term)
        index = self.structure.n_params + self.structure.scalars.index(term)
        value = self.around.params[index] if index < len(self.around.params) else 0.0
        return Expression(self, value, {-1 - index: 1.0}, True)

    def _point(self, j: int, k: int, x0: float) -> Expression:
        return Expression(self, self.around.at(j, k, x0), {("point", x0, j, k): 1.0}, True, (j, k))

    @staticmethod
    def _pure(expr: Expression, what: str) -> tuple[int, int]:
        if expr.variable is None:
            raise TypeError(
                f"conditions: {what} applies to an unknown or a derivative of it; "
                "write e.g. u(x0)**2, not (u**2)(x0)"
            )
        return expr.variable

    def condition(self, expr: Any, label: str) -> Condition:
        """One traced expression as a `Condition`."""
        if not isinstance(expr, Expression):
            raise TypeError(
                f"{label} returned {type(expr).__name__} ({expr!r:.40}); expected expressions in the unknowns "
                "that must vanish, such as u - 1"
            )
        # Shape (B, 1) is a batch of numbers, for BVP.discretize.
        function = np.ndim(expr.value) and np.shape(expr.value)[1:] != (1,)
        if function or any(isinstance(k, int) and k >= 0 for k in expr.partials):
            raise ValueError(
                f"{label} is a function of x; expected a number: take a value u(x0) or an integral u.sum()"
            )
        if not expr.partials:
            raise ValueError(f"{label} does not depend on the unknowns")
        c = Condition(expr.value, label, expr.affine and not self.compared)
        for key, d in expr.partials.items():
            c.move(key, d, d * self._size(key))
        return c

    def _size(self, key: Any) -> Any:
        if isinstance(key, tuple) and key[0] == "point":
            return self.around.at(key[2], key[3], key[1])
        if isinstance(key, tuple):
            return self.around.fields(key[1], key[2])
        return self.around.params[-1 - key] if -1 - key < len(self.around.params) else 0.0


def end_conditions(spec: Any, name: str, n_unknowns: int, orders: Sequence[int]) -> Callable | list:
    """Turn ``lbc`` or ``rbc`` as given into a list of (unknown, order, value), or leave a callable alone."""
    if spec is None or callable(spec):
        return [] if spec is None else spec
    if isinstance(spec, str):
        if spec not in ("dirichlet", "neumann"):
            raise ValueError(
                f"{name}: expected 'dirichlet', 'neumann', a number, a list or a callable, got {spec!r}"
            )
        k = int(spec == "neumann")
        return [(j, k, 0.0) for j in range(n_unknowns) if orders[j] > 0]
    if is_number(spec):
        return [(j, 0, _finite(spec, name)) for j in range(n_unknowns) if orders[j] > 0 or n_unknowns == 1]
    if not isinstance(spec, list | tuple | np.ndarray):
        raise TypeError(f"{name}: expected a number, a list or a callable, got {type(spec).__name__}")
    if n_unknowns == 1:
        return [(0, k, _finite(v, name)) for k, v in enumerate(spec) if v is not None]
    if len(spec) != n_unknowns:
        raise ValueError(
            f"{name}: expected one entry for each of the {n_unknowns} unknowns (None for no condition), "
            f"got {len(spec)}"
        )
    conditions = []
    for j, values in enumerate(spec):
        if values is not None:
            values = [values] if is_number(values) else values
            conditions += [(j, k, _finite(v, name)) for k, v in enumerate(values) if v is not None]
    return conditions


def call_with_params(function: Callable, args: Sequence[Any], params: dict[str, Any], name: str) -> Any:
    """Call with the unknowns, and with those scalar parameters that the signature names."""
    wanted: dict[str, Any] = {}
    if params:
        accepted = inspect.signature(function).parameters
        every = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        wanted = {k: v for k, v in params.items() if every or k in accepted}
    try:
        return function(*args, **wanted)
    except ValueError as error:
        if "truth value" in str(error):
            raise ValueError(f"{name}: branches on x or an unknown; use np.where(condition, a, b)") from None
        raise
    except TypeError as error:
        if "Python scalars" in str(error):
            raise TypeError(
                f"{name}: x is an array; use NumPy's functions (np.sin), not math's (math.sin)"
            ) from None
        if "positional argument" in str(error):
            raise TypeError(f"{name}: expected a callable of {len(args)} arguments: {error}") from None
        raise


def as_list(result: Any) -> list[Any]:
    """A condition or equation, or several, as a list."""
    if isinstance(result, list | tuple):
        return list(result)
    if isinstance(result, np.ndarray) and result.dtype == object:
        return list(result.ravel())
    return [result]


def _finite(value: Any, name: str) -> Any:
    if not is_number(value):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__} ({value!r:.40})")
    if not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    return complex(value) if np.iscomplexobj(value) else float(value)
