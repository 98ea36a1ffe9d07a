"""The adaptive loop on a mesh: Newton, residual between the nodes, refinement, until certified."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..linear.certify import factor
from ..linear.registry import resolve
from .breaks import find_break
from .condition import Amplification, amplification
from .guess import initial_state
from .mesh import Mesh, State
from .newton import NewtonOutcome, newton
from .problem import BVP
from .resolve import Residuals, condition_residual, refine, residuals
from .result import BVPResult, Status

NODES = 16
"""Nodes of an element: the degree at which splitting elements and raising the degree cost about the same."""
FIRST_ELEMENTS = {True: 2, False: 4}
"""Elements to start with, by linearity: a nonlinear problem must be seen before it can be solved."""
LOOSE = 1e-4
"""Newton's tolerance on a mesh that does not resolve the solution yet."""
MAX_LEVELS = 60
STALLED = 4
"""Levels without progress after which the reason is looked for: a break in a coefficient, or rounding."""
SINGULAR = 1e13


class Slot:
    """The linear-solver slot with a memory: who solved, how often it was refined, how often another took over."""

    def __init__(self, solver: Any):
        self.solver, self.solves, self.refined, self.fell_back = solver, 0, 0, 0
        self.names: dict[str, int] = {}
        self.failure = ""

    def factor(self, A: Any) -> _Factored:
        solver = self.solver
        if solver.name == "block" and isinstance(A, np.ndarray):
            solver = resolve("lu")  # compositions and kernels make the system dense
        fallback = solver.name not in ("auto", "block")  # elimination failed: so would any other
        return _Factored(self, factor(solver, A, rtol=1e-11, fallback=fallback))

    def __str__(self) -> str:
        names = ", ".join(self.names)
        text = f"{names}, {self.solves} solve{'s' * (self.solves != 1)}"
        if self.refined:
            text += f", {self.refined} refinements"
        return text + (f", fell back {self.fell_back} times" if self.fell_back else "")


@dataclass
class _Factored:
    slot: Slot
    certified: Any

    def solve(self, b: np.ndarray) -> tuple[np.ndarray, bool]:
        answer = self.certified.solve(b)
        slot = self.slot
        slot.solves += 1
        slot.refined += answer.refinements
        slot.fell_back += bool(answer.fell_back)
        slot.names[answer.solver] = slot.names.get(answer.solver, 0) + 1
        usable = bool(np.isfinite(answer.x).all()) and answer.backward_error < 1e-6
        if not usable:
            slot.failure = answer.message
        return answer.x, usable


@dataclass
class _Progress:
    """What the adaptive loop remembers from level to level."""

    outcome: NewtonOutcome | None = None
    residual: Residuals | None = None
    worst: list[float] = field(default_factory=list)
    iterations: int = 0
    records: list = field(default_factory=list)
    tight: bool = False


def solve_mesh(problem: BVP, *, rhs: Any, guess: Any, tol: float, bc_tol: float, solver: Any, max_iter: int, max_n: int,
               damping: bool, callback: Callable | None, start: float, nodes: int = NODES) -> BVPResult:  # fmt: skip
    """Solve on a mesh of elements that is refined until the residual between the nodes is within tol."""
    slot = Slot(solver)
    mesh = first_mesh(problem, guess, nodes)
    state = initial_state(problem, guess, mesh)
    progress = _Progress(tight=guess is not None)
    status = _loop(problem, state, rhs, tol, slot, max_iter, max_n, damping, callback, progress)
    return _finish(problem, status, progress, rhs, tol, bc_tol, slot, start)


def first_mesh(problem: BVP, guess: Any, nodes: int) -> Mesh:
    """Where to start: the mesh of an earlier result, or a few elements between the breakpoints."""
    a, b = problem.domain
    if isinstance(guess, BVPResult) and guess.domain == problem.domain and guess.state is not None:
        t = np.unique(np.concatenate([guess.mesh, problem.breakpoints]))
        return Mesh(t, nodes, problem.structure.orders)
    ends = np.array([a, *problem.breakpoints, b])
    count = np.maximum(1, np.round(FIRST_ELEMENTS[problem.linear] * np.diff(ends) / (b - a))).astype(int)
    parts = [np.linspace(ends[i], ends[i + 1], n, endpoint=False) for i, n in enumerate(count)]
    return Mesh(np.concatenate([*parts, [b]]), nodes, problem.structure.orders)


def _loop(problem, state, rhs, tol, slot, max_iter, max_n, damping, callback, progress) -> Status:
    """Refine until the residual is within tol; returns why it ended."""
    dtype = state.W.dtype
    target, resolved_before = tol, False
    for _ in range(MAX_LEVELS):
        accuracy = min(1e-2 * tol, 1e-10) if progress.tight else LOOSE
        out = newton(problem, state, rhs, dtype, slot, tol=accuracy, max_iter=max(1, max_iter - progress.iterations),
                     damping=damping, callback=callback, done=progress.iterations)  # fmt: skip
        progress.iterations += len(out.records)
        progress.records += out.records
        if out.evaluation is not None:
            progress.outcome = out
        if not out.converged:
            return _why(out, progress, resolved_before)
        r = progress.residual = residuals(out.evaluation, rhs)
        progress.worst.append(r.worst)
        state = out.evaluation.state
        if r.worst <= target:
            if not progress.tight and not problem.linear:
                progress.tight = True
                continue
            return Status.SOLVED
        if not problem.linear and not progress.tight and r.worst < 1e-2:
            progress.tight = True
            continue
        if progress.iterations >= max_iter and not problem.linear:
            return Status.ITERATION_LIMIT
        mesh = _next_mesh(problem, state, r, rhs, target, progress)
        if mesh is None:
            return Status.ROUNDING
        if mesh.x.size > max_n:
            return Status.NOT_RESOLVED
        state = State.zeros(mesh, problem.structure.p, dtype) if problem.linear else state.to_mesh(mesh)
    return Status.NOT_RESOLVED


