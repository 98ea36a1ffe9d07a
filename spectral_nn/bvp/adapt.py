"""The adaptive loop on a mesh: Newton, residual between the nodes, refinement, until certified."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .breaks import find_break
from .condition import Amplification, amplification
from .conditions import Condition
from .guess import bumped, initial_state
from .homotopy import by_length, by_residual
from .layers import with_layers
from .march import is_initial_value_problem, march
from .mesh import Mesh, State
from .newton import SMALLEST_DAMPING, NewtonOutcome, newton
from .problem import Problem
from .resolve import Residuals, condition_residual, refine, residuals, scales
from .result import BVPResult, Status
from .scan import scan
from .slot import Record, Slot

NODES = ((10, 16), (30, 12), (10**9, 8))
"""Nodes of an element for up to so many unknowns. At 16 splitting an element and raising the degree cost about the same;
large systems do better with more and smaller blocks, whose factorization costs the cube of their size."""
FIRST_ELEMENTS = {True: 2, False: 4}
"""Elements to start with, by linearity: a nonlinear problem must be seen before it can be solved."""
LOOSE = 1e-4
"""Newton's tolerance on a mesh that does not resolve the solution yet."""
MAX_LEVELS = 120
SUSPECTS = 12
"""Elements that are searched for a break at a time."""
STALLED = 4
"""Levels without progress after which the reason is looked for: a break in a coefficient, or rounding."""
HOPELESS = 14
"""Levels without progress after which rounding is blamed: halving towards a layer takes many without any."""
AT_ROUNDING = 1e-13
"""Below this a residual that does not fall in two levels is rounding."""
SINGULAR = 1e13
LOOSE_UNTIL = 1e-2
"""Residual below which Newton's method is run to its end before a mesh is judged."""
DENSE_MAX_N = 2048
"""Points in all where distant points are coupled and systems are dense."""
AMPLE = 300.0
"""Where the estimated error is more than this many tol, the residual is pushed further down than tol."""
BEST = 5e-15
AMPLIFIED = 1e8
"""Condition from which Newton steps that stagnate are blamed on it."""
EPS = 2e-16
FINEST = 1e-13
"""Newton's tolerance is not set below what rounding allows."""
ATTEMPT = 60
"""Newton iterations after which another way is tried."""
ULP = 4e-16
RESCUE_ELEMENTS = 16
BOLD = 0.06
"""Damping that is not gone below in a rescue: steps that the monotonicity test forbids sometimes lead out of a trap."""
GIVEN_UP = (Status.NOT_CONVERGED, Status.ITERATION_LIMIT, Status.SINGULAR)
REASONS = {
    "singular": Status.SINGULAR,
    "diverged": Status.NOT_CONVERGED,
    "nonfinite": Status.NOT_FINITE,
    "iterations": Status.ITERATION_LIMIT,
}


def solve_mesh(
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
    rescue: bool = True,
    record: Record | None = None,
) -> BVPResult:
    """Solve on a mesh of elements that is refined until the residual between the nodes is within tol."""
    slot = Slot(solver, record=record)
    loop = AdaptiveLoop(problem, rhs, tol, slot, max_iter, max_n, damping, callback)
    mesh = first_mesh(problem, guess)
    state = initial_state(problem, guess, mesh)
    if not isinstance(guess, BVPResult):
        layered = with_layers(problem, state, rhs)
        if layered is not mesh:
            state = initial_state(problem, guess, layered) if problem.linear else state.to_mesh(layered)
    status = loop.run(state, tight=guess is not None)
    if status in GIVEN_UP and damping and rescue and not problem.linear:
        status = rescue_newton(loop, guess, status)
    return finish(problem, status, loop, bc_tol, start)


def rescue_newton(loop: AdaptiveLoop, guess: Any, status: Status) -> Status:
    """Newton's method failed: start again from elsewhere, or otherwise."""
    failed = loop.outcome
    conditions = failed.evaluation.conditions if failed is not None and failed.evaluation is not None else []
    state = initial_state(loop.problem, guess, first_mesh(loop.problem, guess, RESCUE_ELEMENTS))
    for start, options in _starts(loop, guess, state, conditions):
        if start is not None:
            again = loop.run(start, **options)
            if again not in GIVEN_UP:
                return again
        if loop.iterations >= loop.max_iter:
            break
    loop.outcome = failed or loop.outcome
    return status


def _starts(
    loop: AdaptiveLoop, guess: Any, state: State, conditions: list[Condition]
) -> Iterator[tuple[State | None, dict[str, Any]]]:
    """Where to start again, likeliest first: marching for initial values; bolder steps on a finer mesh, plain ones,
    other guesses if none was given, the ends of two homotopies."""
    initial_values = is_initial_value_problem(loop.problem, conditions)
    if initial_values:
        yield march(loop, state), {"tight": True}
    for boldest in (BOLD, SMALLEST_DAMPING):
        yield state, {"boldest": boldest}
    if guess is None:
        yield bumped(state, 1.0), {}
        yield bumped(state, -1.0), {}
    if not initial_values:
        yield by_residual(loop, state), {"tight": True}
        yield by_length(loop, state), {"tight": True}


