"""Linear problems of the Cash/Mazzia test set: T1-T18 and T35.

Definitions: J. R. Cash, "Boundary value problem test set" (PROBLEMS.PDF), as in the vignette of R's
bvpSolve and F. Mazzia & J. R. Cash, "A Fortran test set for boundary value problem solvers"
(AIP Conf. Proc. 1648, 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import cos, exp, expm1, pi, sin, sqrt
from scipy.special import dawsn, erf

from tests.zoo.problem import FirstOrder, Problem, second_order, tags

Array = np.ndarray


def linear_problems() -> list[Problem]:
    found = []
    for family, values in (
        (t1, (1e-2, 1e-4, 1e-6)),
        (t2, (1e-1, 1e-2, 1e-3)),
        (t3, (1e-1, 1e-2, 1e-4)),
        (t4, (1e-1, 1e-3, 1e-6)),
        (t5, (1e-1, 1e-2, 1e-3)),
        (t6, (1e-2, 1e-4, 1e-6)),
        (t7, (1e-1, 1e-2, 1e-4)),
        (t8, (1e-1, 1e-2, 1e-4)),
        (t9, (1e-1, 1e-2, 1e-4)),
        (t10, (1e-1, 1e-2, 1e-4)),
        (t11, (1e-1, 1e-3, 1e-5)),
        (t12, (1e-2, 1e-4, 1e-6)),
        (t13, (1e-2, 1e-4, 1e-6)),
        (t14, (1e-2, 1e-4, 1e-6)),
        (t15, (5e-3, 1e-4, 1e-6)),
        (t16, (1 / 11, 1 / 31, 1 / 101)),
        (t17, (1e-1, 1e-2, 1e-4, 1e-6)),
        (t18, (1e-1, 1e-2, 1e-4)),
        (t35, (1.0, 1e-1, 1e-2)),
    ):
        found += [family(eps) for eps in values]
    return found


def t1(e: float) -> Problem:
    s = sqrt(e)
    return _problem(
        "T1",
        e,
        lambda x, u: e * u.diff(2) - u,
        (0, 1),
        1,
        0,
        lambda x, u, d: u / e,
        lambda x: (exp(-x / s) - exp((x - 2) / s)) / -expm1(-2 / s),
        "layer",
    )


def t2(e: float) -> Problem:
    return _problem(
        "T2",
        e,
        lambda x, u: e * u.diff(2) - u.diff(),
        (0, 1),
        1,
        0,
        lambda x, u, d: d / e,
        lambda x: expm1((x - 1) / e) / expm1(-1 / e),
        "layer",
    )


def t3(e: float) -> Problem:
    def f(x: Array) -> Array:
        return -(1 + e * pi**2) * cos(pi * x) - (2 + cos(pi * x)) * pi * sin(pi * x)

    return _problem(
        "T3",
        e,
        lambda x, u: e * u.diff(2) + (2 + cos(pi * x)) * u.diff() - u - f(x),
        (-1, 1),
        -1,
        -1,
        lambda x, u, d: (f(x) + u - (2 + cos(pi * x)) * d) / e,
        lambda x: cos(pi * x),
        "smooth",
    )


def t4(e: float) -> Problem:
    return _problem(
        "T4",
        e,
        lambda x, u: e * u.diff(2) + u.diff() - (1 + e) * u,
        (-1, 1),
        1 + exp(-2),
        1 + exp(-2 * (1 + e) / e),
        lambda x, u, d: ((1 + e) * u - d) / e,
        lambda x: exp(x - 1) + exp(-(1 + e) * (1 + x) / e),
        "layer",
    )


def t5(e: float) -> Problem:
    def f(x: Array) -> Array:
        return -(1 + e * pi**2) * cos(pi * x) + pi * x * sin(pi * x)

    return _problem(
        "T5",
        e,
        lambda x, u: e * u.diff(2) - x * u.diff() - u - f(x),
        (-1, 1),
        -1,
        -1,
        lambda x, u, d: (f(x) + u + x * d) / e,
        lambda x: cos(pi * x),
        "smooth",
    )


def t6(e: float) -> Problem:
    def f(x: Array) -> Array:
        return -e * pi**2 * cos(pi * x) - pi * x * sin(pi * x)

    s = sqrt(2 * e)
    return _problem(
        "T6",
        e,
        lambda x, u: e * u.diff(2) + x * u.diff() - f(x),
        (-1, 1),
        -2,
        0,
        lambda x, u, d: (f(x) - x * d) / e,
        lambda x: cos(pi * x) + erf(x / s) / erf(1 / s),
        "layer interior",
    )


def t7(e: float) -> Problem:
    def f(x: Array) -> Array:
        return -(1 + e * pi**2) * cos(pi * x) - pi * x * sin(pi * x)

    s = sqrt(2 * e)

    def corner(x: Any) -> Any:
        return x * erf(x / s) + s / sqrt(pi) * exp(-(x**2) / (2 * e))

    return _problem(
        "T7",
        e,
        lambda x, u: e * u.diff(2) + x * u.diff() - u - f(x),
        (-1, 1),
        -1,
        1,
        lambda x, u, d: (f(x) + u - x * d) / e,
        lambda x: cos(pi * x) + x + corner(x) / corner(1.0),
        "layer interior",
    )


def t8(e: float) -> Problem:
    return _problem(
        "T8",
        e,
        lambda x, u: e * u.diff(2) + u.diff(),
        (0, 1),
        1,
        2,
        lambda x, u, d: -d / e,
        lambda x: 1 + expm1(-x / e) / expm1(-1 / e),
        "layer",
    )


def t9(e: float) -> Problem:
    return _problem(
        "T9",
        e,
        lambda x, u: (e + x**2) * u.diff(2) + 4 * x * u.diff() + 2 * u,
        (-1, 1),
        1 / (1 + e),
        1 / (1 + e),
        lambda x, u, d: -(4 * x * d + 2 * u) / (e + x**2),
        lambda x: 1 / (e + x**2),
        "layer interior",
    )


def t10(e: float) -> Problem:
    s = sqrt(2 * e)
    return _problem(
        "T10",
        e,
        lambda x, u: e * u.diff(2) + x * u.diff(),
        (-1, 1),
        0,
        2,
        lambda x, u, d: -x * d / e,
        lambda x: 1 + erf(x / s) / erf(1 / s),
        "layer interior",
    )


def t11(e: float) -> Problem:
    return _reaction("T11", e, -1, -1, lambda x: cos(pi * x), "smooth")


def t12(e: float) -> Problem:
    return _reaction("T12", e, -1, 0, lambda x: cos(pi * x) + _right(x, sqrt(e)), "layer")


def t13(e: float) -> Problem:
    return _reaction("T13", e, 0, -1, lambda x: cos(pi * x) + _right(-x, sqrt(e)), "layer")


def t14(e: float) -> Problem:
    s = sqrt(e)
    return _reaction("T14", e, 0, 0, lambda x: cos(pi * x) + _right(x, s) + _right(-x, s), "layer")


def t15(e: float) -> Problem:
    return _problem(
        "T15",
        e,
        lambda x, u: e * u.diff(2) - x * u,
        (-1, 1),
        1,
        1,
        lambda x, u, d: x * u / e,
        None,
        "oscillatory",
    )


def t16(e: float) -> Problem:
    problem = _problem(
        "T16",
        e,
        lambda x, u: e**2 * u.diff(2) + pi**2 / 4 * u,
        (0, 1),
        0,
        sin(pi / (2 * e)),
        lambda x, u, d: -(pi**2) / (4 * e**2) * u,
        lambda x: sin(pi * x / (2 * e)),
        "oscillatory",
    )
    return problem


def t17(e: float) -> Problem:
    # At eps = 0.01 the even solution (eps - x^2)/sqrt(eps + x^2) vanishes at both ends: a singular problem.
    end = 0.1 / sqrt(e + 0.01)
    return _problem(
        "T17",
        e,
        lambda x, u: u.diff(2) + 3 * e * u / (e + x**2) ** 2,
        (-0.1, 0.1),
        -end,
        end,
        lambda x, u, d: -3 * e * u / (e + x**2) ** 2,
        lambda x: x / sqrt(e + x**2),
        "layer interior" + (" ill_conditioned" if e == 0.01 else ""),
    )


def t18(e: float) -> Problem:
    return _problem(
        "T18",
        e,
        lambda x, u: e * u.diff(2) + u.diff(),
        (0, 1),
        1,
        exp(-1 / e),
        lambda x, u, d: -d / e,
        lambda x: exp(-x / e),
        "layer",
    )


def t35(e: float) -> Problem:
    # y = x/2 + (3/2) y2(x)/y2(1), y2 the even solution, by Dawson's integral. The operator has an eigenvalue
    # of the size exp(-1/(2 eps)), with the odd mode y = x: at eps = 0.01 no float64 method can be sure.
    z = sqrt(2 * e)

    def even(x: Any) -> Any:
        return exp((np.square(x) - 1) / (2 * e)) * (2 * x / z * dawsn(x / z) - 1)

    return _problem(
        "T35",
        e,
        lambda x, u: e * u.diff(2) - x * u.diff() + u,
        (-1, 1),
        1,
        2,
        lambda x, u, d: (x * d - u) / e,
        lambda x: x / 2 + 1.5 * even(x) / even(1.0),
        "layer" + (" ill_conditioned" if e < 0.03 else ""),
    )


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
) -> Problem:
    form: FirstOrder = second_order(f, domain, ua, ub)
    return Problem(
        f"{family}_{e:.4g}",
        op,
        domain,
        lbc=ua,
        rbc=ub,
        exact=exact,
        first_order=form,
        stored=exact is None,
        tags=tags("cash linear scalar " + words),
        note="Cash/Mazzia test set",
    )


def _reaction(
    family: str, e: float, ua: float, ub: float, exact: Callable[[Array], Array], words: str
) -> Problem:
    def f(x: Array) -> Array:
        return -(e * pi**2 + 1) * cos(pi * x)

    return _problem(
        family,
        e,
        lambda x, u: e * u.diff(2) - u - f(x),
        (-1, 1),
        ua,
        ub,
        lambda x, u, d: (u + f(x)) / e,
        exact,
        words,
    )


def _right(x: Array, s: float) -> Array:
    """sinh((1 + x)/s) / sinh(2/s) without overflow: the layer at x = 1."""
    return (exp((x - 1) / s) - exp(-(x + 3) / s)) / -expm1(-4 / s)
