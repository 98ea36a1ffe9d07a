"""A linear differential operator as the rows of an infinite almost-banded matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

from ..chebyshev import ChebSeries
from ..chebyshev.construct import adaptive
from ..chebyshev.grid import Array, from_reference

EPS = float(np.finfo(float).eps)
# The band is as wide as the coefficients are long: beyond this, O(n) is a promise that helps nobody.
LONGEST_COEFFICIENT = 2000
MAX_RHS_DEGREE = 2**21
# Where the residual is looked at: no pattern that a function could share.
PROBES = np.random.default_rng(7).uniform(-1.0, 1.0, 40)


@dataclass(frozen=True, slots=True)
class Condition:
    """``sum weight u^(derivative)(point) + sum ∫_a^b weight u dx = value``.

    Parameters
    ----------
    terms : sequence of (point, derivative, weight) or (point, derivative, weight, unknown)
    value : number
    integrals : sequence of (a, b, weight) or (a, b, weight, unknown)
        The weight is a number, or a smooth function on the whole domain as `solve_ultraspherical` takes it for
        coefficients.
    """

    terms: Sequence[tuple[Any, ...]] = ()
    value: complex = 0.0
    integrals: Sequence[tuple[Any, ...]] = ()


class UltrasphericalOperator:
    """``sum_k a_k u^(k)``, or a square system of those, resolved and ready to be assembled.

    Attributes
    ----------
    size : int
        Number of unknown functions m, and of equations.
    orders : tuple of int
        Order of each equation; their sum is the number of conditions.
    lower, upper : int
        The band of the rows below the conditions: row r has columns r - lower … r + upper, counted without
        the conditions' rows.
    """

    def __init__(self, coefs: Sequence[Any], domain: tuple[float, float]) -> None:
        self.domain = _checked_domain(domain)
        self.given, self.is_scalar = _as_system(coefs)
        self.size = len(self.given)
        half = 2.0 / (self.domain[1] - self.domain[0])
        terms = []
        for e, row in enumerate(self.given):
            for v, entry in enumerate(row):
                for k, a in enumerate(entry):
                    c = resolve(a, self.domain, f"coefs[{k}]" if self.is_scalar else f"coefs[{e}][{v}][{k}]")
                    if np.any(c):
                        terms.append((e, v, k, c * half**k))
        self.orders = tuple(max((t[2] for t in terms if t[0] == e), default=-1) for e in range(self.size))
        if -1 in self.orders:
            raise ValueError(f"coefs: equation {self.orders.index(-1)} has no term that is not zero")
        self.lower = max((t[3].size - 1 - t[2]) * self.size + t[0] - t[1] for t in terms)
        reach = [t[3].size - 1 + t[2] + 2 * (self.orders[t[0]] - t[2]) for t in terms]
        self.upper = max(r * self.size + t[1] - t[0] for r, t in zip(reach, terms, strict=True))
        # at least the diagonals that the shift by the conditions' rows needs
        self.lower = max(self.lower, -sum(self.orders))
        self.upper = max(self.upper, sum(self.orders))
        self.dtype = np.result_type(float, *(t[3] for t in terms))
        self._equation, self._unknown, self._derivative = (
            np.array([t[i] for t in terms], dtype=np.int64) for i in range(3)
        )
        self._offset = np.concatenate([[0], np.cumsum([t[3].size for t in terms])])
        self._flat = np.concatenate([t[3] for t in terms]).astype(self.dtype)
        self._order = np.array(self.orders, dtype=np.int64)

    @property
    def width(self) -> int:
        """Entries per row of the band."""
        return self.lower + self.upper + 1

    def rows(self, start: int, stop: int, out: Array | None = None) -> tuple[Array, Array]:
        """Rows start m … stop m - 1 of the band, (rows, width), each scaled; and the factors, (rows,)."""
        from .ultraspherical_kernels import assemble

        count = (stop - start) * self.size
        band = np.empty((count, self.width), self.dtype) if out is None else out
        scale = np.empty(count)
        assemble(
            self._equation, self._unknown, self._derivative, self._offset, self._flat, self._order,
            self.lower, start, stop, band, scale,
        )  # fmt: skip
        return band, scale

    def apply(self, x: Array, count: int) -> tuple[Array, Array]:
        """The operator on the function with coefficients x (interleaved), without a matrix.

        Returns the first `count` interleaved C^(N) coefficients, and the sums of the sizes of the terms in
        them.
        """
        from .ultraspherical_kernels import apply

        out, size = np.empty(count, self.dtype), np.empty(count)
        apply(
            self._equation, self._unknown, self._derivative, self._offset, self._flat, self._order,
            x.astype(self.dtype, copy=False), out, size,
        )  # fmt: skip
        return out, size

    def condition_rows(self, conditions: Sequence[Condition], start: int, stop: int) -> Array:
        """The dense rows on unknowns start … stop - 1, multiples of m, (K, stop - start), not scaled.

        The conditions are those that `as_conditions` returns.
        """
        m = self.size
        rows = np.zeros((len(conditions), stop - start), self.dtype)
        lo, hi = start // m, -(-stop // m)
        for row, condition in zip(rows, conditions, strict=True):
            for t, derivative, weight, unknown in condition.terms:
                part = row[unknown::m]
                part += weight * _functional(t, derivative, lo, hi)[: part.size]
            for a, b, weight, unknown in condition.integrals:
                part = row[unknown::m]
                part += _moments(a, b, weight, lo, hi)[: part.size]
        return rows

    def right_side(self, conditions: Sequence[Condition], rhs: Any) -> Array:
        """Values of the conditions, then interleaved C^(N) coefficients of the right-hand sides, unscaled.

        To be called before any rows are assembled: complex data here make the operator complex.
        """
        from .ultraspherical_kernels import convert

        given = [rhs] if self.is_scalar else _as_list(rhs, self.size)
        parts = []
        for e, f in enumerate(given):
            c = resolve(f, self.domain, "rhs" if self.is_scalar else f"rhs[{e}]", MAX_RHS_DEGREE)
            parts.append(np.array(c, dtype=np.result_type(c, float)))
        values = np.array([c.value for c in conditions])
        self.dtype = np.result_type(self.dtype, values if values.size else 0.0, *parts)
        for condition in conditions:
            weights = [t[2] for t in (*condition.terms, *condition.integrals)]
            self.dtype = np.result_type(self.dtype, *weights)
        self._flat = self._flat.astype(self.dtype)
        n = max((p.size if np.any(p) else 0) for p in parts)
        out = np.zeros(len(conditions) + n * self.size, self.dtype)
        out[: len(conditions)] = values
        for e, c in enumerate(parts):
            if np.any(c):
                convert(c, self.orders[e])
                out[len(conditions) + e :: self.size][: c.size] = c
        return out

    def pointwise_residual(self, u: Sequence[ChebSeries], rhs: Any, count: int) -> float:
        """Largest residual at `count` <= 40 points, relative to the largest sum of the terms' sizes there."""
        x = from_reference(PROBES[:count], self.domain)
        given = [rhs] if self.is_scalar else _as_list(rhs, self.size)
        worst = 0.0
        # where u is small at all the points (a layer between them), its size in the mean is the measure
        size = max(float(np.linalg.norm(s.coefficients[0])) for s in u)
        for row, f in zip(self.given, given, strict=True):
            value = evaluate(f, x, self.domain)
            total, scale = -value, np.abs(value)
            for entry, series in zip(row, u, strict=True):
                for k, a in enumerate(entry):
                    if isinstance(a, Number) and a == 0:
                        continue
                    term = evaluate(a, x, self.domain) * series(x, k)
                    total, scale = total + term, scale + np.abs(term)
            zeroth = [abs(evaluate(entry[0], x, self.domain)).max() for entry in row if entry]
            largest = max(float(scale.max()), size * max(zeroth))
            worst = max(worst, float(np.abs(total).max()) / largest if largest > 0 else 0.0)
        return worst


