"""Ways to a first guess where Newton's method finds none: deform the problem into one that the guess solves.

- The residual homotopy F(u) − (1 − s) F(u_0) = 0: the guess solves it at s = 0, the problem is s = 1.
- Growth of the interval: on a short one almost any guess converges (boundary layers on a half line, truncated).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .checks import rhs_values
from .mesh import Mesh, State
from .newton import newton
from .system import NonFinite, evaluate

TOL = 1e-5
SMALLEST_STEP = 1e-3
FIRST_LENGTH = 0.1


def by_residual(loop: Any, state: State) -> State | None:
    """Follow the residual homotopy from a guess; its end, or None if the path turns back."""
    problem, rhs, dtype = loop.problem, loop.rhs, state.W.dtype
    try:
        start = evaluate(problem, state, rhs, dtype)
    except NonFinite:
        return None
    x, m = state.mesh.x, len(problem.names)
    own = [np.broadcast_to(r, x.shape) for r in rhs_values(problem.rhs if rhs is None else rhs, x, m)]
    left = [r.ravel() for r in start.residual[:m]]

    def attempt(s: float, guess: State) -> tuple[State, int] | None:
        shifted = [r + (1.0 - s) * f for r, f in zip(own, left, strict=True)]
        out = newton(problem, guess, shifted, dtype, loop.slot, tol=TOL, max_iter=12)
        loop.iterations += len(out.records)
        return (out.evaluation.state, len(out.records)) if out.converged else None

    return _follow(loop, attempt, state, 0.0, 0.1)


def by_length(loop: Any, state: State) -> State | None:
    """Solve on a short interval from the left end and let it grow; conditions at the right end move along."""
    problem = loop.problem
    a, b = problem.domain
    if (
        problem._bc is not None
        or problem.breakpoints
        or problem.structure.scalars
        or problem.structure.functions
    ):
        return None  # conditions or terms that name points of their own cannot move
    window, dtype = copy.copy(problem), state.W.dtype

    def attempt(s: float, guess: State) -> tuple[State, int] | None:
        window.domain = (a, a + s * (b - a))
        stretched = _stretch(guess, window.domain)
        out = newton(window, stretched, loop.rhs, dtype, loop.slot, tol=TOL, max_iter=15)
        loop.iterations += len(out.records)
        return (out.evaluation.state, len(out.records)) if out.converged else None

    first = attempt(FIRST_LENGTH, state)
    return None if first is None else _follow(loop, attempt, first[0], FIRST_LENGTH, 0.05)


def _follow(loop: Any, attempt: Any, state: State, s: float, step: float) -> State | None:
    """Natural continuation in s up to 1: longer steps where Newton's method is quick, shorter ones where it fails."""
    while loop.iterations < loop.max_iter:
        target = min(1.0, s + step)
        found = attempt(target, state)
        if found is None:
            step *= 0.5
            if step < SMALLEST_STEP:
                return None
            continue
        state, iterations = found
        s = target
        if s >= 1.0:
            return state
        step *= 1.5 if iterations <= 5 else 1.0
    return None


def _stretch(state: State, domain: tuple[float, float]) -> State:
    """The same nodal values on another interval, derivatives scaled along."""
    mesh, (a, b) = state.mesh, domain
    factor = (b - a) / (mesh.t[-1] - mesh.t[0])
    new = Mesh(a + (mesh.t - mesh.t[0]) * factor, mesh.p, mesh.orders)
    Z, W = state.Z.copy(), state.W.copy()
    for j, d in enumerate(mesh.orders):
        for k in range(d):
            Z[:, mesh.zoff[j] + k] /= factor**k
        W[:, j] /= factor**d
    return State(new, Z, W, state.lam.copy())
