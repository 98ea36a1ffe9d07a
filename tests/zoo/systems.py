"""Systems: many equations, mixed orders; and initial value problems posed as boundary value problems."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import cos, exp, pi, sin

from tests.zoo.problem import FirstOrder, Problem, tags

Array = np.ndarray


def system_problems() -> list[Problem]:
    return [
        chain(),
        chain_nonlinear(),
        chain_with_parameter(),
        first_order_pair(),
        mixed_orders(),
        thermal_runaway(),
        logistic(),
        van_der_pol(),
        lorenz(),
        stiff_relaxation(),
        final_value(),
        growth(),
        nearly_singular(),
    ]


def chain(m: int = 60) -> Problem:
    """m masses between two walls: u_i'' = u_i - (u_(i-1) - 2 u_i + u_(i+1)), u(0) = f, u(1) = g."""
    modes, rates = _chain_modes(m)
    left, right = np.cos(np.arange(m)), np.ones(m)

    def exact(x: Array) -> Array:
        k = np.sqrt(rates)[:, None]
        a, b = modes.T @ left, modes.T @ right
        return modes @ ((a[:, None] * np.sinh(k * (1 - x)) + b[:, None] * np.sinh(k * x)) / np.sinh(k))

    def rows(u: tuple[Any, ...]) -> list[Any]:
        return [u[i].diff(2) - 3 * u[i] + _neighbours(u, i) for i in range(m)]

    def fun(x: Array, y: Array) -> Array:
        u = np.vstack([np.zeros_like(x), y[:m], np.zeros_like(x)])
        return np.vstack([y[m:], 3 * y[:m] - u[:-2] - u[2:]])

    def bc(ya: Array, yb: Array) -> Array:
        return np.concatenate([ya[:m] - left, yb[:m] - right])

    return Problem(
        f"chain_{m}",
        lambda x, *u: rows(u),
        (0, 1),
        unknowns=m,
        lbc=list(left),
        rbc=list(right),
        exact=exact,
        first_order=FirstOrder(fun, bc, lambda x: np.zeros((2 * m, x.size)), rows=tuple(range(m))),
        tags=tags("classical linear system large smooth"),
        note="60 coupled equations (scipy#12554)",
    )


def chain_nonlinear(m: int = 60) -> Problem:
    """60 first-order equations, half of the conditions at either end, with a known solution."""
    rates = np.where(np.arange(m) < m // 2, -1.0, 1.0) * (1 + np.arange(m) % 7)

    def exact(x: Array) -> Array:
        return np.array([1 + 0.5 * sin(x * (1 + i % 3) + i) for i in range(m)])

    def rows(x: Array, u: tuple[Any, ...]) -> list[Any]:
        known, found = exact(x), []
        for i in range(m):
            slope = 0.5 * (1 + i % 3) * cos(x * (1 + i % 3) + i)
            j = (i + 1) % m
            found.append(
                u[i].diff() - rates[i] * (u[i] - known[i]) - slope - 0.1 * (u[i] * u[j] - known[i] * known[j])
            )
        return found

    ends = exact(np.array([0.0, 1.0]))
    return Problem(
        f"chain_nonlinear_{m}",
        lambda x, *u: rows(x, u),
        (0, 1),
        lbc=lambda *u: [u[i] - ends[i, 0] for i in range(m // 2)],
        rbc=lambda *u: [u[i] - ends[i, 1] for i in range(m // 2, m)],
        guess=[1] * m,
        unknowns=m,
        exact=exact,
        tags=tags("nonlinear system large smooth"),
    )


def chain_with_parameter(m: int = 60) -> Problem:
    """The chain with an unknown load p on every mass, found from the slope of the first at x = 0 (p = 0)."""
    base = chain(m)
    modes, rates = _chain_modes(m)
    left, right = np.cos(np.arange(m)), np.ones(m)
    k = np.sqrt(rates)
    slope = modes[0] @ ((modes.T @ right - (modes.T @ left) * np.cosh(k)) * k / np.sinh(k))

    def rows(u: tuple[Any, ...], p: Any) -> list[Any]:
        return [u[i].diff(2) - 3 * u[i] + _neighbours(u, i) - p for i in range(m)]

    return Problem(
        f"chain_parameter_{m}",
        lambda x, *u, p: rows(u, p),
        (0, 1),
        lbc=lambda *u: [*(u[i] - left[i] for i in range(m)), u[0].diff() - slope],
        rbc=list(right),
        params={"p": 1.0},
        unknowns=m,
        exact=base.exact,
        exact_params={"p": 0.0},
        tags=tags("linear system large params smooth"),
        note="more than 50 equations with a parameter (scipy#12554)",
    )


def first_order_pair() -> Problem:
    return Problem(
        "first_order_pair",
        lambda x, u, v: [u.diff() - v, v.diff() + u],
        (0, 1),
        lbc=lambda u, v: u,
        rbc=lambda u, v: u - sin(1),
        exact=lambda x: np.array([sin(x), cos(x)]),
        tags=tags("linear system smooth"),
    )


def mixed_orders() -> Problem:
    # u'''' + v = f, v'' - u' = g, w' = u with u = sin x, v = e^x, w = -cos x
    return Problem(
        "mixed_orders",
        lambda x, u, v, w: [
            u.diff(4) + v - sin(x) - exp(x),
            v.diff(2) - u.diff() - exp(x) + cos(x),
            w.diff() - u,
        ],
        (0, 2),
        lbc=lambda u, v, w: [u, u.diff() - 1, v - 1, w + 1],
        rbc=lambda u, v, w: [u - sin(2), u.diff() - cos(2), v - exp(2)],
        exact=lambda x: np.array([sin(x), exp(x), -cos(x)]),
        tags=tags("linear system order4 smooth"),
    )


def thermal_runaway() -> Problem:
    # Heat and reactant in a slab: T'' + c e^T = 0, c'' = k c with exact pieces unknown
    def op(x: Array, t: Any, c: Any) -> list[Any]:
        return [t.diff(2) + c * np.exp(t), c.diff(2) - c * np.exp(t)]

    def fun(x: Array, y: Array) -> Array:
        rate = y[2] * exp(y[0])
        return np.vstack([y[1], -rate, y[3], rate])

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[1], ya[3], yb[0], yb[2] - 1])

    return Problem(
        "heat_and_reactant",
        op,
        (0, 1),
        lbc=lambda t, c: [t.diff(), c.diff()],
        rbc=lambda t, c: [t, c - 1],
        stored=True,
        first_order=FirstOrder(fun, bc, lambda x: np.vstack([0 * x, 0 * x, 1 + 0 * x, 0 * x]), rows=(0, 2)),
        tags=tags("classical nonlinear system smooth"),
    )


def logistic() -> Problem:
    return Problem(
        "logistic",
        lambda x, u: u.diff() - u * (1 - u),
        (0, 8),
        lbc=0.1,
        exact=lambda x: 1 / (1 + 9 * exp(-x)),
        tags=tags("nonlinear scalar ivp smooth"),
    )


def van_der_pol() -> Problem:
    return Problem(
        "van_der_pol",
        lambda x, u: u.diff(2) - (1 - u**2) * u.diff() + u,
        (0, 8),
        lbc=lambda u: [u - 2, u.diff()],
        guess=lambda x: 2 * cos(x),
        stored=True,
        first_order=FirstOrder(
            lambda x, y: np.vstack([y[1], (1 - y[0] ** 2) * y[1] - y[0]]),
            lambda ya, yb: np.array([ya[0] - 2, ya[1]]),
            lambda x: np.vstack([2 * cos(x), -2 * sin(x)]),
        ),
        tags=tags("nonlinear scalar ivp"),
    )


def lorenz() -> Problem:
    s, r, b = 10.0, 28.0, 8 / 3

    def op(x: Array, u: Any, v: Any, w: Any) -> list[Any]:
        return [u.diff() - s * (v - u), v.diff() - u * (r - w) + v, w.diff() - u * v + b * w]

    def fun(x: Array, y: Array) -> Array:
        return np.vstack([s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2]])

    start = np.array([-8.0, 8.0, 27.0])
    return Problem(
        "lorenz",
        op,
        (0, 1.5),
        lbc=lambda u, v, w: [u + 8, v - 8, w - 27],
        guess=list(start),
        stored=True,
        first_order=FirstOrder(
            fun, lambda ya, yb: ya - start, lambda x: np.tile(start[:, None], (1, x.size)), rows=(0, 1, 2)
        ),
        tags=tags("nonlinear system ivp hard"),
    )


def stiff_relaxation() -> Problem:
    return Problem(
        "stiff_relaxation",
        lambda x, u: u.diff() + 1000 * (u - cos(x)) + sin(x),
        (0, 2),
        lbc=2,
        exact=lambda x: cos(x) + exp(-1000 * x),
        tags=tags("linear scalar ivp layer"),
    )


def final_value() -> Problem:
    return Problem(
        "final_value",
        lambda x, u: u.diff() - 3 * u,
        (0, 2),
        rbc=1,
        exact=lambda x: exp(3 * (x - 2)),
        tags=tags("linear scalar ivp smooth"),
        note="all conditions at the right end",
    )


def growth() -> Problem:
    return Problem(
        "growth",
        lambda x, u: u.diff(2) - 100 * u,
        (0, 2),
        lbc=lambda u: [u - 1, u.diff() + 10],
        exact=lambda x: exp(-10 * x),
        tags=tags("linear scalar ivp ill_conditioned"),
        note="the decaying solution of a growing equation: rounding grows by e^20",
    )


def nearly_singular() -> Problem:
    # sin(k) = 1e-6: close to an eigenvalue, condition about 1e6
    k = pi + 1e-6
    return Problem(
        "nearly_singular",
        lambda x, u: u.diff(2) + k**2 * u,
        (0, 1),
        lbc=0,
        rbc=1,
        exact=lambda x: sin(k * x) / sin(k),
        tags=tags("linear scalar ill_conditioned"),
    )


def _neighbours(u: tuple[Any, ...], i: int) -> Any:
    if i == 0:
        return u[1]
    return u[i - 1] + u[i + 1] if i < len(u) - 1 else u[i - 1]


def _chain_modes(m: int) -> tuple[Array, Array]:
    index = np.arange(1, m + 1)
    modes = np.sqrt(2 / (m + 1)) * sin(np.outer(index, index) * pi / (m + 1))
    return modes, 3 - 2 * cos(index * pi / (m + 1))
