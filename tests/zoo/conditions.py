"""Conditions of every kind, unknown parameters, periodic problems."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import cos, exp, pi, sin, sqrt, tanh
from scipy.special import mathieu_a, mathieu_cem

from tests.zoo.problem import Problem, tags

Array = np.ndarray


def condition_problems() -> list[Problem]:
    return [
        robin(),
        neumann_robin_variable(),
        radiation(),
        interior(),
        three_point(),
        integral(),
        integral_nonlinear(),
        coupled_ends(),
        periodic_linear(),
        periodic_variable(),
        periodic_waves(),
        periodic_system(),
        eigenvalue_sine(),
        mathieu(),
        front_speed(),
        parameter_in_condition(),
        parameter_nonlinear(),
        two_parameters(),
        van_der_pol_period(),
    ]


def robin() -> Problem:
    return Problem(
        "robin",
        lambda x, u: u.diff(2) + u.diff() - 2 * u,
        (0, 1),
        lbc=lambda u: u + 2 * u.diff() - 3,
        rbc=lambda u: 3 * u - u.diff() - 2 * exp(1),
        exact=exp,
        tags=tags("linear scalar conditions smooth"),
    )


def neumann_robin_variable() -> Problem:
    # u = cos(x^2): u' = -2x sin, u'' = -2 sin(x^2) - 4x^2 cos(x^2)
    return Problem(
        "neumann_variable",
        lambda x, u: u.diff(2) + x * u.diff() + 4 * x**2 * u,
        (0, 2),
        lbc=lambda u: u.diff(),
        rbc=lambda u: u + u.diff() - cos(4) + 4 * sin(4),
        rhs=lambda x: -(2 + 2 * x**2) * sin(x**2),
        exact=lambda x: cos(x**2),
        tags=tags("linear scalar conditions smooth"),
    )


def radiation() -> Problem:
    # A fin that radiates at its tip: u'' = m^2 u, u(0) = 1, u'(1) = -sigma u(1)^4, from u = exp(-m x)
    m = 1.5
    sigma = m * exp(3 * m)
    return Problem(
        "radiation",
        lambda x, u: u.diff(2) - m**2 * u,
        (0, 1),
        lbc=1,
        rbc=lambda u: u.diff() + sigma * u**4,
        guess=lambda x: 1 - 0.7 * x,
        exact=lambda x: exp(-m * x),
        tags=tags("nonlinear scalar conditions smooth"),
        note="the equation is linear, one condition is not",
    )


def interior() -> Problem:
    return Problem(
        "interior_condition",
        lambda x, u: u.diff(2) + u,
        (0, 3),
        bc=lambda x, u: [u(1.0) - sin(1), u(2.5) - sin(2.5)],
        exact=sin,
        tags=tags("linear scalar conditions smooth"),
        note="no condition at either end",
    )


def three_point() -> Problem:
    return Problem(
        "three_point",
        lambda x, u: u.diff(3) + u.diff() - u * (cos(x) - u) - (sin(x) * (sin(x) - cos(x))),
        (0, 2),
        lbc=0,
        rbc=lambda u: u - sin(2),
        bc=lambda x, u: u(0.7) - sin(0.7),
        guess=lambda x: 0.5 * x,
        exact=sin,
        tags=tags("nonlinear scalar order3 conditions smooth"),
    )


def integral() -> Problem:
    return Problem(
        "integral_condition",
        lambda x, u: u.diff(2) + pi**2 * sin(pi * x),
        (0, 1),
        lbc=0,
        bc=lambda x, u: u.sum() - 2 / pi,
        exact=lambda x: sin(pi * x),
        tags=tags("linear scalar conditions smooth"),
    )


def integral_nonlinear() -> Problem:
    # u'' = u^2 - e^(2x) + e^x with u(0) = 1 and the integral of u^2 prescribed
    return Problem(
        "integral_nonlinear",
        lambda x, u: u.diff(2) - u**2 + exp(2 * x) - exp(x),
        (0, 1),
        lbc=1,
        bc=lambda x, u: (u**2).sum() - (exp(2) - 1) / 2,
        guess=lambda x: 1 + x,
        exact=exp,
        tags=tags("nonlinear scalar conditions smooth"),
    )


def coupled_ends() -> Problem:
    return Problem(
        "coupled_ends",
        lambda x, u: u.diff(2) - u,
        (0, 1),
        bc=lambda x, u: [u(0.0) + u(1.0) - 1 - exp(1), u.diff()(0.0) - 2 * u.diff()(1.0) - 1 + 2 * exp(1)],
        exact=exp,
        tags=tags("linear scalar conditions smooth"),
    )


def periodic_linear() -> Problem:
    return Problem(
        "periodic_linear",
        lambda x, u: u.diff(2) - u,
        (0, 2 * pi),
        bc="periodic",
        rhs=lambda x: -10 * cos(3 * x),
        exact=lambda x: cos(3 * x),
        tags=tags("linear scalar periodic smooth"),
    )


def periodic_variable() -> Problem:
    # u = exp(cos x): u' = -sin x u, u'' = (sin^2 x - cos x) u
    return Problem(
        "periodic_variable",
        lambda x, u: u.diff(2) + sin(x) * u.diff() + (2 + cos(x)) * u,
        (0, 2 * pi),
        bc="periodic",
        rhs=lambda x: 2 * exp(cos(x)),
        exact=lambda x: exp(cos(x)),
        tags=tags("linear scalar periodic smooth"),
    )


def periodic_waves() -> Problem:
    return Problem(
        "periodic_600",
        lambda x, u: u.diff() + u,
        (0, 2 * pi),
        bc="periodic",
        rhs=lambda x: cos(600 * x) - 600 * sin(600 * x),
        exact=lambda x: cos(600 * x),
        tags=tags("linear scalar periodic oscillatory"),
        note="600 periods",
    )


def periodic_system() -> Problem:
    return Problem(
        "periodic_system",
        lambda x, u, v: [u.diff() - v - u + sin(x), v.diff() + u + u * v - v - sin(x) * cos(x) + cos(x)],
        (0, 2 * pi),
        bc="periodic",
        guess=[lambda x: 0.9 * sin(x), lambda x: 0.9 * cos(x)],
        exact=lambda x: np.array([sin(x), cos(x)]),
        tags=tags("nonlinear system periodic smooth"),
    )


def eigenvalue_sine() -> Problem:
    return Problem(
        "eigenvalue_sine",
        lambda x, u, lam: u.diff(2) + lam * u,
        (0, 1),
        lbc=lambda u, lam: [u, u.diff() - 1],
        rbc=lambda u, lam: u,
        params={"lam": 8.0},
        guess=lambda x: x * (1 - x),
        exact=lambda x: sin(pi * x) / pi,
        exact_params={"lam": pi**2},
        tags=tags("nonlinear scalar params smooth"),
    )


def mathieu() -> Problem:
    q = 5.0
    scale = mathieu_cem(4, q, 0.0)[0]
    return Problem(
        "mathieu",
        lambda x, u, a: u.diff(2) + (a - 2 * q * cos(2 * x)) * u,
        (0, pi),
        lbc=lambda u, a: [u - 1, u.diff()],
        rbc=lambda u, a: u.diff(),
        params={"a": 15.0},
        guess=lambda x: cos(4 * x),
        exact=lambda x: mathieu_cem(4, q, np.degrees(x))[0] / scale,
        exact_params={"a": float(mathieu_a(4, q))},
        tags=tags("nonlinear scalar params smooth"),
        note="a_4(5) of Mathieu's equation, as in MATLAB's bvp4c",
    )


def front_speed() -> Problem:
    # Nagumo: u'' + c u' + u (1 - u)(u - a) = 0; u = (1 - tanh(x / (2 sqrt 2)))/2, c = sqrt(2) (1/2 - a)
    a, end = 0.25, 12.0

    def front(x: Any) -> Any:
        return (1 - tanh(np.asarray(x) / (2 * sqrt(2)))) / 2

    return Problem(
        "front_speed",
        lambda x, u, c: u.diff(2) + c * u.diff() + u * (1 - u) * (u - a),
        (-end, end),
        lbc=front(-end),
        rbc=front(end),
        bc=lambda x, u, c: u(0.0) - 0.5,
        params={"c": 0.2},
        guess=lambda x: 0.5 * (1 - tanh(x / 2)),
        exact=front,
        exact_params={"c": sqrt(2) * (0.5 - a)},
        tags=tags("nonlinear scalar params smooth"),
        note="a wave speed as unknown, fixed by an interior condition",
    )


def parameter_in_condition() -> Problem:
    # u'' = u with u(0) = p, u'(0) = p, u(1) = e: p = 1
    return Problem(
        "parameter_in_condition",
        lambda x, u, p: u.diff(2) - u,
        (0, 1),
        lbc=lambda u, p: [u - p, u.diff() - p],
        rbc=lambda u, p: u - exp(1),
        params={"p": 0.5},
        exact=exp,
        exact_params={"p": 1.0},
        tags=tags("linear scalar params smooth"),
    )


def parameter_nonlinear() -> Problem:
    return Problem(
        "parameter_nonlinear",
        lambda x, u, a: (1 - x**2) * u + 0.1 * u.diff(2) + a * np.exp(u),
        (-1, 1),
        lbc=lambda u, a: [u + a + 1, u.diff()],
        rbc=lambda u, a: u - 1,
        params={"a": -1.0},
        guess=lambda x: x,
        tags=tags("nonlinear scalar params multiple"),
        note="Chebfun's test_paramODE_nonlin: residual only",
    )


def two_parameters() -> Problem:
    # u' = a u + b with u(0) = 1, u(1/2), u(1) from u = 2 e^(0.7 x) - 1: a = b = 0.7
    return Problem(
        "two_parameters",
        lambda x, u, a, b: u.diff() - a * u - b,
        (0, 1),
        bc=lambda x, u, a, b: [u(0.0) - 1, u(0.5) - 2 * exp(0.35) + 1, u(1.0) - 2 * exp(0.7) + 1],
        params={"a": 0.3, "b": 0.3},
        guess=lambda x: 1 + 2 * x,
        exact=lambda x: 2 * exp(0.7 * x) - 1,
        exact_params={"a": 0.7, "b": 0.7},
        tags=tags("nonlinear scalar params conditions smooth"),
    )


def van_der_pol_period() -> Problem:
    # One period of u'' = (1 - u^2) u' - u on (0, 1), the period T unknown; u'(0) = 0 fixes the phase.
    return Problem(
        "van_der_pol_period",
        lambda x, u, T: u.diff(2) - T * (1 - u**2) * u.diff() + T**2 * u,
        (0, 1),
        bc=lambda x, u, T: [u(0.0) - u(1.0), u.diff()(0.0) - u.diff()(1.0), u.diff()(0.0)],
        params={"T": 6.5},
        guess=lambda x: 2 * cos(2 * pi * x),
        stored=True,
        tags=tags("nonlinear scalar params periodic"),
        note="chebfun#1388: solved there with an O(1) error, unmarked",
    )
