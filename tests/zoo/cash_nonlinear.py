"""Nonlinear problems of the Cash/Mazzia test set: T19-T34 (definitions as in `cash_linear`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import cos, exp, pi, sin, sqrt, tan
from scipy.optimize import brentq

from tests.zoo.problem import FirstOrder, Problem, second_order, tags

Array = np.ndarray


def nonlinear_problems() -> list[Problem]:
    found = []
    for family, values in (
        (t19, (5e-2, 1e-2, 1e-3)),
        (t20, (5e-1, 1e-1, 1e-2)),
        (t21, (1e-1, 1e-3, 1e-5)),
        (t22, (1e-1, 1e-2)),
        (t23, (5.0, 10.0)),
        (t24, (5e-2, 2e-2)),
        (t25, (1e-1, 1e-2, 1e-3)),
        (t26, (1e-1, 1e-2)),
        (t27, (1e-1, 1e-2)),
        (t28, (1e-1, 1e-2)),
        (t29, (1e-1, 1e-2)),
        (t30, (1e-1, 1e-2)),
        (t31, (1e-1, 5e-2)),
        (t32, (1e-2, 1e-3)),
        (t33, (1e-1, 1e-2, 1e-3)),
        (t34, (0.1, 1.0, 3.5)),
    ):
        found += [family(eps) for eps in values]
    return found


def t19(e: float) -> Problem:
    return _problem(
        "T19",
        e,
        lambda x, u: e * u.diff(2) + np.exp(u) * u.diff() - pi / 2 * sin(pi * x / 2) * np.exp(2 * u),
        (0, 1),
        0,
        0,
        lambda x, u, d: (pi / 2 * sin(pi * x / 2) * exp(2 * u) - exp(u) * d) / e,
        None,
        "layer",
    )


def t20(e: float) -> Problem:
    def exact(x: Any) -> Any:
        z = np.abs((x - 0.745) / e)
        return 1 + e * (z + np.log1p(exp(-2 * z)) - np.log(2.0))

    return _problem(
        "T20",
        e,
        lambda x, u: e * u.diff(2) + u.diff() ** 2 - 1,
        (0, 1),
        exact(0.0),
        exact(1.0),
        lambda x, u, d: (1 - d**2) / e,
        exact,
        "layer interior",
    )


def t21(e: float) -> Problem:
    s = sqrt(e)
    return _problem(
        "T21",
        e,
        lambda x, u: e * u.diff(2) - u - u**2 + exp(-2 * x / s),
        (0, 1),
        1,
        exp(-1 / s),
        lambda x, u, d: (u + u**2 - exp(-2 * x / s)) / e,
        lambda x: exp(-x / s),
        "layer",
    )


def t22(e: float) -> Problem:
    return _problem(
        "T22",
        e,
        lambda x, u: e * u.diff(2) + u.diff() + u**2,
        (0, 1),
        0,
        0.5,
        lambda x, u, d: -(d + u**2) / e,
        None,
        "layer",
    )


def t23(mu: float) -> Problem:
    return _problem(
        "T23",
        mu,
        lambda x, u: u.diff(2) - mu * np.sinh(mu * u),
        (0, 1),
        0,
        1,
        lambda x, u, d: mu * np.sinh(mu * u),
        None,
        "layer",
        note="Troesch's problem",
    )


def t24(e: float) -> Problem:
    gamma = 1.4

    def op(x: Array, u: Any) -> Any:
        area, slope = 1 + x**2, 2 * x
        return (
            e * area * u * u.diff(2)
            - ((1 + gamma) / 2 - e * slope) * u * u.diff()
            + u.diff() / u
            + slope / area * (1 - (gamma - 1) / 2 * u**2)
        )

    def f(x: Array, u: Array, d: Array) -> Array:
        area, slope = 1 + x**2, 2 * x
        return (
            ((1 + gamma) / 2 - e * slope) * u * d - d / u - slope / area * (1 - (gamma - 1) / 2 * u**2)
        ) / (e * area * u)

    return _problem("T24", e, op, (0, 1), 0.9129, 0.375, f, None, "layer interior", note="shock in a nozzle")


def t25(e: float) -> Problem:
    return _burgers("T25", e, -1 / 3, 1 / 3)


def t26(e: float) -> Problem:
    return _burgers("T26", e, 1, -1 / 3)


def t27(e: float) -> Problem:
    return _burgers("T27", e, 1, 1 / 3)


def t28(e: float) -> Problem:
    return _burgers("T28", e, 1, 3 / 2)


def t29(e: float) -> Problem:
    return _burgers("T29", e, 0, 3 / 2)


def t30(e: float) -> Problem:
    return _burgers("T30", e, -7 / 6, 3 / 2)


def t31(e: float) -> Problem:
    def op(x: Array, y: Any, theta: Any, m: Any, q: Any) -> list[Any]:
        t = 1 / np.cos(theta) + e * q * np.tan(theta)
        return [
            y.diff() - np.sin(theta),
            theta.diff() - m,
            e * m.diff() + q,
            e * q.diff() - (y - 1) * np.cos(theta) + m * t,
        ]

    def fun(x: Array, y: Array) -> Array:
        t = 1 / cos(y[1]) + e * y[3] * tan(y[1])
        return np.vstack([sin(y[1]), y[2], -y[3] / e, ((y[0] - 1) * cos(y[1]) - y[2] * t) / e])

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[0], ya[2], yb[0], yb[2]])

    return Problem(
        f"T31_{e:.4g}",
        op,
        (0, 1),
        lbc=lambda y, theta, m, q: [y, m],
        rbc=lambda y, theta, m, q: [y, m],
        first_order=FirstOrder(fun, bc, _zeros(4), rows=(0, 1, 2, 3)),
        stored=True,
        tags=tags("cash nonlinear system layer"),
        note="Cash/Mazzia test set",
    )


def t32(e: float) -> Problem:
    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], y[2], y[3], (y[1] * y[2] - y[0] * y[3]) / e])

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[0], ya[1], yb[0] - 1, yb[1]])

    return Problem(
        f"T32_{e:.4g}",
        lambda x, u: e * u.diff(4) - u.diff() * u.diff(2) + u * u.diff(3),
        (0, 1),
        lbc=lambda u: [u, u.diff()],
        rbc=lambda u: [u - 1, u.diff()],
        first_order=FirstOrder(fun, bc, lambda x: np.vstack([x, 1 + 0 * x, 0 * x, 0 * x])),
        stored=True,
        tags=tags("cash nonlinear scalar order4 layer"),
        note="Cash/Mazzia test set",
    )


def t33(e: float) -> Problem:
    # The sign as printed (eps z'''' + z z''' + y y' = 0); the code of bvpSolve's vignette differs.
    def op(x: Array, z: Any, y: Any) -> list[Any]:
        return [
            e * z.diff(4) + z * z.diff(3) + y * y.diff(),
            e * y.diff(2) - y * z.diff() + z * y.diff(),
        ]

    def fun(x: Array, y: Array) -> Array:
        return np.vstack(
            [y[1], y[2], y[3], -(y[0] * y[3] + y[4] * y[5]) / e, y[5], (y[4] * y[1] - y[0] * y[5]) / e]
        )

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[0], ya[1], ya[4] + 1, yb[0], yb[1], yb[4] - 1])

    def guess(x: Array) -> Array:
        return np.vstack([0 * x, 0 * x, 0 * x, 0 * x, 2 * x - 1, 2 + 0 * x])

    return Problem(
        f"T33_{e:.4g}",
        op,
        (0, 1),
        lbc=lambda z, y: [z, z.diff(), y + 1],
        rbc=lambda z, y: [z, z.diff(), y - 1],
        first_order=FirstOrder(fun, bc, guess, rows=(0, 4)),
        stored=True,
        tags=tags("cash nonlinear system order4 layer"),
        note="Cash/Mazzia test set: swirling flow III",
    )


def t34(lam: float) -> Problem:
    return _problem(
        "T34",
        lam,
        lambda x, u: u.diff(2) + lam * np.exp(u),
        (0, 1),
        0,
        0,
        lambda x, u, d: -lam * exp(u),
        bratu_exact(lam),
        "smooth",
        note="Bratu's problem, lower branch",
    )


def bratu_exact(lam: float, upper: bool = False) -> Callable[[Array], Array]:
    """Closed form of u'' + lam e^u = 0, u(0) = u(1) = 0, lam < 3.5138, on either branch."""
    turning = 4.798714560954416  # theta at the fold: theta tanh(theta/4) = 4

    def g(theta: float) -> float:
        return theta - np.sqrt(2 * lam) * np.cosh(theta / 4)

    theta = brentq(g, turning, 40, xtol=1e-15) if upper else brentq(g, 0, turning, xtol=1e-15)
    return lambda x: -2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4))


def _problem(
    family: str,
    e: float,
    op: Callable[..., Any],
    domain: tuple[float, float],
    ua: float,
    ub: float,
    f: Callable[..., Any],
    exact: Callable[[Array], Array] | None,
    words: str,
    note: str = "",
) -> Problem:
    return Problem(
        f"{family}_{e:.4g}",
        op,
        domain,
        lbc=ua,
        rbc=ub,
        exact=exact,
        stored=exact is None,
        first_order=second_order(f, domain, ua, ub),
        tags=tags("cash nonlinear scalar " + words),
        note="Cash/Mazzia test set" + (f": {note}" if note else ""),
    )


def _burgers(family: str, e: float, ua: float, ub: float) -> Problem:
    return _problem(
        family,
        e,
        lambda x, u: e * u.diff(2) + u * u.diff() - u,
        (0, 1),
        ua,
        ub,
        lambda x, u, d: (u - u * d) / e,
        None,
        "layer",
    )


def _zeros(m: int) -> Callable[[Array], Array]:
    return lambda x: np.zeros((m, x.size))
