"""Terms that see the whole solution: integrals, Fredholm and Volterra kernels, compositions; and order 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import cos, exp, pi, sin

from tests.zoo.problem import Problem, tags

Array = np.ndarray


def integral_problems() -> list[Problem]:
    return [
        integro_differential(),
        mean_field(),
        mean_field_periodic(),
        point_feedback(),
        fredholm(),
        fredholm_kernel(),
        fredholm_green(),
        volterra_kernel(),
        volterra(),
        volterra_nonlinear(),
        pantograph(),
        pantograph_first_order(),
        reflection(),
        order0(),
        order0_system(),
        order0_mixed(),
    ]


def integro_differential() -> Problem:
    return Problem(
        "integro_differential",
        lambda x, u: u.diff() + 2 * u + 5 * u.cumsum() - 1,
        (0, 5),
        lbc=0,
        exact=lambda x: 0.5 * exp(-x) * sin(2 * x),
        tags=tags("linear scalar nonlocal ivp"),
        note="the example of Wikipedia's page; Chebfun's test_intops",
    )


def mean_field() -> Problem:
    return Problem(
        "mean_field",
        lambda x, u: u.diff() + u.sum(),
        (0, 1),
        lbc=1,
        exact=lambda x: 1 - 2 * x / 3,
        tags=tags("linear scalar nonlocal"),
        note="Chebfun's test_intops (#2210)",
    )


def mean_field_periodic() -> Problem:
    # Nonlinear: u'' + mean(u^2) u = f from u = 2 + cos x: the integral of u^2 is 9 pi
    return Problem(
        "mean_field_nonlinear",
        lambda x, u: u.diff(2) - (u**2).sum() / (9 * pi) * u - f_mean(x),
        (0, 2 * pi),
        bc="periodic",
        guess=1.8,
        exact=lambda x: 2 + cos(x),
        tags=tags("nonlinear scalar nonlocal periodic"),
    )


def f_mean(x: Array) -> Array:
    return -cos(x) - (2 + cos(x))


def point_feedback() -> Problem:
    # u'' + u(0.3) = f from u = exp(x)
    return Problem(
        "point_feedback",
        lambda x, u: u.diff(2) + u(0.3) - exp(x) - exp(0.3),
        (0, 1),
        lbc=1,
        rbc=exp(1),
        exact=exp,
        tags=tags("linear scalar nonlocal"),
    )


def fredholm() -> Problem:
    # u(x) + int_0^1 sin(2 pi (x - y)) u(y) dy = f from u = x exp(x); the kernel is separable
    w = 2 * pi
    # int_0^1 y e^y e^(-i w y) dy in closed form
    z = 1 - 1j * w
    moment = (exp(z) * (z - 1) + 1) / z**2
    cos_moment, sin_moment = moment.real, -moment.imag

    def f(x: Array) -> Array:
        return x * exp(x) + sin(w * x) * cos_moment - cos(w * x) * sin_moment

    def op(x: Array, u: Any) -> Any:
        return u + sin(w * x) * (cos(w * x) * u).sum() - cos(w * x) * (sin(w * x) * u).sum()

    return Problem(
        "fredholm",
        op,
        (0, 1),
        rhs=f,
        exact=lambda x: x * exp(x),
        tags=tags("linear scalar nonlocal order0"),
        note="Chebfun's test_intops",
    )


def fredholm_kernel() -> Problem:
    base = fredholm()
    return Problem(
        "fredholm_kernel",
        lambda x, u: u + u.fredholm(lambda s, t: sin(2 * pi * (s - t))),
        (0, 1),
        rhs=base.rhs,
        exact=base.exact,
        tags=tags("linear scalar nonlocal order0"),
        note="the same, with the kernel given as a function",
    )


def fredholm_green() -> Problem:
    # u - lam int_0^1 G(x, t) u(t) dt = x with G = min(x, t): -u'' = lam u, u(0) = 0, u'(1) = 1
    lam = 2.0
    k = np.sqrt(lam)
    return Problem(
        "fredholm_green",
        lambda x, u: u - lam * u.fredholm(np.minimum),
        (0, 1),
        rhs=lambda x: x,
        exact=lambda x: sin(k * x) / (k * cos(k)),
        tags=tags("linear scalar nonlocal order0"),
        note="a kernel with a kink on the diagonal",
    )


def volterra_kernel() -> Problem:
    # u = 1 + int_0^x (t - x) u dt: u = cos x
    return Problem(
        "volterra_kernel",
        lambda x, u: u - 1 - u.volterra(lambda s, t: t - s),
        (0, 4),
        exact=cos,
        tags=tags("linear scalar nonlocal order0"),
    )


def volterra() -> Problem:
    return Problem(
        "volterra",
        lambda x, u: u - x * (x * u).cumsum(),
        (0, pi),
        rhs=lambda x: x**2 * cos(x) + (1 - x) * sin(x),
        exact=sin,
        tags=tags("linear scalar nonlocal order0"),
        note="Chebfun's test_intops",
    )


def volterra_nonlinear() -> Problem:
    return Problem(
        "volterra_nonlinear",
        lambda x, u: exp(x) + x * (1 - exp(3 * x)) / 3 + x * (u**3).cumsum() - u,
        (0, 1),
        guess=1,
        exact=exp,
        tags=tags("nonlinear scalar nonlocal order0"),
        note="Chebfun's test_intops (#2360)",
    )


def pantograph() -> Problem:
    # u'' = u(x/2), u(0) = 0, u(2) = 1: u = c sum a_k x^k, a_(k+2) (k+2)(k+1) = a_k 2^(-k)
    coefficients = [0.0, 1.0]
    for k in range(24):
        coefficients.append(coefficients[k] * 2.0**-k / ((k + 2) * (k + 1)))
    series = np.polynomial.Polynomial(coefficients)
    return Problem(
        "pantograph",
        lambda x, u: u.diff(2) - u(x / 2),
        (0, 2),
        lbc=0,
        rbc=1,
        exact=lambda x: series(x) / series(2.0),
        tags=tags("linear scalar nonlocal composition"),
        note="Chebfun's test_pantograph",
    )


def pantograph_first_order() -> Problem:
    # u' = -u(x/2): u = sum (-1)^k 2^(-k(k-1)/2) x^k / k!
    series = np.polynomial.Polynomial(
        [(-1.0) ** k * 2.0 ** (-k * (k - 1) / 2) / math.factorial(k) for k in range(20)]
    )
    return Problem(
        "pantograph_first_order",
        lambda x, u: u.diff() + u(x / 2),
        (0, 3),
        lbc=1,
        exact=series,
        tags=tags("linear scalar nonlocal composition ivp"),
        note="de Bruijn's series",
    )


def reflection() -> Problem:
    # u'' = u(-x) on (-1, 1): even part cosh, odd part sin
    return Problem(
        "reflection",
        lambda x, u: u.diff(2) - u(-x),
        (-1, 1),
        lbc=np.cosh(1) - 2 * sin(1),
        rbc=np.cosh(1) + 2 * sin(1),
        exact=lambda x: np.cosh(x) + 2 * sin(x),
        tags=tags("linear scalar nonlocal composition"),
    )


def order0() -> Problem:
    return Problem(
        "order0",
        lambda x, u: u**3 + u - sin(x) ** 3 - sin(x),
        (0, 3),
        exact=sin,
        tags=tags("nonlinear scalar order0"),
        note="an algebraic equation at every x, without conditions",
    )


def order0_system() -> Problem:
    return Problem(
        "order0_system",
        lambda x, u, v: [u + np.sin(v) - x, v - 0.5 * np.cos(u) - x * x / 4],
        (0, 2),
        stored=True,
        tags=tags("nonlinear system order0"),
    )


def order0_mixed() -> Problem:
    # A differential equation with an algebraic one: u' = -v, v = u^3 (index 1): u = (1 + 2x)^(-1/2)
    return Problem(
        "order0_mixed",
        lambda x, u, v: [u.diff() + v, v - u**3],
        (0, 2),
        lbc=lambda u, v: u - 1,
        guess=[1, 1],
        exact=lambda x: np.array([(1 + 2 * x) ** -0.5, (1 + 2 * x) ** -1.5]),
        tags=tags("nonlinear system order0 ivp"),
        note="a differential-algebraic system of index 1",
    )