def first_mesh(problem: Problem, guess: Any, elements: int = 0) -> Mesh:
    """Where to start: the mesh of an earlier result, or a few elements between the breakpoints."""
    a, b = problem.domain
    nodes = next(n for most, n in NODES if problem.structure.m <= most)
    if isinstance(guess, BVPResult) and guess.domain == problem.domain and guess.state is not None:
        t = np.unique(np.concatenate([guess.mesh, problem.breakpoints]))
        if guess.state.mesh.p > nodes:  # a result of collocation: one element of high degree
            pieces = int(np.ceil(2 * guess.state.mesh.p / nodes))
            t = np.unique([np.linspace(c, d, pieces + 1) for c, d in zip(t[:-1], t[1:], strict=True)])
        return Mesh(t, nodes, problem.structure.orders)
    ends = np.array([a, *problem.breakpoints, b])
    elements = elements or FIRST_ELEMENTS[problem.linear]
    count = np.maximum(1, np.round(elements * np.diff(ends) / (b - a))).astype(int)
    parts = [np.linspace(ends[i], ends[i + 1], n, endpoint=False) for i, n in enumerate(count)]
    return Mesh(np.concatenate([*parts, [b]]), nodes, problem.structure.orders)


class AdaptiveLoop:
    """Newton, residual, refinement, again; keeps what the certificate needs to know about the last state."""

    def __init__(
        self,
        problem: Problem,
        rhs: Any,
        tol: float,
        slot: Slot,
        max_iter: int,
        max_n: int,
        damping: bool,
        callback: Callable | None,
    ):
        self.problem, self.rhs, self.tol, self.slot = problem, rhs, tol, slot
        self.max_iter, self.max_n, self.damping, self.callback = max_iter, max_n, damping, callback
        self.iterations = 0
        self.scan = not problem.structure.nonlocal_terms
        if problem.structure.nonlocal_terms:
            self.max_n = min(max_n, DENSE_MAX_N)
        self.records: list = []
        self.forget()

    def forget(self) -> None:
        self.outcome: NewtonOutcome | None = None
        self.residual: Residuals | None = None
        self.floor: Any = 0.0
        self.amplified = Amplification()
        self.worst: list[float] = []
        self.breaks: list[float] = []

    def run(self, state: State, tight: bool = False, boldest: float = SMALLEST_DAMPING) -> Status:
        """Refine until the residual is within tol; returns why it ended."""
        problem, dtype, before = self.problem, state.W.dtype, self.outcome
        self.forget()
        target, first, again = self.tol, self.iterations, None
        for _ in range(MAX_LEVELS):
            accuracy = max(min(1e-2 * self.tol, 1e-10), FINEST) if tight else LOOSE
            left = min(self.max_iter - self.iterations, ATTEMPT - (self.iterations - first))
            if left <= 0 and not problem.linear:
                self.outcome = self.outcome or before
                return Status.ITERATION_LIMIT
            out = newton(
                problem,
                state,
                self.rhs,
                dtype,
                self.slot,
                tol=accuracy,
                max_iter=max(1, left),
                damping=self.damping,
                boldest=boldest,
                callback=self.callback,
                done=self.iterations,
                start=again,
            )
            again = None
            self.iterations += len(out.records)
            self.records += out.records
            if out.evaluation is not None or self.outcome is None:
                self.outcome = out
            if not out.converged:
                if out.stagnant and amplification(out, None).condition > AMPLIFIED:
                    return Status.ILL_CONDITIONED
                return REASONS[out.reason]
            if not np.any(self.floor):
                self.floor = EPS * scales(out.evaluation).max(axis=1, keepdims=True)
            out.evaluation.floor = self.floor
            r = self.residual = residuals(out.evaluation, self.rhs)
            state = out.evaluation.state
            if not tight and not problem.linear and r.worst < LOOSE_UNTIL:
                tight, again = True, out.evaluation  # Newton's own error must be out of the way
                continue
            self.worst.append(r.worst)
            if r.worst <= target and self.scan:
                found = scan(out.evaluation, self.rhs, self.tol)
                if found is not None:
                    self.worst.clear()
                    state = self._move(state, found)
                    continue
            if r.worst <= target:
                self.amplified = amplification(out, r)
                error = self.amplified.error
                if not AMPLE * self.tol < error < np.inf or target <= BEST:
                    return Status.SOLVED
                target = max(BEST, min(0.1, AMPLE * self.tol / error) * r.worst)
                if r.worst <= target:
                    return Status.SOLVED
            mesh = self._next_mesh(state, r, target)
            if mesh is None or mesh.x.size > self.max_n:
                if r.worst <= self.tol:
                    return Status.SOLVED
                return Status.ROUNDING if mesh is None else Status.NOT_RESOLVED
            state = self._move(state, mesh)
        return Status.SOLVED if self.worst and self.worst[-1] <= self.tol else Status.NOT_RESOLVED

    def _move(self, state: State, mesh: Mesh) -> State:
        """A linear problem starts from nothing on the next mesh, a nonlinear one from what it has."""
        if self.problem.linear:
            return State.zeros(mesh, self.problem.structure.p, state.W.dtype)
        return state.to_mesh(mesh)

    def _next_mesh(self, state: State, r: Residuals, target: float) -> Mesh | None:
        """Refine where the residual is; if that has not helped for some levels, look for a break, or blame rounding."""
        mesh, worst = state.mesh, self.worst
        if len(worst) > 2 and worst[-1] < AT_ROUNDING and worst[-1] > 0.5 * worst[-3]:
            return None
        if len(worst) > STALLED and worst[-1] > 0.1 * max(worst[-1 - STALLED : -1]):
            found = self._breaks_in(state, r)
            if found:
                worst.clear()
                self.breaks += found
                known = (*self.problem.breakpoints, *self.breaks)
                return Mesh(_insert(mesh.t, found, known), mesh.p, mesh.orders)
            if len(worst) > HOPELESS and worst[-1] < 1e-6 and worst[-1] > 0.5 * worst[-1 - HOPELESS]:
                return None
        new = refine(state, r.per_element, target)
        ends = np.maximum(np.abs(new.t[1:]), np.abs(new.t[:-1]))
        return None if (np.diff(new.t) < ULP * ends).any() else new

    def _breaks_in(self, state: State, r: Residuals) -> list[float]:
        """Points in the worst elements where coefficients or right-hand sides are not smooth, and no breakpoints yet."""
        mesh, problem = state.mesh, self.problem
        series = [] if problem.linear else [state.series(j) for j in range(mesh.m)]

        def fields(j: int, k: int, x: np.ndarray) -> Any:
            return series[j](x, k) if series else 0.0

        order = np.argsort(r.per_element)[::-1][:SUSPECTS]
        found: list[float] = []
        for e in order[r.per_element[order] > 0.01 * r.worst]:
            at = find_break(problem, fields, state.lam, self.rhs, (mesh.t[e], mesh.t[e + 1]))
            if at is not None and np.abs(mesh.t - at).min() > ULP * np.abs(mesh.t).max():
                found.append(at)
        return found


