"""Many oscillations, complex solutions, beams and high orders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import cos, exp, pi, sin, sqrt, tanh

from tests.zoo.problem import FirstOrder, Problem, second_order, tags

Array = np.ndarray


def oscillatory_problems() -> list[Problem]:
    return [
        airy(-30.0, 30.0, 1.0, 0.0),
        airy(-200.0, 5.0, 1.0, 0.0),
        *(helmholtz(k) for k in (100.0, 1000.0)),
        *(helmholtz_impedance(k) for k in (50.0, 300.0)),
        helmholtz_lossy(),
        complex_nonlinear(),
        complex_system(),
        *(clamped_beam(e) for e in (1e-2, 1e-4, 1e-6)),
        uniform_beam(),
        cantilever_large(),
        order6(),
        order8(),
        chirp(),
    ]


def airy(a: float, b: float, ua: float, ub: float) -> Problem:
    return Problem(
        f"airy_{a:g}_{b:g}",
        lambda x, u: u.diff(2) - x * u,
        (a, b),
        lbc=ua,
        rbc=ub,
        stored=True,
        first_order=second_order(lambda x, u, d: x * u, (a, b), ua, ub),
        tags=tags("classical linear scalar oscillatory"),
    )


def helmholtz(k: float) -> Problem:
    return Problem(
        f"helmholtz_{k:g}",
        lambda x, u: u.diff(2) + k**2 * u,
        (0, 1),
        lbc=1,
        rbc=0,
        exact=lambda x: sin(k * (1 - x)) / sin(k),
        first_order=second_order(lambda x, u, d: -(k**2) * u, (0, 1), 1, 0),
        tags=tags("classical linear scalar oscillatory"),
    )


def helmholtz_impedance(k: float) -> Problem:
    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], -(k**2) * y[0]])

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[0] - 1, yb[1] - 1j * k * yb[0]])

    return Problem(
        f"helmholtz_impedance_{k:g}",
        lambda x, u: u.diff(2) + k**2 * u,
        (0, 1),
        lbc=1,
        rbc=lambda u: u.diff() - 1j * k * u,
        exact=lambda x: exp(1j * k * x),
        first_order=FirstOrder(fun, bc, lambda x: np.zeros((2, x.size), dtype=complex)),
        tags=tags("linear scalar oscillatory complex"),
        note="outgoing wave exp(ikx)",
    )


def helmholtz_lossy() -> Problem:
    k2 = 400 * (1 + 0.1j)
    k = np.sqrt(k2)
    return Problem(
        "helmholtz_lossy",
        lambda x, u: u.diff(2) + k2 * u,
        (0, 2),
        lbc=lambda u: u - 1,
        rbc=lambda u: u,
        exact=lambda x: sin(k * (2 - x)) / sin(2 * k),
        tags=tags("linear scalar oscillatory complex"),
    )


def complex_nonlinear() -> Problem:
    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], exp(2j * x) - exp(1j * x) - y[0] ** 2])

    def bc(ya: Array, yb: Array) -> Array:
        return np.array([ya[0] - 1, yb[0] - exp(1j)])

    return Problem(
        "complex_nonlinear",
        lambda x, u: u.diff(2) + u**2 - exp(2j * x) + exp(1j * x),
        (0, 1),
        lbc=1,
        rbc=lambda u: u - exp(1j),
        exact=lambda x: exp(1j * x),
        first_order=FirstOrder(fun, bc, lambda x: np.ones((2, x.size), dtype=complex)),
        tags=tags("nonlinear scalar smooth complex"),
    )


def complex_system() -> Problem:
    # Two coupled modes a' = i(k a + c b), b' = -i(k b + c a) in a grating: a(0) = 1, b(L) = 0.
    kappa, delta, end = 1.0, 0.5, 4.0
    root = np.sqrt(kappa**2 - delta**2)

    def exact(x: Array) -> Array:
        # From a'' = root^2 a and b = (a'/i - delta a)/kappa with b(end) = 0.
        t = end - x
        bottom = root * np.cosh(root * end) - 1j * delta * np.sinh(root * end)
        a = (root * np.cosh(root * t) - 1j * delta * np.sinh(root * t)) / bottom
        da = -root * (root * np.sinh(root * t) - 1j * delta * np.cosh(root * t)) / bottom
        return np.array([a, (da / 1j - delta * a) / kappa])

    return Problem(
        "coupled_modes",
        lambda x, a, b: [a.diff() - 1j * (delta * a + kappa * b), b.diff() + 1j * (delta * b + kappa * a)],
        (0, end),
        lbc=lambda a, b: a - 1,
        rbc=lambda a, b: b,
        exact=exact,
        tags=tags("linear system smooth complex"),
        note="distributed feedback: the kind of problem of scipy#14102",
    )


def clamped_beam(e: float) -> Problem:
    s = sqrt(e)

    def exact(x: Array) -> Array:
        a = 0.5 / (s * tanh(0.5 / s))
        near = (exp((x - 1) / s) + exp(-x / s)) / (1 + exp(-1 / s))  # cosh((x - 1/2)/s) / cosh(1/(2 s))
        return -((x - 0.5) ** 2) / 2 + 0.125 + a * e * (near - 1)

    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], y[2], y[3], (1 + y[2]) / e])

    return Problem(
        f"clamped_beam_{e:g}",
        lambda x, u: e * u.diff(4) - u.diff(2) - 1,
        (0, 1),
        lbc=lambda u: [u, u.diff()],
        rbc=lambda u: [u, u.diff()],
        exact=exact,
        first_order=FirstOrder(
            fun, lambda ya, yb: np.array([ya[0], ya[1], yb[0], yb[1]]), lambda x: np.zeros((4, x.size))
        ),
        tags=tags("classical linear scalar order4 layer"),
        note="tensioned beam, clamped at both ends",
    )


def uniform_beam() -> Problem:
    return Problem(
        "uniform_beam",
        lambda x, u: u.diff(4),
        (0, 1),
        lbc=lambda u: [u, u.diff()],
        rbc=lambda u: [u.diff(2), u.diff(3)],
        rhs=1,
        exact=lambda x: x**2 * (6 - 4 * x + x**2) / 24,
        tags=tags("linear scalar order4 smooth"),
        note="cantilever under uniform load",
    )


def cantilever_large() -> Problem:
    # theta'' = -alpha cos(theta): the elastica under a tip load, theta(0) = 0, theta'(1) = 0.
    alpha = 2.0

    def fun(x: Array, y: Array) -> Array:
        return np.vstack([y[1], -alpha * cos(y[0])])

    return Problem(
        "elastica",
        lambda x, u: u.diff(2) + alpha * np.cos(u),
        (0, 1),
        lbc=0,
        rbc=lambda u: u.diff(),
        stored=True,
        first_order=FirstOrder(fun, lambda ya, yb: np.array([ya[0], yb[1]]), lambda x: np.zeros((2, x.size))),
        tags=tags("classical nonlinear scalar smooth"),
    )


def order6() -> Problem:
    return Problem(
        "order6",
        lambda x, u: u.diff(6) - u + 6 * exp(x),
        (0, 1),
        lbc=lambda u: [u - 1, u.diff(), u.diff(2) + 1],
        rbc=lambda u: [u, u.diff() + exp(1), u.diff(2) + 2 * exp(1)],
        exact=lambda x: (1 - x) * exp(x),
        tags=tags("linear scalar order6 smooth"),
    )


def order8() -> Problem:
    return Problem(
        "order8",
        lambda x, u: u.diff(8) - u + 8 * exp(x),
        (0, 1),
        lbc=lambda u: [u - 1, u.diff(), u.diff(2) + 1, u.diff(3) + 2],
        rbc=lambda u: [u, u.diff() + exp(1), u.diff(2) + 2 * exp(1), u.diff(3) + 3 * exp(1)],
        exact=lambda x: (1 - x) * exp(x),
        tags=tags("linear scalar order8 smooth"),
    )


def chirp() -> Problem:
    # u = sin(w x^2): u'' = 2 w cos(w x^2) - 4 w^2 x^2 u
    w = 100 * pi + 0.5

    def op(x: Array, u: Any) -> Any:
        return u.diff(2) + 4 * w**2 * x**2 * u - 2 * w * cos(w * x**2)

    return Problem(
        "chirp",
        op,
        (0, 1),
        lbc=0,
        rbc=sin(w),
        exact=lambda x: sin(w * x**2),
        first_order=second_order(
            lambda x, u, d: 2 * w * cos(w * x**2) - 4 * w**2 * x**2 * u, (0, 1), 0, sin(w)
        ),
        tags=tags("linear scalar oscillatory"),
    )
