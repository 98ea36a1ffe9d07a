"""`method="collocation"`: Newton's method on dense collocation matrices of doubling size.

This is the path of learned linear solvers: they see the matrices that they were trained on, of the sizes in
their traits. The answer is carried over to a mesh of one element, where the same certificate judges it as
every other.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from math import factorial
from typing import Any

import numpy as np

from ..chebyshev.matrices import integration
from ..linear.interface import LinearSystem
from ..linear.registry import resolve
from .adapt import REASONS, AdaptiveLoop, finish
from .collocation import GridSpace, linear_system
from .condition import amplification
from .guess import initial_state
from .mesh import Mesh, State
from .newton import STOPPED, NewtonOutcome, NewtonRecord, stops
from .problem import Problem
from .resolve import residuals
from .result import BVPResult, Status
from .slot import Record, Slot
from .system import NonFinite, assemble, evaluate

# : Grids tried one after the other; a solver with sizes of its own takes those of them that it knows, or its
# own.
GRIDS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
#: Every second one is enough where there is a choice.
USUAL = (16, 32, 64, 128, 256, 512, 1024)
SMALLEST_DAMPING = 1e-4
#: Newton's tolerance relative to the solution: quadratic convergence makes the last step far smaller.
STEP_TOL = 1e-9
#: Condition of the leading coefficients up to which the highest derivatives are taken from the equations.
REGULAR = 1e6
#: Backward error asked of the linear solver, row by row: 1e-11 of a row of size n^4 is no small residual.
LINEAR_TOL = 1e-14
#: Two doublings without progress mean rounding: differentiation matrices lose digits as n grows.
STALLED = 2
#: Most points where there is a mesh to go on with: dense matrices beyond cost more than that.
LARGEST_BRIEF = 256
#: Corrections in all that a rough solver may need there.
BRIEF_CORRECTIONS = 120


def solve_collocation(
    problem: Problem,
    *,
    rhs: Any,
    guess: Any,
    tol: float,
    bc_tol: float,
    solver: Any,
    max_iter: int,
    max_n: int,
    damping: bool,
    callback: Callable | None,
    start: float,
    brief: bool = False,
    record: Record | None = None,
) -> BVPResult | None:
    """Solve on one grid after the other until the residual between the nodes is within tol.

    `brief` is for a caller who can go on with a mesh: only grids of sizes that the solver takes, until one of them has to
    be solved by another one, or answers take too many corrections; None where it refuses the first grid (why is in the
    record).
    """
    if problem.breakpoints:
        raise ValueError(
            "method: 'collocation' works on one interval and cannot hold break points, "
            f"got {problem.breakpoints}; use method='mesh'"
        )
    grids = _grids(problem, solver, max_n, brief)
    if not grids:
        return None
    dense = resolve("lu") if solver.name in ("auto", "block") else solver
    slot = Slot(dense, LINEAR_TOL, record)
    loop = AdaptiveLoop(problem, rhs, tol, slot, max_iter, max_n, damping, callback)
    newton = _Newton(loop, slot, brief)
    status, best = Status.NOT_RESOLVED, np.inf
    mesh = Mesh(np.array(problem.domain), 16, problem.structure.orders)
    state, stalled, n = initial_state(problem, guess, mesh), 0, 0
    functions, scalars = [state.series(j) for j in range(mesh.m)], state.lam
    for n in grids:
        space, before = GridSpace(problem, n), slot.record.fell_back
        values = space.gather(functions, scalars)
        reason, vector = newton.run(space, None if problem.linear else values)
        if reason == "refused":
            return None
        if reason != "converged":
            status = REASONS[reason]
            break
        functions, scalars = space.split(vector)
        evs = [evaluate(problem, s, rhs, s.W.dtype) for s in _on_mesh(problem, space, vector, rhs)]
        judged = [(residuals(e, rhs), e) for e in evs]
        loop.residual, ev = min(judged, key=lambda pair: pair[0].worst)
        loop.outcome, worst = NewtonOutcome(ev, True, "converged"), loop.residual.worst
        if worst <= tol:
            status = Status.SOLVED
            break
        stalled = stalled + 1 if worst > 0.5 * best else 0
        best = min(best, worst)
        if stalled >= STALLED and best < 1e-4:
            status = Status.ROUNDING
            break
        if newton.stopped or newton.slow or (brief and slot.record.fell_back > before):
            break
    if loop.outcome is None:
        return _failed(problem, status, state, loop, start, n, newton.stopped)
    loop.outcome.message = loop.outcome.message or newton.stopped
    if loop.outcome.evaluation is not None:
        step = assemble(loop.outcome.evaluation)
        # The certificate does not depend on the solver that is being judged.
        loop.outcome.kept = (step, Slot(resolve("auto")).factor(step.A))
        loop.amplified = amplification(loop.outcome, loop.residual)
    result = finish(problem, status, loop, bc_tol, start)
    return dataclasses.replace(result, method="collocation", n=n, time=time.perf_counter() - start)


class _Newton:
    """Error-oriented damped Newton's method (Deuflhard 2004, NLEQ-ERR) on vectors of grid values."""

    def __init__(self, loop: AdaptiveLoop, slot: Slot, picky: bool):
        self.loop, self.slot, self.picky = loop, slot, picky
        self.problem, self.rhs = loop.problem, loop.rhs
        self.stopped = ""

    @property
    def slow(self) -> bool:
        """Whether picky patience is at its end."""
        return self.picky and self.slot.record.refined > BRIEF_CORRECTIONS

    def run(self, space: GridSpace, x: np.ndarray | None) -> tuple[str, np.ndarray]:
        """From grid values (None: zero, for linear problems) to ("converged", grid values) or (reason, …)."""
        loop = self.loop
        try:
            A, b = self._system(space, x)
        except NonFinite as error:
            loop.outcome = NewtonOutcome(None, False, "nonfinite", str(error))  # type: ignore[arg-type]
            return "nonfinite", np.full(space.size, np.nan)
        if x is None:
            x = np.zeros(space.size, A.dtype)
        factor = 1.0
        while loop.iterations < loop.max_iter:
            factors = self.slot.factor(LinearSystem(A, meta=space.meta()))
            if self.picky and factors.refused:
                factors.give_up()
                return "refused", x
            step, ok = factors.solve(b)
            if not ok:
                return "singular", x
            loop.iterations += 1
            scale = _scale(x, step, space)
            size = _norm(step, scale, space)
            if self.problem.linear or size <= STEP_TOL:
                self._record(size, 1.0, 0.0, space)
                return "converged", x + step
            factor = min(1.0, 4.0 * factor) if loop.damping else 1.0
            while True:
                if factor < SMALLEST_DAMPING:
                    return "diverged", x
                try:
                    A_trial, b_trial = self._system(space, x + factor * step)
                except NonFinite:
                    factor *= 0.25
                    continue
                correction, _ = factors.solve(b_trial)
                contraction = _norm(correction, scale, space) / size
                if not loop.damping or contraction < 1.0 - factor / 4.0:
                    break
                gap = _norm(correction - (1.0 - factor) * step, scale, space)
                factor = min(0.5 * size * factor**2 / gap, 0.5 * factor)
            x, A, b = x + factor * step, A_trial, b_trial
            self._record(size, factor, contraction, space)
            if self.stopped or self.slow:
                break
        return "iterations", x

    def _system(self, space: GridSpace, x: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            A, b = linear_system(self.problem, space, x, self.rhs)
        if A.ndim > 2:
            raise ValueError(f"op: solve takes one problem at a time, got a batch of shape {A.shape[:-2]}; "
                             "use BVP.discretize")  # fmt: skip
        if not (np.isfinite(A).all() and np.isfinite(b).all()):
            row = int(np.argmin(np.isfinite(A).all(axis=1) & np.isfinite(b)))
            raise NonFinite(f"a coefficient or residual is not finite in {space.describe(row)}")
        return A, b

    def _record(self, size: float, factor: float, contraction: float, space: GridSpace) -> None:
        record = NewtonRecord(self.loop.iterations, size, factor, contraction, max(space.sizes))
        self.loop.records.append(record)
        if self.loop.callback is not None and stops(self.loop.callback, record):
            self.stopped = STOPPED


def _grids(problem: Problem, solver: Any, max_n: int, brief: bool) -> list[int]:
    """Numbers of points to try: usual ones, or those that make matrices of a size the solver takes (brief: only those)."""
    traits = solver.traits
    probe = GridSpace(problem, 64)
    m = len(probe.kept)
    surplus = 64 * m - probe.size
    if traits.sizes is not None:
        fitting = [(size + surplus) // m for size in traits.sizes if (size + surplus) % m == 0]
        fitting = [n for n in fitting if 8 <= n <= max_n]
        if brief:
            return sorted([n for n in fitting if n in GRIDS and n <= LARGEST_BRIEF] or fitting[-4:])
        fitting = fitting or [64]
        known = sorted([n for n in fitting if n in GRIDS] or fitting[-4:])
        # Where those do not resolve the solution, larger grids do, by the solver that the slot falls back on.
        return known + [n for n in USUAL if known[-1] < n <= max_n]
    usual = LARGEST_BRIEF if brief else USUAL[-1]
    largest = min(max_n, usual, ((traits.max_size or 10**9) + surplus) // m)
    return [n for n in USUAL if n <= largest] or [max(largest, probe.highest + 2)]


def _scale(x: np.ndarray, step: np.ndarray, space: GridSpace) -> np.ndarray:
    """Size of the unknown that each entry belongs to, against which steps are measured: (N,)."""
    both = np.maximum(np.abs(x), np.abs(step))
    out = np.maximum(both, 1e-300)
    ends = list(zip(space.starts[:-1], space.starts[1:], strict=True))
    sizes = [both[a:b].max() for a, b in ends]
    floor = max(1e-4 * max(sizes, default=0.0), 1e-300)
    for size, (a, b) in zip(sizes, ends, strict=True):
        out[a:b] = max(size, floor)
    return out


def _norm(step: np.ndarray, scale: np.ndarray, space: GridSpace) -> float:
    """The largest root mean square of the change of an unknown, relative to its size."""
    relative = np.abs(step) / scale
    ends = zip(space.starts[:-1], space.starts[1:], strict=True)
    parts = [np.sqrt(np.mean(relative[a:b] ** 2)) for a, b in ends]
    return float(max([*parts, *relative[space.starts[-1] :]], default=0.0))


def _on_mesh(problem: Problem, space: GridSpace, vector: np.ndarray, rhs: Any) -> list[State]:
    """Grid values as a state on one element, in one way or two.

    Differentiating values loses digits like n^(2d). So, where the equations determine the highest
    derivatives, those of the solution follow from the lower ones, and the state at the left end is the one
    that fits the values best. In layers the other way is the better one: the residual will tell.
    """
    mesh = Mesh(np.array(space.domain), max(space.sizes), problem.structure.orders)
    state = State.zeros(mesh, space.n_scalars, vector.dtype)
    functions, state.lam[:] = space.split(vector)
    for j, (d, series) in enumerate(zip(mesh.orders, functions, strict=True)):
        state.W[0, j] = series(mesh.x, int(d))
        _fit_states(state, j, space.grid_of(j), series(space.grid_of(j)))
    ev = evaluate(problem, state, rhs, vector.dtype)
    leading = np.zeros((mesh.p, mesh.m, mesh.m), vector.dtype)
    for i, j, k, coefficient in zip(*ev.index, ev.coef[:, 0], strict=True):
        if k == mesh.orders[j]:
            leading[:, i, j] += coefficient
    with np.errstate(all="ignore"):
        regular = np.linalg.cond(leading) < REGULAR
    if not regular.all():
        return [state]
    change = np.linalg.solve(leading, ev.residual[:, 0].T[:, :, None])[:, :, 0].T
    other = State(mesh, state.Z.copy(), state.W - change, state.lam)
    for j, series in enumerate(functions):
        _fit_states(other, j, space.grid_of(j), series(space.grid_of(j)))
    return [other, state]


def _fit_states(state: State, j: int, x: np.ndarray, values: np.ndarray) -> None:
    """States of unknown j at both ends: those that go with its highest derivative and its values at x."""
    mesh = state.mesh
    d, first, h = int(mesh.orders[j]), mesh.zoff[j], mesh.half[0]
    if d == 0:
        return
    xi = np.clip((x - mesh.t[0]) / h - 1.0, -1.0, 1.0)
    rest = values - h**d * (integration(mesh.p, 1, d, xi) @ state.W[0, j])
    powers = (xi[:, None] + 1.0) ** np.arange(d)
    fitted = np.linalg.lstsq(powers, rest, rcond=None)[0]
    for k in range(d):
        state.Z[0, first + k] = fitted[k] * factorial(k) / h**k
    for k in range(d):
        row = mesh.row(j, k, mesh.t[-1], 0)[1]
        state.Z[1, first + k] = row[: mesh.D] @ state.Z[0] + row[mesh.D :] @ state.W[0].ravel()


def _failed(
    problem: Problem,
    status: Status,
    state: State,
    loop: AdaptiveLoop,
    start: float,
    n: int,
    message: str,
) -> BVPResult:
    """Newton's method did not converge on the first grid: the guess comes back, marked as a failure."""
    try:
        ev = evaluate(problem, state, loop.rhs, state.W.dtype)
        loop.residual = residuals(ev, loop.rhs)
        loop.outcome = NewtonOutcome(ev, False, "iterations", message)
    except NonFinite as error:
        loop.outcome = NewtonOutcome(None, False, "nonfinite", str(error))  # type: ignore[arg-type]
    loop.amplified.condition = np.inf
    result = finish(problem, status, loop, np.inf, start)
    return dataclasses.replace(result, method="collocation", n=n)