def _why(out: NewtonOutcome, progress: _Progress, resolved_before: bool) -> Status:
    return {"singular": Status.SINGULAR, "diverged": Status.NOT_CONVERGED, "nonfinite": Status.NOT_FINITE,
            "iterations": Status.ITERATION_LIMIT}[out.reason]  # fmt: skip


def _next_mesh(problem: BVP, state: State, r: Residuals, rhs: Any, target: float, progress: _Progress) -> Mesh | None:
    """Refine where the residual is; if that has not helped for some levels, look for a break, or blame rounding."""
    mesh, worst = state.mesh, progress.worst
    stalled = len(worst) > STALLED and worst[-1] > 0.1 * max(worst[-1 - STALLED : -1])
    if stalled:
        element = int(np.argmax(r.per_element))
        at = _break_in(problem, state, element, rhs)
        if at is not None:
            worst.clear()
            return Mesh(_insert(mesh.t, at), mesh.p, mesh.orders)
        if worst[-1] < 1e-6:
            return None
    new = refine(state, r.per_element, target)
    if np.diff(new.t).min() < 1e-14 * np.abs(new.t).max():
        return None
    return new


def _break_in(problem: BVP, state: State, element: int, rhs: Any) -> float | None:
    mesh = state.mesh
    if problem.linear:
        return find_break(problem, lambda j, k, x: 0.0, state.lam, rhs, (mesh.t[element], mesh.t[element + 1]))
    series = [state.series(j) for j in range(mesh.m)]
    return find_break(problem, lambda j, k, x: series[j](x, k), state.lam, rhs, (mesh.t[element], mesh.t[element + 1]))


def _insert(t: np.ndarray, at: float) -> np.ndarray:
    """Add a breakpoint and drop those that refinement had crowded around it."""
    gap = 0.02 * (t[-1] - t[0]) / max(8, t.size)
    keep = (np.abs(t - at) > gap) | (t == t[0]) | (t == t[-1])
    return np.unique(np.append(t[keep], at))


def _finish(problem: BVP, status: Status, progress: _Progress, rhs: Any, tol: float, bc_tol: float, slot: Slot,
            start: float) -> BVPResult:  # fmt: skip
    """Judge the conditions and the conditioning, and write the result."""
    message = progress.outcome.message if progress.outcome is not None else ""
    if progress.outcome is None:
        mesh = Mesh(np.array(problem.domain), 2, problem.structure.orders)
        state = State.zeros(mesh, problem.structure.p)
        state.W[:], state.Z[:] = np.nan, np.nan
        if status is Status.NOT_FINITE and problem.linear:
            raise ValueError(f"op: {message or 'not finite'}; expected finite coefficients and right-hand sides")
        return _result(problem, status, state, None, np.nan, Amplification(), progress, slot, start, message)
    ev = progress.outcome.evaluation
    bc = condition_residual(ev, problem)
    amplified = Amplification()
    if status in (Status.SOLVED, Status.ROUNDING, Status.NOT_RESOLVED):
        amplified = amplification(ev, slot, progress.residual)
        if not amplified.singularity < SINGULAR:
            status = Status.SINGULAR
    if status is Status.SOLVED:
        if not bc <= bc_tol:
            status = Status.CONDITIONS_NOT_MET
        elif not amplified.error <= 1e3 * tol:
            status = Status.ILL_CONDITIONED
    return _result(problem, status, ev.state, progress.residual, bc, amplified, progress, slot, start, message)


def _result(problem, status, state, residual, bc, amplified, progress, slot, start, detail) -> BVPResult:
    n_user = problem.structure.n_unknowns
    series = tuple(state.series(j) for j in range(n_user))
    params = {name: state.lam[i].item() for i, name in enumerate(problem.params)}
    message = f"{detail[0].upper()}{detail[1:]}. {status.sentence}" if detail else status.sentence
    sets = residual.sets if residual is not None else (np.nan, np.nan)
    return BVPResult(
        success=status is Status.SOLVED, status=status, message=message, u=series, params=params,
        residual=max(sets), residuals=sets, bc_residual=float(bc), error_estimate=amplified.error,
        condition=amplified.condition, nit=progress.iterations, n=state.mesh.x.size, mesh=state.mesh.t,
        linear_solver=str(slot), method="mesh", time=time.perf_counter() - start, names=problem.names,
        history=tuple(progress.records), state=state,
    )  # fmt: skip