def as_conditions(given: Sequence[Any], operator: UltrasphericalOperator) -> list[Condition]:
    """The conditions checked, their terms with four entries, on the reference interval [-1, 1]."""
    needed = sum(operator.orders)
    if len(given) != needed:
        orders = ", ".join(map(str, operator.orders))
        raise ValueError(f"conditions: equations of order {orders} need {needed}, got {len(given)}")
    out = []
    for i, g in enumerate(given):
        c = g if isinstance(g, Condition) else Condition(*g)
        terms = [_checked(t, i, operator, integral=False) for t in c.terms]
        integrals = [_checked(t, i, operator, integral=True) for t in c.integrals]
        if not terms and not integrals:
            raise ValueError(f"conditions[{i}]: has no terms")
        numbers = [c.value, *(t[2] for t in terms)]
        if not np.isfinite(numbers).all():
            raise ValueError(f"conditions[{i}]: value and weights must be finite; got {numbers}")
        out.append(Condition(terms, c.value, integrals))
    return out


def resolve(a: Any, domain: tuple[float, float], name: str, max_degree: int = LONGEST_COEFFICIENT) -> Array:
    """Chebyshev coefficients on the domain of a number, callable, series, or of coefficients given."""
    if isinstance(a, Number):
        c = np.array([a])
    elif isinstance(a, ChebSeries):
        if a.pieces != 1 or a.domain != domain:
            raise ValueError(f"{name}: expected one piece on {domain}, got {a.pieces} on {a.domain}")
        c = a.coefficients[0]
    elif callable(a):
        try:
            c = adaptive(a, np.array(domain), EPS, max(16, 1 << (max_degree - 1).bit_length()))[0]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    else:
        c = np.asarray(a)
        if c.ndim != 1 or c.size == 0:
            raise ValueError(
                f"{name}: expected a number, a callable or Chebyshev coefficients (n,), got {a!r}"
            )
    if not np.isfinite(c).all():
        raise ValueError(f"{name}: coefficients must be finite")
    above = np.flatnonzero(c)
    return c[: above[-1] + 1] if above.size else c[:1]


