"""Kinks, discontinuous coefficients, interfaces and jumps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import cos, cosh, sin, sinh
from scipy.special import airy

from tests.zoo.problem import Problem, second_order, tags

Array = np.ndarray


def piecewise_problems() -> list[Problem]:
    return [
        sign_coefficient(),
        sign_rhs(),
        abs_rhs(),
        abs_airy(),
        sign_sin(),
        step_off_centre(given=False),
        step_off_centre(given=True),
        interface_flux(),
        interface_jump(),
        jump_of_value(),
        point_load(),
        narrow_pulse(),
    ]


def sign_coefficient() -> Problem:
    # u'' = -sign(x) u: a cosh x + b sinh x on the left, a cos x + b sin x on the right.
    a, b = np.linalg.solve([[cosh(1.0), -sinh(1.0)], [cos(1.0), sin(1.0)]], [1.0, 1.0])
    return Problem(
        "sign_coefficient",
        lambda x, u: u.diff(2) + np.sign(x) * u,
        (-1, 1),
        lbc=1,
        rbc=1,
        exact=lambda x: np.where(x < 0, a * cosh(x) + b * sinh(x), a * cos(x) + b * sin(x)),
        first_order=second_order(lambda x, u, d: -np.sign(x) * u, (-1, 1), 1, 1),
        tags=tags("linear scalar piecewise"),
    )


def sign_rhs() -> Problem:
    return Problem(
        "sign_rhs",
        lambda x, u: u.diff(2),
        (-1, 1),
        lbc=0,
        rbc=0,
        rhs=np.sign,
        exact=lambda x: (x * np.abs(x) - x) / 2,
        first_order=second_order(lambda x, u, d: np.sign(x), (-1, 1), 0, 0),
        tags=tags("linear scalar piecewise"),
    )


def abs_rhs() -> Problem:
    return Problem(
        "abs_rhs",
        lambda x, u: u.diff(2) - np.abs(x - 0.2),
        (-1, 1),
        lbc=0.288,
        rbc=lambda u: u - 0.512 / 6,
        exact=lambda x: np.abs(x - 0.2) ** 3 / 6,
        first_order=second_order(lambda x, u, d: np.abs(x - 0.2), (-1, 1), 0.288, 0.512 / 6),
        tags=tags("linear scalar piecewise"),
    )


def abs_airy() -> Problem:
    # u'' = 125 |x| u, u even: A Ai(5|x|) + B Bi(5|x|) with u'(0) = 0, u(1) = 1
    c = 5.0
    ai0, aip0, bi0, bip0 = airy(0.0)
    ai1, _, bi1, _ = airy(c)
    a, b = np.linalg.solve([[aip0, bip0], [ai1, bi1]], [0.0, 1.0])

    def exact(x: Array) -> Array:
        ai, _, bi, _ = airy(c * np.abs(x))
        return a * ai + b * bi

    return Problem(
        "abs_airy",
        lambda x, u: u.diff(2) - c**3 * np.abs(x) * u,
        (-1, 1),
        lbc=1,
        rbc=1,
        exact=exact,
        first_order=second_order(lambda x, u, d: c**3 * np.abs(x) * u, (-1, 1), 1, 1),
        tags=tags("linear scalar piecewise"),
    )


def sign_sin() -> Problem:
    return Problem(
        "sign_sin",
        lambda x, u: u.diff(2) + np.sin(u) + np.sign(x),
        (-1, 1),
        lbc=0,
        rbc=1,
        stored=True,
        first_order=second_order(lambda x, u, d: -sin(u) - np.sign(x), (-1, 1), 0, 1, _quiet_line),
        tags=tags("nonlinear scalar piecewise"),
    )


def step_off_centre(given: bool) -> Problem:
    # u'' = q u with q = 1 left of s, 25 right of it; u and u' continuous.
    s, k = 0.3137, 5.0
    matrix = np.array(
        [
            [cosh(1 + s), -cosh(k * (1 - s)), -sinh(k * (1 - s))],
            [sinh(1 + s), k * sinh(k * (1 - s)), k * cosh(k * (1 - s))],
            [0.0, 1.0, 0.0],
        ]
    )
    # left: A cosh(x + 1); right: B cosh(k (1 - x)) + C sinh(k (1 - x)); u'(-1) = 0, u(1) = 1
    amp, b, c = np.linalg.solve(matrix, [0.0, 0.0, 1.0])
    return Problem(
        "step_off_centre" + ("_given" if given else ""),
        lambda x, u: u.diff(2) - np.where(x < s, 1.0, k**2) * u,
        (-1, 1),
        lbc=lambda u: u.diff(),
        rbc=1,
        breakpoints=(s,) if given else (),
        exact=lambda x: np.where(x < s, amp * cosh(x + 1), b * cosh(k * (1 - x)) + c * sinh(k * (1 - x))),
        tags=tags("linear scalar piecewise"),
        note="the break point is not a round fraction of the interval",
    )


def interface_flux() -> Problem:
    # (k u')' = -1 as a system with the flux q = k u': k = 1 for x < 0, 10 for x > 0; u(-1) = u(1) = 0
    k1, k2 = 1.0, 10.0
    # q = q0 - x; u = (q0 x - x^2/2)/k + u0
    # left end: (-q0 - 1/2)/k1 + u0 = 0; right end: (q0 - 1/2)/k2 + u0 = 0
    q0, u0 = np.linalg.solve([[-1 / k1, 1.0], [1 / k2, 1.0]], [0.5 / k1, 0.5 / k2])
    return Problem(
        "interface_flux",
        lambda x, u, q: [np.where(x < 0, k1, k2) * u.diff() - q, q.diff() + 1],
        (-1, 1),
        lbc=lambda u, q: u,
        rbc=lambda u, q: u,
        exact=lambda x: np.array([(q0 * x - x**2 / 2) / np.where(x < 0, k1, k2) + u0, q0 - x]),
        tags=tags("linear system piecewise"),
    )


def interface_jump() -> Problem:
    # u'' = u on both sides of 0; u jumps by 1, u' by -2: u = sinh, cosh combinations
    # left: A sinh(x + 1); right: B sinh(1 - x)
    # B sinh 1 - A sinh 1 = 1; -B cosh 1 - A cosh 1 = -2
    a, b = np.linalg.solve([[-sinh(1.0), sinh(1.0)], [-cosh(1.0), -cosh(1.0)]], [1.0, -2.0])
    return Problem(
        "interface_jump",
        lambda x, u: u.diff(2) - u,
        (-1, 1),
        lbc=0,
        rbc=0,
        bc=lambda x, u: [u.jump(0.0) - 1, u.diff().jump(0.0) + 2],
        breakpoints=(0.0,),
        exact=lambda x: np.where(x < 0, a * sinh(x + 1), b * sinh(1 - x)),
        tags=tags("linear scalar piecewise jump"),
    )


def jump_of_value() -> Problem:
    return Problem(
        "jump_of_value",
        lambda x, u: u.diff(2),
        (-1, 1),
        lbc=-1,
        rbc=1,
        bc=lambda x, u: [u.jump(0.0) - 1, u.diff().jump(0.0)],
        breakpoints=(0.0,),
        exact=lambda x: np.where(x < 0, (x - 1) / 2, (x + 1) / 2),
        tags=tags("linear scalar piecewise jump"),
        note="Chebfun's test_jumps_manual",
    )


def point_load() -> Problem:
    # Green's function of -u'' at s, with u(0) = u(1) = 0
    s = 0.3
    return Problem(
        "point_load",
        lambda x, u: u.diff(2),
        (0, 1),
        lbc=0,
        rbc=0,
        bc=lambda x, u: [u.jump(s), u.diff().jump(s) + 1],
        breakpoints=(s,),
        exact=lambda x: np.where(x < s, x * (1 - s), s * (1 - x)),
        tags=tags("linear scalar piecewise jump"),
    )


def narrow_pulse() -> Problem:
    # u' = 1 on (0.5, 0.502), else 0: easy to step over. As u' = f, u(0) = 0.
    a, b = 0.5, 0.502
    return Problem(
        "narrow_pulse",
        lambda x, u: u.diff(),
        (0, 1),
        lbc=0,
        rhs=lambda x: np.where((x > a) & (x < b), 500.0, 0.0),
        breakpoints=(a, b),
        exact=lambda x: 500 * np.clip(x - a, 0, b - a),
        tags=tags("linear scalar piecewise ivp"),
        note="Chebfun's shortPulses",
    )


def _quiet_line(x: Array) -> Any:
    return np.vstack([(x + 1) / 2, np.full_like(x, 0.5)])
