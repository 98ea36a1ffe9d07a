"""Rates of the frozen system: with coefficients as at one point, solutions behave like exp(rate x) there."""

from __future__ import annotations

from typing import Any

import numpy as np

from .problem import Problem

POINTS = 5
MAX_STATES = 12
WAVES = 40.0
"""Radians over the domain from which a problem counts as oscillating: some six wavelengths."""


def frozen_rates(lin: Any, orders: Any, at: int, least: float = 0.0) -> np.ndarray:
    """Eigenvalues of M in z' = M z at one point of a linearization; empty where none can exceed ``least``."""
    orders = np.asarray(orders)
    start = np.concatenate([[0], np.cumsum(orders)])
    m, D = orders.size, int(start[-1])
    L, C = np.zeros((m, m), complex), np.zeros((m, D), complex)
    for i, j, k, value in lin.entries:
        v = value if np.ndim(value) == 0 else value[at]
        if k == orders[j]:
            L[i, j] += v
        else:
            C[i, start[j] + k] += v
    nothing = np.empty(0, complex)
    if not (np.isfinite(L).all() and np.isfinite(C).all()):
        return nothing
    try:
        w = -np.linalg.solve(L, C)
    except np.linalg.LinAlgError:
        return nothing
    M = np.zeros((D, D), complex)
    for j, d in enumerate(orders):
        for k in range(d):
            if k + 1 < d:
                M[start[j] + k, start[j] + k + 1] = 1.0
            else:
                M[start[j] + k] = w[j]
    return np.linalg.eigvals(M) if least < np.linalg.norm(M) < np.inf else nothing


def oscillates(problem: Problem, rhs: Any) -> bool:
    """Whether solutions of a linear problem have many waves: where one polynomial of high degree beats a mesh."""
    s = problem.structure
    if not s.linear or s.functions or s.p or problem.breakpoints or not 0 < sum(s.orders) <= MAX_STATES:
        return False
    a, b = problem.domain
    x = a + (b - a) * (np.arange(POINTS) + 0.5) / POINTS
    with np.errstate(all="ignore"):
        lin = problem.trace(x, lambda j, k: 0.0, [], rhs)
    least = WAVES / (b - a)
    if len(s.orders) == 1 and not may_reach(lin, s.orders[0], least):
        return False
    fastest = [np.abs(frozen_rates(lin, s.orders, i, least).imag).max(initial=0.0) for i in range(POINTS)]
    return bool(np.mean(fastest) > least)


def may_reach(lin: Any, order: int, least: float) -> bool:
    """Whether a root of a_d r^d + … + a_0 can be as large as ``least`` anywhere (Fujiwara's bound), at little cost."""
    sizes = np.zeros((order + 1, lin.x.size))
    for *_, k, value in lin.entries:
        sizes[k] = np.abs(value)
    with np.errstate(all="ignore"):
        bounds = [(sizes[k] / sizes[order]) ** (1.0 / (order - k)) for k in range(order)]
    return not np.max(bounds) < 0.5 * least
