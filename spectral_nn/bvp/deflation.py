"""Deflation: find further solutions of a nonlinear problem by making Newton's method run away from the known ones.

P. E. Farrell, Á. Birkisson, S. W. Funke, "Deflation techniques for finding distinct solutions of nonlinear partial
differential equations", SIAM J. Sci. Comput. 37 (2015): the residual is multiplied by m(u) = Π_i (‖u − u_i‖^−p + σ).
Its Newton step is the plain one times 1 / (1 − m'(u)δ / m(u)), so only a factor has to be computed; damping is that of the
deflated problem.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..linear.registry import resolve
from .adapt import BOLD, REASONS, AdaptiveLoop, Slot, finish, first_mesh
from .guess import initial_state
from .mesh import State
from .newton import newton
from .problem import Problem
from .result import BVPResult, Status

ELEMENTS = 12
POLISH = 60
"""Plain Newton iterations after the deflated ones have come close to a solution."""
LONGEST = 20.0
"""A deflated step is cut to this many times the plain step: next to a known solution the factor is singular."""
PAIRS = ((2.0, 0.1), (2.0, 0.0), (3.0, 0.1), (1.0, 0.1), (2.0, 1.0))
"""Powers and shifts tried, in this order: a shift keeps far away solutions findable, none of it pushes harder."""
SAME = 1e-6
"""Solutions closer than this, relative to their size, are one."""


def deflate(
    problem: Problem,
    known: Sequence[BVPResult],
    guess: Any = None,
    *,
    rhs: Any = None,
    power: float | None = None,
    shift: float | None = None,
    max_iter: int = 100,
    tol: float = 1e-10,
    linear_solver: Any = "auto",
    max_n: int = 200_000,
) -> BVPResult:
    """Look for a solution of a nonlinear problem other than the known ones.

    Parameters
    ----------
    problem : Problem
    known : sequence of BVPResult
        Solutions to stay away from.
    guess : optional
        Where to start; default the guess that meets the linear conditions.
    rhs : optional
        As for `BVP.solve`.
    power, shift : float, optional
        p and σ of the deflation m(u) = Π (‖u − u_i‖^−p + σ), L2 norms. Default: a few pairs are tried, (2, 0.1) first.
    max_iter : int
        Deflated Newton steps before giving up.
    tol, linear_solver, max_n
        As for `spectral_nn.solve_bvp`.

    Returns
    -------
    BVPResult
        With ``success=False`` where nothing new was found.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import BVP, deflate
    >>> bratu = BVP(lambda x, u: u.diff(2) + np.exp(u), (0, 1), lbc=0, rbc=0)
    >>> lower = bratu.solve()
    >>> upper = deflate(bratu, [lower], guess=lambda x: 4*x*(1 - x))
    >>> upper.success, round(float(upper(0.5)), 6)
    (True, 4.091467)
    """
    if problem.linear:
        raise ValueError(
            "problem: a linear problem has no further isolated solutions; expected a nonlinear one"
        )
    if not all(isinstance(r, BVPResult) for r in known):
        raise TypeError(f"known: expected results of earlier solves (BVPResult), got {known!r:.60}")
    if not known:
        raise ValueError("known: expected at least one solution to stay away from, got none")
    start = time.perf_counter()
    loop = AdaptiveLoop(
        problem, problem.rhs if rhs is None else rhs, tol, Slot(resolve(linear_solver)), 60, max_n, True, None
    )
    state = initial_state(problem, guess, first_mesh(problem, None, ELEMENTS))
    pairs = PAIRS if power is None and shift is None else (_pair(power, shift),)
    for p, sigma in pairs:
        deflation = Deflation(known, state, p, sigma)
        loop.forget()
        loop.outcome = out = newton(
            problem,
            state,
            loop.rhs,
            state.W.dtype,
            loop.slot,
            tol=1e-6,
            max_iter=max_iter,
            boldest=BOLD,
            deflation=deflation,
        )
        loop.iterations += len(out.records)
        loop.max_iter = loop.iterations + POLISH
        status = loop.run(out.evaluation.state, tight=True) if out.converged else REASONS[out.reason]
        found = _judge(finish(problem, status, loop, tol, start), known)
        if found.success:
            break
    return found


class Deflation:
    """The factor m(u) = Π_i (‖u − u_i‖^−p + σ), and what it does to Newton steps."""

    def __init__(self, known: Sequence[BVPResult], state: State, power: float, shift: float):
        self.old = [np.array([u(state.mesh.x) for u in r.u]) for r in known]
        self.power, self.shift = power, shift

    def step(self, state: State, step: State) -> State:
        """The deflated Newton step from the plain one: by Sherman and Morrison's formula a multiple of it."""
        slope = self._slope(state, step)
        factor = 1.0 / (1.0 - slope) if slope != 1.0 else LONGEST
        return step.plus(step, float(np.clip(factor, -LONGEST, LONGEST)) - 1.0)

    def correction(self, state: State, trial: State, step: State, correction: State) -> State:
        """The simplified correction of the deflated problem at a trial state, with the old matrix; `step` is deflated."""
        ratio = np.exp(self._log(trial) - self._log(state))
        moved = correction.plus(step, self._slope(state, correction))
        return moved.plus(moved, float(ratio) - 1.0)

    def _distances(self, state: State) -> list[tuple[np.ndarray, float]]:
        mesh, n = state.mesh, self.old[0].shape[0]
        u = state.fields()[mesh.slot[:n]]
        return [(u - v, max(float(np.sum(mesh.weights * np.abs(u - v) ** 2)), 1e-300)) for v in self.old]

    def _log(self, state: State) -> float:
        return sum(
            float(np.log(square ** (-self.power / 2) + self.shift)) for _, square in self._distances(state)
        )

    def _slope(self, state: State, direction: State) -> float:
        """m'(u)·direction / m(u)."""
        mesh, n, total = state.mesh, self.old[0].shape[0], 0.0
        du = direction.fields()[mesh.slot[:n]]
        for gap, square in self._distances(state):
            inner = float(np.real(np.sum(mesh.weights * np.conj(gap) * du)))
            total -= self.power * inner / (square * (1.0 + self.shift * square ** (self.power / 2)))
        return total


def _pair(power: float | None, shift: float | None) -> tuple[float, float]:
    p, sigma = PAIRS[0][0] if power is None else power, PAIRS[0][1] if shift is None else shift
    if not p > 0 or not sigma >= 0:
        raise ValueError(f"power, shift: expected power > 0 and shift >= 0, got {power!r} and {shift!r}")
    return p, sigma


def _judge(found: BVPResult, known: Sequence[BVPResult]) -> BVPResult:
    """Only a solution that differs from all known ones is a find."""
    if not found.success:
        return replace(
            found,
            message="Deflation found no further solution; give another guess=, or another power. "
            + found.message,
        )
    x = found._sample()
    for r in known:
        distance = max(
            np.abs(a(x) - b(x)).max() / (1.0 + np.abs(b(x)).max()) for a, b in zip(found.u, r.u, strict=True)
        )
        if distance < SAME:
            return replace(
                found,
                success=False,
                status=Status.NOT_CONVERGED,
                message="Deflation led back to a known solution; give another guess=, or a larger power.",
            )
    return found