def _insert(t: np.ndarray, found: list[float], breaks: tuple[float, ...]) -> np.ndarray:
    """Add breakpoints and drop those that refinement had crowded around them, but for breaks known before."""
    gap = 0.02 * (t[-1] - t[0]) / max(8, t.size)
    near = np.abs(t[:, None] - np.array(found)).min(axis=1) <= gap
    return np.unique(np.append(t[~near | np.isin(t, (t[0], t[-1], *breaks))], found))


def finish(problem: Problem, status: Status, loop: AdaptiveLoop, bc_tol: float, start: float) -> BVPResult:
    """Judge the conditions and the conditioning, and write the result."""
    out = loop.outcome
    assert out is not None
    if out.evaluation is None:
        if problem.linear or out.message.startswith("rhs"):
            raise ValueError(f"{out.message}; expected finite coefficients and right-hand sides")
        mesh = Mesh(np.array(problem.domain), 2, problem.structure.orders)
        state = State.zeros(mesh, problem.structure.p)
        state.W[:], state.Z[:] = np.nan, np.nan
        return _result(problem, status, state, np.nan, loop, start)
    ev = out.evaluation
    bc = condition_residual(ev, problem)
    if not np.isfinite(loop.amplified.condition) and status in (
        Status.SOLVED,
        Status.ROUNDING,
        Status.NOT_RESOLVED,
    ):
        loop.amplified = amplification(out, loop.residual)
    if loop.amplified.singularity > SINGULAR:
        status = Status.SINGULAR
    elif status is Status.SOLVED and not bc <= bc_tol:
        status = Status.CONDITIONS_NOT_MET
    elif status is Status.SOLVED and not loop.amplified.error <= 1e3 * loop.tol:
        status = Status.ILL_CONDITIONED
    return _result(problem, status, ev.state, bc, loop, start)


def _result(
    problem: Problem, status: Status, state: State, bc: float, loop: AdaptiveLoop, start: float
) -> BVPResult:
    assert loop.outcome is not None
    detail = loop.outcome.message
    message = f"{detail}. {status.sentence}" if detail else status.sentence
    helpless = loop.slot.helpless()
    message = f"{message} {helpless}" if helpless else message
    sets = loop.residual.sets if loop.residual is not None else (float("nan"), float("nan"))
    return BVPResult(
        success=status is Status.SOLVED,
        status=status,
        message=message,
        u=tuple(state.series(j) for j in range(problem.structure.n_unknowns)),
        params={name: state.lam[i].item() for i, name in enumerate(problem.params)},
        residual=max(sets),
        residuals=sets,
        bc_residual=float(bc),
        error_estimate=loop.amplified.error,
        condition=loop.amplified.condition,
        nit=loop.iterations,
        n=state.mesh.x.size,
        mesh=state.mesh.t,
        linear_solver=str(loop.slot),
        linear_stats=loop.slot.report(),
        method="mesh",
        time=time.perf_counter() - start,
        names=problem.names,
        history=tuple(loop.records),
        state=state,
    )
