"""Linear problems with smooth coefficients in O(n): the ultraspherical spectral method with adaptive QR.

For ``sum_k a_k(x) u^(k)(x) = f(x)`` the unknowns are Chebyshev coefficients of u and the equation is written
in coefficients of C^(N), N the order.  The matrix is banded, as wide as the coefficients a_k have terms,
below one dense row per condition.  QR goes down the infinite matrix and stops at the first n where what is
left of the right-hand side is below the tolerance: that n is enough, and nothing was factored twice.

Source: Olver & Townsend, A fast and well-conditioned spectral method, SIAM Review 55 (2013).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..chebyshev import ChebSeries
from ..chebyshev.grid import Array
from ..linear.almost_banded import LARGEST_GROWTH, AlmostBanded
from ..linear.interface import LinearSystem
from .ultraspherical_march import March, row_factors, row_weights
from .ultraspherical_operator import UltrasphericalOperator, as_conditions

EPS = float(np.finfo(float).eps)
# The independent check: backward error of the infinite system, and residual of the equation between the
# points.
LARGEST_BACKWARD_ERROR = 1e-12
LARGEST_RESIDUAL = 1e-8
# Trailing coefficients below this, relative to the largest, are dropped.
NEGLIGIBLE = 1e-30
# Points of that residual: this many times coefficients, within bounds.
CHECK_WORK, CHECK_POINTS = 10_000, (8, 40)


@dataclass(frozen=True, slots=True)
class UltrasphericalInfo:
    """How a solve ended.

    Attributes
    ----------
    success : bool
    message : str
        A sentence; what to try if it did not succeed.
    n : int
        Coefficients per unknown that were solved for, before trailing ones were dropped.
    bandwidth : (int, int)
        Diagonals below and above the main one, the dense rows' shift included.
    backward_error : float
        Residual over the sizes of its terms, 2-norms over the coefficients of the equations and the
        conditions; from the operator applied anew, without the matrix that was factored.
    residual : float
        Largest ``|sum a_k u^(k) - f| / max(sum |a_k u^(k)| + |f|)`` at random points, from what was given.
    bc_residual : float
        Largest misfit of a condition relative to the sum of the sizes of its terms and its value.
    time : float
        Seconds.
    """

    success: bool
    message: str
    n: int
    bandwidth: tuple[int, int]
    backward_error: float
    residual: float
    bc_residual: float
    time: float

    def __repr__(self) -> str:
        width = max(len(f.name) for f in fields(self))
        rows = ((f.name, getattr(self, f.name)) for f in fields(self))
        return "\n".join(
            f"{name.rjust(width)}: {value:.3g}"
            if isinstance(value, float)
            else f"{name.rjust(width)}: {value}"
            for name, value in rows
        )


def solve_ultraspherical(
    coefs: Sequence[Any],
    rhs: Any,
    conditions: Sequence[Any],
    domain: tuple[float, float] = (-1.0, 1.0),
    *,
    tol: float = 1e-15,
    n_max: int = 2**20,
) -> tuple[Any, UltrasphericalInfo]:
    """Solve a linear boundary value problem with smooth coefficients, with as many coefficients as it takes.

    Parameters
    ----------
    coefs : sequence
        ``[a_0, a_1, …, a_N]``; each a number, a callable of an array of points, a `ChebSeries` of one piece,
        or an ndarray of Chebyshev coefficients on the domain.  For a system ``coefs[e][v]`` is such a
        sequence (or None) for unknown v in equation e.
    rhs : number, callable, ChebSeries or ndarray of Chebyshev coefficients; a list of those for a system
    conditions : sequence
        N of them (for a system as many as the orders of its equations in sum): `Condition` objects, or pairs
        ``(terms, value)`` where terms is a list of ``(point, derivative, weight)``, in a system
        ``(point, derivative, weight, unknown)``.
    domain : (float, float)
    tol : float
        What may be left of the right-hand side, relative to the whole, as a residual inside the interval:
        rows of the matrix are scaled to size 1, and row i counts i^N times.
    n_max : int
        Largest number of coefficients per unknown.

    Returns
    -------
    u : ChebSeries, or a list of them for a system
    info : UltrasphericalInfo

    Raises
    ------
    ValueError
        For a wrong number of conditions, a coefficient that is not finite or not resolved, a point outside.

    Examples
    --------
    Airy's equation with a boundary layer, ``1e-6 u'' - x u = 0``, u(-1) = 1, u(1) = 0:

    >>> from spectral_nn.bvp.ultraspherical import solve_ultraspherical
    >>> u, info = solve_ultraspherical(
    ...     [lambda x: -x, 0, 1e-6], 0, [([(-1, 0, 1)], 1), ([(1, 0, 1)], 0)]
    ... )
    >>> bool(info.success and abs(u(-1) - 1) < 1e-12)
    True
    """
    start = time.perf_counter()
    operator = UltrasphericalOperator(coefs, domain)
    conditions = as_conditions(conditions, operator)
    b = operator.right_side(conditions, rhs)
    march = March(operator, conditions, b)
    n = march.run(tol, n_max)
    x = march.solve(n)
    u = _series(x, operator)
    growth, backward_error, bc_residual, residual = march.growth(n), np.inf, np.inf, np.inf
    if np.isfinite(x).all():
        backward_error, bc_residual = march.check(x)
        residual = operator.pointwise_residual(u, rhs, int(np.clip(CHECK_WORK // x.size, *CHECK_POINTS)))
    success, message = _judge(march.converged, growth, backward_error, residual, n, tol)
    info = UltrasphericalInfo(
        success=success,
        message=message,
        n=n // operator.size,
        bandwidth=(march.lower, march.upper),
        backward_error=backward_error,
        residual=residual,
        bc_residual=bc_residual,
        time=time.perf_counter() - start,
    )
    return (u[0] if operator.is_scalar else u), info


def discretize_ultraspherical(
    coefs: Sequence[Any],
    rhs: Any,
    conditions: Sequence[Any],
    n: int,
    domain: tuple[float, float] = (-1.0, 1.0),
) -> LinearSystem:
    """The linear system of n Chebyshev coefficients per unknown, for any solver of the slot.

    Parameters as in `solve_ultraspherical`.  The matrix is an `AlmostBanded` of size n times the number of
    unknowns, unknowns interleaved; rows are scaled.

    Examples
    --------
    >>> from spectral_nn.bvp.ultraspherical import discretize_ultraspherical
    >>> system = discretize_ultraspherical([0, 0, 1], 2, [([(-1, 0, 1)], 0), ([(1, 0, 1)], 0)], 4)
    >>> system.solve("almost_banded").x.round(12) + 0.0  # u = x^2 - 1 = -T_0 / 2 + T_2 / 2
    array([-0.5,  0. ,  0.5,  0. ])
    """
    operator = UltrasphericalOperator(coefs, domain)
    checked = as_conditions(conditions, operator)
    size = n * operator.size
    dense = len(checked)
    if n < 1 or size < dense:
        raise ValueError(f"n must be at least {-(-dense // operator.size)} for {dense} conditions; got {n}")
    b = np.zeros(size, operator.dtype)
    values = operator.right_side(checked, rhs)
    b[: min(size, values.size)] = values[:size]
    blocks = -(-(size - dense) // operator.size)
    top = operator.condition_rows(checked, 0, size)
    factors = row_factors(top)
    top *= factors[:, None]
    b[:dense] *= factors
    weight = row_weights(top, 1.0)[dense:]
    band, scale = operator.rows(0, max(blocks, 1))
    band = band[: size - dense] * weight[:, None]
    b[dense:] *= scale[: size - dense] * weight
    meta = {
        "domain": operator.domain,
        "boundary_rows": np.arange(dense),
        "equation_order": max(operator.orders),
    }
    return LinearSystem(AlmostBanded(top, band, operator.lower + dense), b, meta)


def _series(x: Array, operator: UltrasphericalOperator) -> list[ChebSeries]:
    """One series per unknown, trailing coefficients below rounding dropped."""
    out = []
    for v in range(operator.size):
        c = x[v :: operator.size]
        # the tail is right far below rounding of u, and derivatives live on it
        above = np.flatnonzero(~(np.abs(c) <= NEGLIGIBLE * np.abs(c).max(initial=0.0)))
        out.append(ChebSeries(operator.domain, [c[: above[-1] + 1] if above.size else np.zeros(1, c.dtype)]))
    return out


def _judge(
    converged: bool, growth: float, backward_error: float, residual: float, n: int, tol: float
) -> tuple[bool, str]:
    if not np.isfinite(growth) or growth >= LARGEST_GROWTH:
        return False, (
            f"The problem is singular to working precision (growth {growth:.1e}): "
            "a condition is missing or stated twice, or there is an eigenvalue at 0; change the conditions."
        )
    if not converged:
        return False, f"Not resolved by {n} unknowns; raise n_max, or use method='mesh' for layers and kinks."
    if not backward_error <= max(LARGEST_BACKWARD_ERROR, 10 * tol):
        return (
            False,
            f"The linear system was solved to a backward error of {backward_error:.1e} only; scale it.",
        )
    if not residual <= LARGEST_RESIDUAL + 1e3 * EPS * n:
        return False, (
            f"The residual between the points is {residual:.1e}: a coefficient or the right-hand side is not "
            "resolved by its Chebyshev series; use method='mesh' with breakpoints."
        )
    return True, "Resolved: what is left of the right-hand side is below tol, and the residual agrees."
