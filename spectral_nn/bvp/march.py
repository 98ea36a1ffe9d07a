"""Initial value problems posed as boundary value problems: a first guess by marching from the end that holds all conditions.

Newton's method on the whole interval fails where neighbouring solutions part exponentially (Lorenz). Window by window it
does not; the marched solution is only a guess, the equations are then solved on the whole interval and certified as ever.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .conditions import Condition
from .mesh import Mesh, State
from .newton import newton
from .problem import Problem
from .resolve import residuals

WINDOW = 1.0 / 64.0
SMALLEST = 1e-6
TOL = 1e-6


def is_initial_value_problem(problem: Problem, conditions: list[Condition]) -> bool:
    """Whether every condition sits at the left end, there are no scalar unknowns, and nothing is nonlocal."""
    a = problem.domain[0]
    return (
        problem.structure.p == 0
        and not problem.structure.nonlocal_terms
        and not problem.consistent
        and all(not c.integrals and all(x0 == a for x0, *_ in c.points) for c in conditions)
    )


def march(loop: Any, state: State) -> State | None:
    """Solve window after window; the windows become the elements of the state returned, or None if it fails.

    ``state`` is a guess on any mesh, used in the first window; later ones start from constants.
    """
    problem, rhs = loop.problem, loop.rhs
    a, b = problem.domain
    orders, p, dtype = problem.structure.orders, state.mesh.p, state.W.dtype
    window = copy.copy(problem)
    parts: list[State] = []
    t, h, start = a, WINDOW * (b - a), None
    while t < b:
        if loop.iterations >= loop.max_iter:
            return None
        end = t + h if b - t > 1.1 * h else b
        mesh = Mesh(np.array([t, end]), p, orders)
        guess = State.zeros(mesh, 0, dtype)
        if start is None:
            guess = state.to_mesh(mesh)
            window.conditions = problem.conditions  # type: ignore[method-assign]
        else:
            guess.Z[:] = start
            window.conditions = _fixed(start, t, mesh)  # type: ignore[method-assign]
        window.domain = (t, end)
        out = newton(window, guess, rhs, dtype, loop.slot, tol=1e-8, max_iter=20)
        loop.iterations += len(out.records)
        good = out.converged and residuals(out.evaluation, rhs).worst < TOL
        if good:
            part = out.evaluation.state
            parts.append(part)
            t, start = end, part.Z[-1]
            h *= 1.5 if len(out.records) <= 6 else 1.0
        else:
            h *= 0.5
            if h < SMALLEST * (b - a):
                return None
    whole = Mesh(np.array([*(s.mesh.t[0] for s in parts), b]), p, orders)
    return State(
        whole,
        np.concatenate([*(s.Z[:1] for s in parts), parts[-1].Z[-1:]]),
        np.concatenate([s.W for s in parts]),
        np.zeros(0, dtype),
    )


def _fixed(start: np.ndarray, t: float, mesh: Mesh) -> Any:
    """Conditions that fix the whole state at the left end of a window."""
    slots = [(j, k, mesh.zoff[j] + k) for j in range(mesh.m) for k in range(mesh.orders[j])]

    def conditions(around: Any, discover: bool = False) -> list[Condition]:
        return [
            Condition(around.at(j, k, t) - start[i], "start", True, [(t, j, k, 1.0)]) for j, k, i in slots
        ]

    return conditions
