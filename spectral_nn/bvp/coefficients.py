"""method="ultraspherical": a linear problem handed over as coefficients, conditions and right-hand sides."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..chebyshev.grid import points
from ..chebyshev.series import ChebSeries
from .conditions import Surroundings
from .problem import Problem
from .result import BVPResult, Status
from .ultraspherical import solve_ultraspherical
from .ultraspherical_operator import Condition

NODES = 33
"""Points on which conditions are traced: enough to tell a plain integral from a weighted one."""
ROUNDING = 4e-16
FEWEST, MOST = 64, 1024
"""Points of each of the two sets at which the residual is judged, as many as coefficients within these bounds."""


def solve_ultraspherical_problem(
    problem: Problem, *, rhs: Any, tol: float, bc_tol: float, solver: Any, max_n: int, start: float
) -> BVPResult:
    """Solve a linear problem with smooth coefficients in O(n).

    Raises
    ------
    ValueError
        For problems this discretization does not take, with what to take instead.
    """
    _check(problem, solver)
    m, domain = len(problem.names), problem.domain
    coefs: list[list[Any]] = [[None] * m for _ in range(m)]
    x = points(7, 1, domain)
    for i, j, k, value in problem.trace(x, _zero, [], rhs).entries:
        row = coefs[i][j] = coefs[i][j] or [0.0] * (problem.orders[j] + 1)
        row[k] = value if np.ndim(value) == 0 else _coefficient(problem, rhs, i, j, k)
    sides = [_side(problem, rhs, i) for i in range(m)]
    conditions = _conditions(problem)
    single = m == 1
    try:
        u, info = solve_ultraspherical(
            coefs[0][0] if single else coefs,
            sides[0] if single else sides,
            conditions,
            domain,
            tol=1e-15,
            n_max=max_n,
        )
    except ValueError as error:
        raise ValueError(
            f"method: 'ultraspherical' takes smooth coefficients and right-hand sides ({error}); "
            "expected method='mesh' for others"
        ) from None
    series = (u,) if single else tuple(u)
    sets = _residuals(problem, series, rhs, info.n)
    bc = _condition_residual(conditions, series)
    condition = _amplification(problem, coefs, conditions, series, rhs) if max(sets) <= tol else np.nan
    estimate = condition * (ROUNDING + max(sets))
    status = _status(info, sets, bc, tol, bc_tol, max_n)
    if status is Status.SOLVED and not estimate <= 1e3 * tol:
        status = Status.ILL_CONDITIONED
    detail = "" if info.success else info.message + " "
    return BVPResult(
        success=status is Status.SOLVED,
        status=status,
        message=detail + status.sentence,
        u=series,
        params={},
        residual=max(sets),
        residuals=sets,
        bc_residual=bc,
        error_estimate=estimate,
        condition=condition,
        nit=1,
        n=info.n * m,
        mesh=np.array(domain),
        linear_solver=f"almost_banded, 1 solve, bandwidth {info.bandwidth[0]} + {info.bandwidth[1]}",
        linear_stats={"solver": "almost_banded", "solves": 1, "refinements": 0, "fell_back": 0},
        method="ultraspherical",
        time=time.perf_counter() - start,
        names=problem.names,
    )


def _amplification(
    problem: Problem, coefs: Any, conditions: list[Condition], series: tuple[ChebSeries, ...], rhs: Any
) -> float:
    """How far the solution moves, relative to its size, where equations and conditions change by a relative one."""
    a, b = problem.domain
    single = len(series) == 1
    x = points(NODES, 1, problem.domain)
    values = {(j, k): s(x, k) for j, s in enumerate(series) for k in range(problem.orders[j] + 1)}
    lin = problem.trace(x, lambda j, k: values[j, k], [], rhs)
    sizes = [
        float(np.mean(np.abs(r - sum(v * values[j, k] for ii, j, k, v in lin.entries if ii == i))))
        + sum(float(np.mean(np.abs(v * values[j, k]))) for ii, j, k, v in lin.entries if ii == i)
        for i, r in enumerate(lin.residual)
    ]
    largest = [float(np.abs(s(x)).max()) for s in series]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], 8)
    waves = [
        lambda t, s=s: s * np.polynomial.chebyshev.chebval(2.0 * (t - a) / (b - a) - 1.0, signs / 3.0)
        for s in sizes
    ]
    moved = []
    for n, c in enumerate(conditions):
        terms = sum(abs(t[2]) * abs(series[t[3] if len(t) > 3 else 0](t[0], t[1])) for t in c.terms)
        terms += sum(
            abs(t[2]) * (t[1] - t[0]) * largest[t[3] if len(t) > 3 else 0]
            for t in c.integrals
            if not callable(t[2])
        )
        moved.append(Condition(c.terms, signs[n % 8] * (terms + abs(c.value)), c.integrals))
    du, _ = solve_ultraspherical(
        coefs[0][0] if single else coefs, waves[0] if single else waves, moved, problem.domain, tol=1e-8
    )
    parts = (du,) if single else tuple(du)
    return max(float(np.abs(d(x)).max()) / (1.0 + size) for d, size in zip(parts, largest, strict=True))


def _check(problem: Problem, solver: Any) -> None:
    s = problem.structure
    reasons = [
        (not s.linear, "the problem is nonlinear"),
        (bool(s.functions or s.scalars), "the operator has integral, composed or point terms"),
        (bool(problem.params), "the problem has unknown parameters"),
        (bool(problem.breakpoints), "the problem has breakpoints"),
        (solver.name not in ("auto", "almost_banded"), f"it does not hand its system to {solver.name!r}"),
    ]
    for applies, reason in reasons:
        if applies:
            raise ValueError(
                f"method: 'ultraspherical' takes linear equations with smooth coefficients, but {reason}; "
                "expected method='mesh' (or 'auto') for it"
            )


def _zero(j: int, k: int) -> float:
    return 0.0


def _coefficient(problem: Problem, rhs: Any, i: int, j: int, k: int) -> Any:
    def a(x: np.ndarray) -> np.ndarray:
        values = [
            v for ii, jj, kk, v in problem.trace(x, _zero, [], rhs).entries if (ii, jj, kk) == (i, j, k)
        ]
        return np.broadcast_to(values[0], x.shape)

    return a


def _side(problem: Problem, rhs: Any, i: int) -> Any:
    """What does not depend on the unknowns in equation i, on the other side."""
    return lambda x: -np.broadcast_to(problem.trace(x, _zero, [], rhs).residual[i], x.shape)


def _conditions(problem: Problem) -> list[Condition]:
    a, b = problem.domain
    x = points(NODES, 1, problem.domain)

    def traced(at: np.ndarray) -> list[Any]:
        around = Surroundings(at, np.ones_like(at), lambda j, k: np.zeros_like(at), lambda j, k, x0: 0.0, [])
        return problem.conditions(around)

    out = []
    single = len(problem.names) == 1
    for i, c in enumerate(traced(x)):
        terms = [(x0, k, coef, j) for x0, j, k, coef in c.points]
        integrals = []
        for n, (j, k, weights) in enumerate(c.integrals):
            if k != 0:
                raise ValueError(
                    f"{c.label}: method 'ultraspherical' takes integrals of the unknowns in conditions; expected "
                    "method='mesh' for integrals of derivatives"
                )
            plain = np.ptp(weights) == 0.0
            weight = weights[0] if plain else lambda at, i=i, n=n: traced(at)[i].integrals[n][2]
            integrals.append((a, b, weight, j))
        out.append(
            Condition(
                [t[:3] if single else t for t in terms], -c.value, [t[:3] if single else t for t in integrals]
            )
        )
    return out


def _residuals(problem: Problem, series: tuple[ChebSeries, ...], rhs: Any, n: int) -> tuple[float, float]:
    """The relative residual of the user's equations at two sets of points: even ones and random ones."""
    a, b = problem.domain
    count = int(np.clip(2 * n, FEWEST, MOST))
    even = np.linspace(a, b, count + 2)[1:-1]
    clustered = a + (b - a) * np.random.default_rng(0).beta(0.5, 0.5, count)
    found = []
    for x in (even, np.sort(clustered)):
        values = {(j, k): s(x, k) for j, s in enumerate(series) for k in range(problem.orders[j] + 1)}
        with np.errstate(all="ignore"):
            lin = problem.trace(x, lambda j, k: values[j, k], [], rhs)  # noqa: B023
        worst = 0.0
        for i, r in enumerate(lin.residual):
            terms = [np.abs(v * values[j, k]) for ii, j, k, v in lin.entries if ii == i]
            size = sum(terms) + np.abs(r - sum(v * values[j, k] for ii, j, k, v in lin.entries if ii == i))
            worst = max(worst, float((np.abs(r) / (size + np.mean(size) + 1e-300)).max()))
        found.append(worst if np.isfinite(worst) else np.inf)
    return found[0], found[1]


def _condition_residual(conditions: list[Condition], series: tuple[ChebSeries, ...]) -> float:
    worst = 0.0
    for c in conditions:
        parts = [t[2] * series[t[3] if len(t) > 3 else 0](t[0], t[1]) for t in c.terms]
        for t in c.integrals:
            u = series[t[3] if len(t) > 3 else 0]
            parts.append(
                (u * ChebSeries.from_function(t[2], u.domain)).sum() if callable(t[2]) else t[2] * u.sum()
            )
        worst = max(worst, abs(sum(parts) - c.value) / (1.0 + sum(abs(p) for p in parts)))
    return float(worst)


def _status(info: Any, sets: tuple[float, float], bc: float, tol: float, bc_tol: float, max_n: int) -> Status:
    if max(sets) <= tol:
        return (
            Status.SOLVED
            if bc <= bc_tol and info.success
            else Status.CONDITIONS_NOT_MET
            if bc > bc_tol
            else Status.SINGULAR
        )
    if info.n >= max_n:
        return Status.NOT_RESOLVED
    return Status.ROUNDING if info.success else Status.SINGULAR
