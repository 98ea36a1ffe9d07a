"""The unknown as the operator sees it: values and exact partial derivatives, carried through ordinary arithmetic.

An `Expression` holds its values at all nodes at once and, for every (unknown, derivative order) it depends on, the
partial derivative at those nodes (forward mode; a constant partial stays a number). It also knows whether it is
affine in the unknowns: linearity is found by tracing, not declared.
"""

from __future__ import annotations

import numbers
from typing import Any, Protocol

import numpy as np

from .ufuncs import KINKED, UNARY, special_unary

ORDERS = 64
"""Partials are keyed by ``unknown * ORDERS + order``, and by ``-1 - index`` for the scalar parameters."""


class Context(Protocol):
    """What a trace offers to its expressions: the operations that reach beyond the node itself."""

    compared: bool

    def derivative(self, expr: Expression, k: int) -> Expression: ...
    def at(self, expr: Expression, point: Any) -> Expression: ...
    def integral(self, expr: Expression) -> Expression: ...
    def antiderivative(self, expr: Expression) -> Expression: ...
    def jump(self, expr: Expression, point: float) -> Expression: ...
    def kernel(self, expr: Expression, kernel: Any, volterra: bool) -> Expression: ...


class Expression:
    """An expression in the unknowns at the nodes. Users meet it as the ``u`` of ``lambda x, u: ...``.

    Attributes
    ----------
    value : array (n,) or number
        Value at the nodes.
    partials : dict
        Partial derivatives by key, see `ORDERS`; each an array (n,) or a number.
    affine : bool
        Whether the expression is affine in all unknowns.
    variable : tuple (unknown, order) or None
        Set when the expression is one unknown or a derivative of it.
    """

    __slots__ = ("affine", "context", "partials", "value", "variable")
    __array_priority__ = 1000.0

    def __init__(self, context, value, partials, affine=True, variable=None):
        self.context: Context = context
        self.value = value
        self.partials: dict[Any, Any] = partials
        self.affine: bool = affine
        self.variable: tuple[int, int] | None = variable

    # --- calculus -----------------------------------------------------------------------------------------------

    def diff(self, k: int = 1) -> Expression:
        """The k-th derivative with respect to x."""
        if isinstance(k, bool) or not isinstance(k, numbers.Integral) or k < 0 or k >= ORDERS:
            raise ValueError(f"u.diff(k): k must be an integer from 0 to {ORDERS - 1}, got {k!r}")
        return self if k == 0 else self.context.derivative(self, int(k))

    def __call__(self, point: Any) -> Expression:
        """The value at a point, ``u(0.3)``, or at other points, ``u(x/2)``."""
        return self.context.at(self, point)

    def sum(self) -> Expression:
        """The integral over the domain."""
        return self.context.integral(self)

    def cumsum(self) -> Expression:
        """The antiderivative that vanishes at the left end."""
        return self.context.antiderivative(self)

    def jump(self, point: float) -> Expression:
        """The jump u(x0+) − u(x0−), which is thereby free to differ from zero."""
        return self.context.jump(self, point)

    def fredholm(self, kernel: Any) -> Expression:
        """The integral ∫ kernel(x, t) u(t) dt over the domain; ``kernel`` broadcasts over arrays x and t."""
        return self.context.kernel(self, kernel, False)

    def volterra(self, kernel: Any) -> Expression:
        """The integral of kernel(x, t) u(t) over t from the left end of the domain to x."""
        return self.context.kernel(self, kernel, True)

    # --- arithmetic ---------------------------------------------------------------------------------------------

    def __add__(self, other):
        if isinstance(other, Expression):
            return Expression(
                self.context,
                self.value + other.value,
                _merge(self.partials, other.partials),
                self.affine and other.affine,
            )
        return Expression(self.context, self.value + _known(other), self.partials, self.affine)

    __radd__ = __add__

    def __neg__(self):
        return Expression(self.context, -self.value, {k: -d for k, d in self.partials.items()}, self.affine)

    def __pos__(self):
        return self

    def __sub__(self, other):
        if isinstance(other, Expression):
            merged = self.partials.copy()
            for key, d in other.partials.items():
                merged[key] = merged[key] - d if key in merged else -d
            return Expression(self.context, self.value - other.value, merged, self.affine and other.affine)
        return Expression(self.context, self.value - _known(other), self.partials, self.affine)

    def __rsub__(self, other):
        return (-self) + other

    def __mul__(self, other):
        if isinstance(other, Expression):
            a, b = self.value, other.value
            partials = _merge(
                {k: d * b for k, d in self.partials.items()}, {k: a * d for k, d in other.partials.items()}
            )
            affine = self.affine and other.affine and not (self.partials and other.partials)
            return Expression(self.context, a * b, partials, affine)
        c = _known(other)
        return Expression(
            self.context, self.value * c, {k: d * c for k, d in self.partials.items()}, self.affine
        )

    __rmul__ = __mul__

    def __truediv__(self, other):
        if isinstance(other, Expression):
            return self * other.__rtruediv__(1.0)
        return self * (
            1.0 / np.asarray(_known(other)) if isinstance(other, np.ndarray) else 1.0 / _known(other)
        )

    def __rtruediv__(self, other):
        inverse = _divide(1.0, self.value)
        partials = {k: -inverse * inverse * d for k, d in self.partials.items()}
        return Expression(self.context, inverse, partials, self.affine and not self.partials) * other

    def __pow__(self, other):
        if isinstance(other, Expression):
            if not other.partials:
                return self ** np.asarray(other.value)
            return np.exp(other * np.log(self))
        p, v = _known(other), self.value
        if isinstance(p, numbers.Number):
            if p == 2:
                return self._apply(v * v, 2.0 * v)
            if p == 1:
                return self
            if p == 0:
                return Expression(self.context, 1.0 + 0.0 * v, {})
        v = np.asarray(v)
        return self._apply(np.power(v, p), p * np.power(v, p - 1))

    def __rpow__(self, other):
        base = _known(other)
        value = np.power(base, np.asarray(self.value) * 1.0)
        return self._apply(value, value * np.log(base))

    def __abs__(self):
        return np.absolute(self)

    def _apply(self, value, slope) -> Expression:
        """Chain rule for one smooth function of one expression."""
        partials = {k: slope * d for k, d in self.partials.items()}
        return Expression(self.context, value, partials, self.affine and not self.partials)

    # --- comparisons: the operator branches on the unknown, so it is not linear ---------------------------------

    def _compare(self, other, ufunc):
        self.context.compared = True
        return ufunc(self.value, other.value if isinstance(other, Expression) else _known(other))

    def __gt__(self, other):
        return self._compare(other, np.greater)

    def __ge__(self, other):
        return self._compare(other, np.greater_equal)

    def __lt__(self, other):
        return self._compare(other, np.less)

    def __le__(self, other):
        return self._compare(other, np.less_equal)

    # --- NumPy --------------------------------------------------------------------------------------------------

    @property
    def real(self):
        """The real part: the unknown itself, as long as the problem is real."""
        return self._real_only("real", self)

    @property
    def imag(self):
        """The imaginary part: zero, as long as the problem is real."""
        return self._real_only("imag", 0.0 * self)

    def conj(self):
        """The complex conjugate: the unknown itself, as long as the problem is real."""
        return self._real_only("conj", self)

    conjugate = conj

    def _real_only(self, name, result):
        if np.iscomplexobj(self.value):
            raise TypeError(
                f"op: u.{name} is not complex differentiable, so Newton's method cannot use it; write the "
                "problem as a real system for the real and the imaginary part"
            )
        return result

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__" or kwargs.get("out") is not None:
            raise TypeError(f"op: np.{ufunc.__name__}.{method} cannot be applied to an unknown")
        if ufunc in _BINARY:
            a, b = inputs
            return _BINARY[ufunc](a if isinstance(a, Expression) else _known(a), b)
        if ufunc in (np.conjugate, np.positive):
            return self.conj() if ufunc is np.conjugate else self
        if ufunc is np.heaviside:
            return _where(self > 0, 1.0, _where(self < 0, 0.0, inputs[1]))
        slope = UNARY.get(ufunc) or special_unary().get(ufunc)
        if slope is None:
            raise TypeError(
                f"op: np.{ufunc.__name__} of an unknown has no derivative here; write it with "
                "arithmetic, exp, log, sqrt, trigonometric or hyperbolic functions"
            )
        if ufunc in KINKED and np.iscomplexobj(self.value):
            raise TypeError(f"op: np.{ufunc.__name__} is not complex differentiable")
        if ufunc is np.sign:
            self.context.compared = True
        argument = np.asarray(self.value, dtype=np.result_type(self.value, float))
        value = ufunc(argument)
        return self._apply(value, slope(argument, value))

    def __array_function__(self, func, types, args, kwargs):
        if func is np.where and len(args) == 3:
            return _where(*args)
        if func is np.clip and len(args) == 3:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        if func in (np.real, np.imag):
            return getattr(self, func.__name__)
        advice = {
            np.sum: "u.sum() (the integral over the domain)",
            np.cumsum: "u.cumsum()",
            np.diff: "u.diff()",
            np.vstack: "a list of expressions",
            np.stack: "a list of expressions",
            np.concatenate: "a list of expressions",
            np.hstack: "a list of expressions",
            np.gradient: "u.diff()",
        }.get(func, "arithmetic and elementwise functions")
        raise TypeError(f"op: np.{func.__name__} does not apply to an unknown; use {advice}")

    def __bool__(self):
        raise TypeError("op: the truth value of an unknown is not defined; use np.where(condition, a, b)")

    def __float__(self):
        raise TypeError(
            "op: an unknown is not a number; use NumPy's functions (np.sin), not math's (math.sin)"
        )

    def __eq__(self, other):
        raise TypeError(
            "op: equations are written as op = rhs: return u.diff(2) - u (and give rhs=), not u.diff(2) == u"
        )

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, index):
        raise TypeError(
            "op: an unknown has no components; take several unknowns as arguments, op(x, u, v), or give "
            "unknowns=m; spectral_nn.integrate.solve_bvp takes SciPy's fun(x, y)"
        )

    def __iter__(self):
        raise TypeError(
            "op: an unknown cannot be iterated over; with several unknowns take them as arguments, "
            "op(x, u, v), or give unknowns=m"
        )

    def __repr__(self):
        return f"<expression in the unknowns, {'affine' if self.affine else 'nonlinear'}>"


