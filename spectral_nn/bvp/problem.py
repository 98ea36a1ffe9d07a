"""A boundary value problem: stated, checked and counted before any work, evaluated wherever the solvers ask."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .checks import check_breakpoints, check_domain, check_params, n_positional, rhs_values, unknown_names
from .conditions import (
    Condition,
    ConditionTrace,
    Surroundings,
    as_list,
    call_with_params,
    end_conditions,
)
from .expression import Expression
from .trace import Fields, Linearization, OperatorTrace, Structure

GUESSED = 0.5
"""Value of every unknown and derivative while the problem is discovered: nothing but its structure is taken from there."""


class Problem:
    """op(x, u, …) = rhs with its conditions: traced, counted, and ready to be evaluated anywhere.

    What the solvers work on; `BVP` adds the verbs for the user, and documents the arguments.
    """

    def __init__(
        self,
        op: Callable,
        domain: Sequence[float] = (-1.0, 1.0),
        lbc: Any = None,
        rbc: Any = None,
        bc: Any = None,
        *,
        params: dict[str, Any] | None = None,
        rhs: Any = 0.0,
        unknowns: int | None = None,
        breakpoints: Sequence[float] = (),
    ):
        if not callable(op):
            raise TypeError(f"op: expected a callable op(x, u, …), got {type(op).__name__}")
        self.op, self.domain = op, check_domain(domain)
        self.params = check_params(params)
        self.names, self._as_tuple = unknown_names(op, tuple(self.params), unknowns)
        self.breakpoints = check_breakpoints(breakpoints, self.domain)
        self.rhs = rhs
        self._lbc, self._rbc, self._bc = lbc, rbc, bc
        self.structure = Structure(len(self.names), len(self.params), orders=[0] * len(self.names))
        self.complex = any(np.iscomplexobj(v) for v in self.params.values())
        self.batch = 0
        """Problems at once, if op or a condition broadcasts parameters of shape (B, 1); 0 for a single one."""
        self._plain: list[Condition] | None = None  # affine conditions on point values, around zero
        self._discover()

    @property
    def linear(self) -> bool:
        """Whether the equations and all conditions are affine in the unknowns, as the trace found."""
        return self.structure.linear

    @property
    def orders(self) -> tuple[int, ...]:
        """Highest derivative of each unknown."""
        return tuple(self.structure.orders[: self.structure.n_unknowns])

    def __repr__(self) -> str:
        s = self.structure
        kind = "linear" if s.linear else "nonlinear"
        what = ", ".join(f"{n}: order {o}" for n, o in zip(self.names, s.orders, strict=False))
        extra = f", params {', '.join(self.params)}" if self.params else ""
        domain = f"[{self.domain[0]:g}, {self.domain[1]:g}]"
        return f"BVP({kind}, {what}{extra}, on {domain}, {self.n_conditions - self._own} conditions)"

    # --- for the solvers: the equations' side -------------------------------------------------------------------

    def trace(
        self,
        x: np.ndarray,
        fields: Fields,
        params: Any,
        rhs: Any = None,
        *,
        values_only: bool = False,
        discover: bool = False,
    ) -> Linearization:
        """Evaluate the operator at nodes x (n,) around ``fields(j, k)``; m equations come back."""
        t = OperatorTrace(self.structure, x, fields, params, discover, values_only)
        unknowns = [t.unknown(j) for j in range(self.structure.n_unknowns)]
        scalars = {name: t.parameter(i) for i, name in enumerate(self.params)}
        args = [tuple(unknowns)] if self._as_tuple else unknowns
        equations = as_list(call_with_params(self.op, [x, *args], scalars, "op"))
        if discover:
            self._check_equations(equations)
        return t.result(equations, rhs_values(self.rhs if rhs is None else rhs, x, len(self.names)))

    def conditions(self, around: Surroundings, discover: bool = False) -> list[Condition]:
        """The user's conditions, linearized around the present solution: left, right, other."""
        if self._plain is not None:
            return [_moved(c, around) for c in self._plain]
        out: list[Condition] = []
        a, b = self.domain
        for spec, name, point in ((self._lbc, "lbc", a), (self._rbc, "rbc", b)):
            out += self._end(
                end_conditions(spec, name, len(self.names), self.orders), name, point, around, discover
            )
        if isinstance(self._bc, str):
            out += self._periodic(around)
        elif self._bc is not None:
            t = ConditionTrace(self.structure, around, None, discover)
            out += self._evaluate(self._bc, t, [around.x], "bc")
        return out

    @property
    def n_conditions(self) -> int:
        """Conditions that determine the solution: one per derivative (less what algebra fixes) and per parameter."""
        return _free_constants(self._incidence) + self.structure.p

    # --- discovery ----------------------------------------------------------------------------------------------

    def _discover(self) -> None:
        s, (a, b) = self.structure, self.domain
        x = a + (b - a) * (0.5 + 0.5 * np.sin(np.linspace(-1.5, 1.5, 7)))  # any inner points will do
        values = [complex(v) if self.complex else float(v) for v in self.params.values()]
        with np.errstate(all="ignore"):
            lin = self.trace(x, lambda j, k: np.full_like(x, GUESSED), values, discover=True)
            self._incidence = np.full((s.m, s.m), -1)
            for i, j, k, _ in lin.entries:
                self._incidence[i, j] = max(self._incidence[i, j], k)
            for j, term in s.nonlocal_terms:
                assert term.source is not None
                self._incidence[j, term.source[0]] = max(self._incidence[j, term.source[0]], term.source[1])
            self.complex |= any(np.iscomplexobj(v) for v in lin.residual)
            self.complex |= any(np.iscomplexobj(d) for *_, d in lin.entries + lin.param_entries)
            kernels = [f.map for f in s.functions if f.kind == "kernel"]
            self.complex |= any(np.iscomplexobj(K(x[:2, None], x[:2])) for K in kernels)
            # Around zero, so that conditions that are affine are known for good, in units of any size.
            zero = np.zeros_like(x)
            nothing = [0.0] * (len(values) + len(s.scalars))
            around = Surroundings(
                x, np.full_like(x, (b - a) / x.size), lambda j, k: zero, lambda j, k, x0: 0.0, nothing
            )
            if isinstance(self._bc, str) and self._bc != "periodic":
                raise ValueError(f"bc: the only condition given by name is 'periodic', got {self._bc!r}")
            if not (self._bc is None or isinstance(self._bc, str) or callable(self._bc)):
                raise TypeError(
                    f"bc: expected a callable bc(x, u, …) or 'periodic', got {type(self._bc).__name__}"
                )
            self._check_unknowns()
            conditions = self.conditions(around, discover=True)
        for c in conditions:
            for x0, *_ in c.points:
                if not a <= x0 <= b:
                    raise ValueError(
                        f"{c.label}: refers to x0 = {x0:g}, outside of the domain [{a:g}, {b:g}]"
                    )
        coefficients = [p[-1] for c in conditions for p in c.points]
        self.complex |= any(np.iscomplexobj(v) for v in [*coefficients, *(c.value for c in conditions)])
        numbers = [*lin.residual, *(e[-1] for e in lin.entries + lin.param_entries), *coefficients]
        self.batch = max(
            (np.shape(v)[0] for v in [*numbers, *(c.value for c in conditions)] if np.ndim(v) == 2), default=0
        )
        s.linear = lin.affine and all(c.affine for c in conditions)
        if all(c.affine and not c.integrals for c in conditions):
            self._plain = conditions
        self.consistent = self._consistency()
        self._check_counts(len(conditions))
        for scalar in s.scalars:
            if scalar.key is not None and not a <= scalar.key[2] <= b:
                raise ValueError(
                    f"op: a term refers to x0 = {scalar.key[2]:g}, outside of the domain [{a:g}, {b:g}]"
                )
        jumps = [t.key[2] for t in s.scalars if t.kind == "jump" and t.key is not None]
        self.breakpoints = check_breakpoints([*self.breakpoints, *jumps], self.domain)

    def _check_equations(self, equations: list[Any]) -> None:
        for eq in equations:
            if not isinstance(eq, Expression):
                raise TypeError(
                    f"op: returned {type(eq).__name__} ({eq!r:.40}); expected expressions in the unknowns "
                    f"{', '.join(self.names)}, one for each"
                )
        if len(equations) != len(self.names):
            raise ValueError(
                f"op: returned {len(equations)} equations for the {len(self.names)} unknowns "
                f"{', '.join(self.names)}; expected as many equations as unknowns"
            )

    def _check_unknowns(self) -> None:
        used = np.any(self._incidence >= 0, axis=0).tolist()
        if not all(used[: len(self.names)]):
            missing = [n for n, u in zip(self.names, used, strict=False) if not u]
            raise ValueError(
                f"op: the unknown {missing[0]} appears in no equation; expected every unknown in one at least"
            )

    def _check_counts(self, given: int) -> None:
        s = self.structure
        wanted, scalars = self.n_conditions, len(s.scalars)
        # The trace brings the condition of each of its own scalars, but of a jump, and of every antiderivative.
        self._own = (
            scalars - sum(t.kind == "jump" for t in s.scalars) + sum(t.kind == "cumsum" for t in s.functions)
        )
        given += self._own
        if isinstance(self._bc, str) and not any(s.orders):
            raise ValueError("bc: periodic conditions need a differential equation; this one has order 0")
        if given != wanted:
            orders = ", ".join(f"{n}: {o}" for n, o in zip(self.names, s.orders, strict=False))
            params = f" and {len(self.params)} unknown parameter(s)" if self.params else ""
            own = wanted - given
            user_given = given - self._own
            what = "too few" if own > 0 else "too many"
            raise ValueError(
                f"lbc/rbc/bc: {what} conditions: equations of order ({orders}){params} need "
                f"{user_given + own} conditions, got {user_given}"
            )

    def _consistency(self) -> list[int]:
        """Unknowns v of the trace, v = expr differentiated, whose start v(a) = expr(a) must be stated as a condition."""
        s = self.structure
        surplus = sum(s.orders) - _free_constants(self._incidence)
        candidates = [
            s.n_unknowns + i
            for i, f in enumerate(s.functions)
            if f.kind == "diff" and s.orders[s.n_unknowns + i]
        ]
        if surplus > len(candidates):
            raise ValueError(
                "op: the equations are differential-algebraic of higher index: an unknown is differentiated "
                "more often than the equations can determine; differentiate the algebraic equation by hand"
            )
        return candidates[:surplus]

    # --- conditions ---------------------------------------------------------------------------------------------

    def _end(self, spec, name, point, around, discover) -> list[Condition]:
        t = ConditionTrace(self.structure, around, point, discover)
        if callable(spec):
            return self._evaluate(spec, t, [], name)
        return [t.condition(t.unknown(j, k) - value, name) for j, k, value in spec]

    def _evaluate(self, function, t: ConditionTrace, before: list[Any], name: str) -> list[Condition]:
        unknowns: list[Any] = [t.unknown(j) for j in range(len(self.names))]
        scalars = {n: t.parameter(i) for i, n in enumerate(self.params)}
        args = [tuple(unknowns)] if self._as_tuple else unknowns
        named = inspect.signature(function).parameters
        if before and n_positional(function) == len(args) + sum(n in named for n in scalars):
            before = []  # bc=lambda u: … without x is as clear
        result = as_list(call_with_params(function, [*before, *args], scalars, name))
        return [t.condition(e, f"{name}[{i}]" if len(result) > 1 else name) for i, e in enumerate(result)]

    def _periodic(self, around: Surroundings) -> list[Condition]:
        if self._lbc is not None or self._rbc is not None:
            raise ValueError(
                "bc: periodic conditions leave no room for lbc or rbc; expected these to be None"
            )
        (a, b), t = self.domain, ConditionTrace(self.structure, around, None)
        return [
            t.condition(t.at(t.unknown(j, k), a) - t.at(t.unknown(j, k), b), "bc (periodic)")
            for j, order in enumerate(self.structure.orders[: len(self.names)])
            for k in range(order)
        ]


def _moved(c: Condition, around: Surroundings) -> Condition:
    """An affine condition on point values, known around zero, around another state."""
    value, scale = c.value, abs(c.value)
    for x0, j, k, coef in c.points:
        term = coef * around.at(j, k, x0)
        value, scale = value + term, scale + abs(term)
    for n, coef in c.params:
        term = coef * around.params[n]
        value, scale = value + term, scale + abs(term)
    return Condition(value, c.label, True, c.points, [], c.params, scale)


def _free_constants(incidence: np.ndarray) -> int:
    """Constants of integration of a system: the largest total order of a matching of equations to unknowns.

    (Jacobi's bound, sharp for generic coefficients: u'' + v' = 0, v − u² = 0 has two constants, not three.)
    """
    if incidence.shape == (1, 1):
        return int(incidence[0, 0])
    from scipy.optimize import linear_sum_assignment  # a tenth of a second to import, needed for systems only

    cost = np.where(incidence < 0, -1e6, incidence)
    rows, cols = linear_sum_assignment(cost, maximize=True)
    total = cost[rows, cols].sum()
    if total < 0:
        raise ValueError(
            "op: the equations do not determine the unknowns: some unknowns appear in too few equations"
        )
    return int(total)