def evaluate(a: Any, x: Array, domain: tuple[float, float]) -> Array:
    """Values at x of what `resolve` takes."""
    if isinstance(a, Number):
        return np.full(x.shape, a)
    if callable(a):
        return np.broadcast_to(a(x), x.shape)
    return ChebSeries(domain, [np.asarray(a)])(x)


def _as_system(coefs: Sequence[Any]) -> tuple[list[list[list[Any]]], bool]:
    """coefs[e][v] lists for scalar problems and systems alike; whether it was scalar."""
    if not isinstance(coefs, (list, tuple)) or not coefs:
        raise ValueError(
            f"coefs: expected a list [a_0, …, a_N], or one per equation and unknown; got {coefs!r}"
        )
    if not isinstance(coefs[0], (list, tuple)):
        return [[list(coefs)]], True
    m = len(coefs)
    rows = []
    for e, row in enumerate(coefs):
        if not isinstance(row, (list, tuple)) or len(row) != m:
            raise ValueError(f"coefs[{e}]: expected {m} entries, one per unknown, got {row!r}")
        rows.append([[] if entry is None else list(entry) for entry in row])
    return rows, False


def _as_list(rhs: Any, m: int) -> list[Any]:
    if isinstance(rhs, (list, tuple)):
        if len(rhs) != m:
            raise ValueError(f"rhs: expected {m} entries, one per equation, got {len(rhs)}")
        return list(rhs)
    return [rhs] * m


def _checked_domain(domain: tuple[float, float]) -> tuple[float, float]:
    a, b = (float(v) for v in domain)
    if not (np.isfinite([a, b]).all() and a < b):
        raise ValueError(f"domain: expected two finite numbers a < b, got {domain!r}")
    return a, b


def _checked(
    term: Sequence[Any], i: int, operator: UltrasphericalOperator, integral: bool
) -> tuple[Any, ...]:
    what = "(a, b, weight[, unknown])" if integral else "(point, derivative, weight[, unknown])"
    if len(term) not in (3, 4):
        raise ValueError(f"conditions[{i}]: expected {what}, got {term!r}")
    first, second, weight = term[:3]
    unknown = int(term[3]) if len(term) == 4 else 0
    points = (first, second) if integral else (first,)
    lo, hi = operator.domain
    slack = 1e-12 * (hi - lo)
    reference = [min(max(((p - lo) - (hi - p)) / (hi - lo), -1.0), 1.0) for p in points]
    if not all(lo - slack <= p <= hi + slack for p in points):
        raise ValueError(f"conditions[{i}]: points must lie in [{lo:g}, {hi:g}], got {points}")
    if not integral and (second < 0 or second != int(second)):
        raise ValueError(f"conditions[{i}]: derivative must be a whole number, at least 0, got {second!r}")
    if not 0 <= unknown < operator.size:
        raise ValueError(f"conditions[{i}]: unknown must be below {operator.size}, got {unknown}")
    half = 0.5 * (hi - lo)
    if integral:
        return (
            reference[0],
            reference[1],
            half * resolve(weight, operator.domain, f"conditions[{i}]"),
            unknown,
        )
    return reference[0], int(second), weight * half ** -int(second), unknown


def _functional(t: float, derivative: int, start: int, stop: int) -> Array:
    """Derivatives of T_start … T_{stop-1} at t."""
    if derivative == 0:
        return _chebyshev_values(t, np.arange(start, stop))
    from .ultraspherical_kernels import derivatives

    out = np.empty(stop - start)
    derivatives(t, derivative, start, stop, out)
    return out


def _chebyshev_values(t: float, k: Array) -> Array:
    if t == 1.0:
        return np.ones(k.size)
    if t == -1.0:
        return 1.0 - 2.0 * (k & 1)
    return np.cos(np.arccos(t) * k)


def _moments(a: float, b: float, weight: Array, start: int, stop: int) -> Array:
    """Integrals from a to b of ``T_k sum_j weight_j T_j``, k = start … stop - 1."""
    deg = weight.size - 1
    k, lo = np.arange(start, stop), max(start - deg, 0)
    plain = _primitives(b, lo, stop + deg) - _primitives(a, lo, stop + deg)
    # T_j T_k = (T_{k+j} + T_{|k-j|}) / 2
    return sum(0.5 * w * (plain[k + j - lo] + plain[np.abs(k - j) - lo]) for j, w in enumerate(weight))


def _primitives(t: float, start: int, stop: int) -> Array:
    """Antiderivatives of T_start … T_{stop-1} at t."""
    k = np.arange(start, stop)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = 0.5 * (_chebyshev_values(t, k + 1) / (k + 1) - _chebyshev_values(t, np.abs(k - 1)) / (k - 1))
    values[k == 0] = t
    values[k == 1] = 0.5 * t * t
    return values