def _merge(a: dict, b: dict) -> dict:
    if not a:
        return b
    merged = a.copy()
    for key, d in b.items():
        merged[key] = merged[key] + d if key in merged else d
    return merged


def _known(other: Any) -> Any:
    """A number or an array, or a sentence about what came instead."""
    if isinstance(other, (float, int, complex, np.generic)):
        return other
    if isinstance(other, np.ndarray) and other.dtype != object:
        return other
    if isinstance(other, numbers.Number):
        return float(other) if isinstance(other, numbers.Real) else complex(other)  # type: ignore[call-overload]
    raise TypeError(
        f"op: cannot combine an unknown with {type(other).__name__} ({other!r:.60}); expected a number or "
        "an array of values at x; a callable coefficient must be called: K(x)*u"
    )


def _divide(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(a, b)


def _where(condition: Any, a: Any, b: Any) -> Any:
    expr = a if isinstance(a, Expression) else b
    if isinstance(condition, Expression):
        condition = condition != 0
    if not isinstance(expr, Expression):
        return np.where(condition, a, b)
    va, da, la = (a.value, a.partials, a.affine) if isinstance(a, Expression) else (_known(a), {}, True)
    vb, db, lb = (b.value, b.partials, b.affine) if isinstance(b, Expression) else (_known(b), {}, True)
    partials = {k: np.where(condition, da.get(k, 0.0), db.get(k, 0.0)) for k in {**da, **db}}
    return Expression(expr.context, np.where(condition, va, vb), partials, la and lb)


def _larger(a: Any, b: Any) -> Any:
    return _where(a >= b if isinstance(a, Expression) else b < a, a, b)


def _smaller(a: Any, b: Any) -> Any:
    return _where(a <= b if isinstance(a, Expression) else b > a, a, b)


def _arctan2(a: Any, b: Any) -> Any:
    return np.where(
        b > 0, np.arctan(a / b), np.where(b < 0, np.arctan(a / b) + np.pi * np.sign(a), np.pi / 2)
    )


_BINARY = {
    np.add: lambda a, b: a + b if isinstance(a, Expression) else b + a,
    np.subtract: lambda a, b: a - b if isinstance(a, Expression) else b.__rsub__(a),
    np.multiply: lambda a, b: a * b if isinstance(a, Expression) else b * a,
    np.divide: lambda a, b: a / b if isinstance(a, Expression) else b.__rtruediv__(a),
    np.power: lambda a, b: a**b if isinstance(a, Expression) else b.__rpow__(a),
    np.float_power: lambda a, b: a**b if isinstance(a, Expression) else b.__rpow__(a),
    np.maximum: _larger,
    np.minimum: _smaller,
    np.fmax: _larger,
    np.fmin: _smaller,
    np.hypot: lambda a, b: np.sqrt(a * a + b * b),
    np.arctan2: _arctan2,
    np.greater: lambda a, b: a > b if isinstance(a, Expression) else b < a,
    np.greater_equal: lambda a, b: a >= b if isinstance(a, Expression) else b <= a,
    np.less: lambda a, b: a < b if isinstance(a, Expression) else b > a,
    np.less_equal: lambda a, b: a <= b if isinstance(a, Expression) else b >= a,
}
