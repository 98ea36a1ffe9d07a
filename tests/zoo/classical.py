"""Nonlinear problems every boundary value solver is asked for, beyond the Cash/Mazzia set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import cos, exp, pi, sin, sqrt

from tests.zoo.cash_nonlinear import bratu_exact
from tests.zoo.problem import FirstOrder, Problem, line, second_order, tags

Array = np.ndarray


def classical_problems() -> list[Problem]:
    return [
        *(bratu(lam) for lam in (1.0, 3.5)),
        carrier(),
        troesch(),
        painleve(),
        pendulum(),
        pendulum_swing(),
        blasius(),
        falkner_skan(),
        *(lane_emden(n, radius) for n, radius in ((1.0, 3.0), (5.0, 5.0), (1.5, 3.0), (4.5, 8.0))),
        thomas_fermi(),
        measles(),
        karman_disk(),
        sin_damping(),
        coupled_damping(),
        catenary(),
        duffing_periodic(),
    ]


def bratu(lam: float) -> Problem:
    return Problem(
        f"bratu_{lam:.4g}",
        lambda x, u: u.diff(2) + lam * np.exp(u),
        (0, 1),
        lbc=0,
        rbc=0,
        exact=bratu_exact(lam),
        first_order=second_order(lambda x, u, d: -lam * exp(u), (0, 1), 0, 0),
        tags=tags("classical nonlinear scalar smooth"),
        note="lower branch; the fold is at 3.513830719",
    )


def carrier() -> Problem:
    e = 0.01

    def start(x: Array) -> Array:
        return 2 * (x**2 - 1) * (1 - 2 / (1 + 20 * x**2))

    def guess(x: Array) -> Array:
        d = 4 * x * (1 - 2 / (1 + 20 * x**2)) + 2 * (x**2 - 1) * 80 * x / (1 + 20 * x**2) ** 2
        return np.vstack([start(x), d])

    return Problem(
        "carrier",
        lambda x, u: e * u.diff(2) + 2 * (1 - x**2) * u + u**2 - 1,
        (-1, 1),
        lbc=0,
        rbc=0,
        guess=start,
        first_order=second_order(lambda x, u, d: (1 - 2 * (1 - x**2) * u - u**2) / e, (-1, 1), 0, 0, guess),
        stored=True,
        tags=tags("classical nonlinear scalar layer"),
        note="Carrier (1970); guess of Chebfun's test_carrier, whose printed values are reproduced",
    )


def troesch() -> Problem:
    mu = 10.0
    return Problem(
        "troesch_10",
        lambda x, u: u.diff(2) - mu * np.sinh(mu * u),
        (0, 1),
        lbc=0,
        rbc=1,
        stored=True,
        first_order=second_order(lambda x, u, d: mu * np.sinh(mu * u), (0, 1), 0, 1),
        tags=tags("classical nonlinear scalar layer"),
    )


def painleve() -> Problem:
    return Problem(
        "painleve_1",
        lambda x, u: u.diff(2) - u**2 + x,
        (0, 10),
        lbc=0,
        rbc=sqrt(10),
        stored=True,
        first_order=second_order(lambda x, u, d: u**2 - x, (0, 10), 0, sqrt(10)),
        guess=lambda x: np.sqrt(np.abs(x)),
        tags=tags("classical nonlinear scalar smooth multiple"),
        note="two solutions, u'(0) = 0.924375 and -3.791991; the guess sqrt(x) is near the first",
    )


def pendulum() -> Problem:
    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], -sin(y[0])])

    return Problem(
        "pendulum",
        lambda x, u, v: [u.diff() - v, v.diff() + np.sin(u)],
        (0, 2),
        lbc=lambda u, v: u - 1,
        rbc=lambda u, v: u,
        first_order=FirstOrder(
            fun, lambda ya, yb: np.array([ya[0] - 1, yb[0]]), line(0, 2, 1, 0), rows=(0, 1)
        ),
        stored=True,
        tags=tags("classical nonlinear system smooth"),
    )


def pendulum_swing() -> Problem:
    return Problem(
        "pendulum_swing",
        lambda x, u: u.diff(2) + np.sin(u),
        (0, 10),
        lbc=2,
        rbc=2,
        first_order=second_order(lambda x, u, d: -sin(u), (0, 10), 2, 2),
        tags=tags("classical nonlinear scalar smooth multiple"),
        note="several solutions: only the residual is judged",
    )


def blasius() -> Problem:
    end = 10.0

    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], y[2], -0.5 * y[0] * y[2]])

    def guess(x: Array) -> Array:
        return np.vstack([x**2 / (2 * end), x / end, np.full_like(x, 1 / end)])

    return Problem(
        "blasius",
        lambda x, u: 2 * u.diff(3) + u * u.diff(2),
        (0, end),
        lbc=lambda u: [u, u.diff()],
        rbc=lambda u: u.diff() - 1,
        stored=True,
        first_order=FirstOrder(fun, lambda ya, yb: np.array([ya[0], ya[1], yb[1] - 1]), guess),
        tags=tags("classical nonlinear scalar order3 smooth"),
        note="u''(0) = 0.33205733621519630 on [0, inf) (Boyd)",
    )


def falkner_skan() -> Problem:
    beta, end = 0.5, 8.0

    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], y[2], -y[0] * y[2] - beta * (1 - y[1] ** 2)])

    def guess(x: Array) -> Array:
        return np.vstack([x**2 / (2 * end), x / end, np.full_like(x, 1 / end)])

    return Problem(
        "falkner_skan",
        lambda x, u: u.diff(3) + u * u.diff(2) + beta * (1 - u.diff() ** 2),
        (0, end),
        lbc=lambda u: [u, u.diff()],
        rbc=lambda u: u.diff() - 1,
        stored=True,
        first_order=FirstOrder(fun, lambda ya, yb: np.array([ya[0], ya[1], yb[1] - 1]), guess),
        tags=tags("classical nonlinear scalar order3 smooth"),
        note="beta = 1/2: f''(0) = 0.9277",
    )


def lane_emden(n: float, radius: float) -> Problem:
    closed: dict[float, Any] = {1.0: lambda x: np.sinc(x / pi), 5.0: lambda x: 1 / sqrt(1 + x**2 / 3)}
    exact = closed.get(n)
    linear = n == 1.0
    at_surface = np.sinc(radius / pi)
    return Problem(
        f"lane_emden_{n:.4g}",
        lambda x, u: x * u.diff(2) + 2 * u.diff() + x * (u if linear else u**n),
        (0, radius),
        lbc=(lambda u: u.diff()) if linear else (lambda u: [u - 1, u.diff()]),
        rbc=at_surface if linear else None,
        guess=None if linear else (lambda x: exp(-(x**2) / 6)),
        exact=exact,
        stored=exact is None,
        tags=tags("classical scalar singular " + ("linear" if linear else "nonlinear ivp")),
        note="multiplied through by x; for n != 1 both conditions are at the centre, the singular end",
    )


def thomas_fermi() -> Problem:
    end = 10.0
    return Problem(
        "thomas_fermi",
        lambda x, u: np.sqrt(x) * u.diff(2) - np.abs(u) ** 1.5,
        (0, end),
        lbc=1,
        rbc=0,
        guess=lambda x: (1 - x / end) / (1 + x) ** 2,
        stored=True,
        tol=1e-7,
        tags=tags("classical nonlinear scalar singular hard"),
        note="u ~ 1 + B x + (4/3) x^(3/2) at 0: algebraic convergence without a mapping or a graded mesh",
    )


def measles() -> Problem:
    mu, lam, eta = 0.02, 0.0279, 0.1

    def beta(x: Array) -> Array:
        return 1575 * (1 + cos(2 * pi * x))

    def op(x: Array, s: Any, e: Any, i: Any) -> list[Any]:
        return [
            s.diff() - mu + beta(x) * s * i,
            e.diff() - beta(x) * s * i + e / lam,
            i.diff() - e / lam + i / eta,
        ]

    def fun(x: Array, y: Array) -> Array:
        flow = beta(x) * y[0] * y[2]
        return np.vstack([mu - flow, flow - y[1] / lam, y[1] / lam - y[2] / eta])

    return Problem(
        "measles",
        op,
        (0, 1),
        bc="periodic",
        guess=[0.01, 0.01, 0.01],
        stored=True,
        first_order=FirstOrder(
            fun, lambda ya, yb: ya - yb, lambda x: np.full((3, x.size), 0.01), rows=(0, 1, 2)
        ),
        tags=tags("classical nonlinear system periodic hard"),
        note="Ascher, Mattheij & Russell, example 1.10",
    )


def karman_disk() -> Problem:
    end = 10.0

    def op(x: Array, u: Any, v: Any, w: Any) -> list[Any]:
        return [
            u.diff(2) - u**2 - v * u.diff() + w**2,
            v.diff() + 2 * u,
            w.diff(2) - 2 * u * w - v * w.diff(),
        ]

    def fun(x: Array, y: Array) -> Array:
        u, du, v, w, dw = y
        return np.vstack([du, u**2 + v * du - w**2, -2 * u, dw, 2 * u * w + v * dw])

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[0], ya[2], ya[3] - 1, yb[0], yb[3]])

    def guess(x: Array) -> Array:
        return np.vstack([0 * x, 0 * x, 0 * x, 1 - x / end, np.full_like(x, -1 / end)])

    return Problem(
        "karman_disk_10",
        op,
        (0, end),
        lbc=lambda u, v, w: [u, v, w - 1],
        rbc=lambda u, v, w: [u, w],
        stored=True,
        first_order=FirstOrder(fun, bc, guess, rows=(0, 2, 3)),
        tags=tags("classical nonlinear system smooth hard"),
        note="von Karman (1921): flow over a rotating disk",
    )


def sin_damping() -> Problem:
    return Problem(
        "sin_damping",
        lambda x, u: 0.05 * u.diff(2) + cos(5 * x) * np.sin(u),
        (0, pi),
        lbc=2,
        rbc=3,
        first_order=second_order(lambda x, u, d: -20 * cos(5 * x) * sin(u), (0, pi), 2, 3),
        tags=tags("classical nonlinear scalar multiple"),
        note="Chebfun's test_scalarODEdamping; at least three solutions: only the residual is judged",
    )


def coupled_damping() -> Problem:
    return Problem(
        "coupled_damping",
        lambda x, u, v: [u - v.diff(2) + (1 - x**2) * u**2, u.diff(2) + np.sin(v)],
        (-pi, pi),
        lbc=lambda u, v: [u - 1, v + 1],
        rbc=lambda u, v: [v - 0.5, v.diff()],
        tags=tags("classical nonlinear system multiple"),
        note="Chebfun's test_nonlinSysDamping: residual only",
    )


def catenary() -> Problem:
    return Problem(
        "catenary",
        lambda x, u: u.diff(2) - np.sqrt(1 + u.diff() ** 2),
        (-1, 1),
        lbc=np.cosh(1),
        rbc=np.cosh(1),
        exact=np.cosh,
        first_order=second_order(lambda x, u, d: sqrt(1 + d**2), (-1, 1), np.cosh(1), np.cosh(1)),
        tags=tags("classical nonlinear scalar smooth"),
    )


def duffing_periodic() -> Problem:
    def force(x: Array) -> Array:  # from the solution e^(sin x)
        w = exp(sin(x))
        return w * (cos(x) ** 2 - sin(x)) + 0.1 * w * cos(x) - w - w**3

    return Problem(
        "duffing_periodic",
        lambda x, u: u.diff(2) + 0.1 * u.diff() - u - u**3 - force(x),
        (0, 2 * pi),
        bc="periodic",
        guess=1,
        exact=lambda x: exp(sin(x)),
        tags=tags("classical nonlinear scalar periodic"),
        note="forced by its own solution exp(sin x)",
    )
