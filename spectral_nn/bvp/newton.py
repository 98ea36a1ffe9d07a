"""Newton's method in function space with affine-invariant damping.

The damping is error oriented (natural monotonicity test): P. Deuflhard, "Newton Methods for Nonlinear Problems" (2004),
algorithm NLEQ-ERR, section 3.3.3, as Chebfun does it too. Norms are taken of the functions themselves, not of their
highest derivatives, so that a step's size does not depend on the mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .mesh import State
from .nonlocal_terms import pack
from .problem import BVP
from .system import Evaluation, NonFinite, assemble, evaluate, same_scaling, unpack

SMALLEST_DAMPING = 1e-6
"""Chebfun's lambdaMin: a step cut this short goes nowhere."""
STAGNANT = 1e-10
"""Steps this small that no longer shrink are rounding."""
FLOOR = 1e-4
"""An unknown is measured against its own size, but not below this fraction of the largest unknown."""


@dataclass
class NewtonRecord:
    """One accepted step, as a callback or a table sees it."""

    iteration: int
    step_norm: float
    damping: float
    contraction: float
    n: int


@dataclass
class NewtonOutcome:
    """Where Newton's method ended, and why."""

    evaluation: Evaluation
    converged: bool
    reason: str
    """"converged", "singular", "diverged", "nonfinite" or "iterations"."""
    message: str = ""
    records: list[NewtonRecord] = field(default_factory=list)
    kept: Any = None
    """The last system and its factors: the error estimate solves with them again."""


def linear_step(problem: BVP, evaluation: Evaluation, slot: Any) -> tuple[Any, State, bool]:
    """Assemble, factor and solve; returns what is needed to solve again with the same matrix."""
    step = assemble(evaluation)
    factors = slot.factor(step.A)
    x, ok = factors.solve(step.b)
    mesh = evaluation.state.mesh
    return (step, factors), unpack(x, mesh, evaluation.state.lam.size, step.S), ok


def newton(problem: BVP, state: State, rhs: Any, dtype: Any, slot: Any, *, tol: float, max_iter: int, damping: bool = True, boldest: float = SMALLEST_DAMPING,
           callback: Callable[[NewtonRecord], Any] | None = None, done: int = 0,
           deflation: Any = None, start: Evaluation | None = None) -> NewtonOutcome:  # fmt: skip
    """Iterate from a state until the step is below ``tol`` relative to the solution.

    A linear problem takes one step. ``done`` counts iterations made before, on other meshes. Where the monotonicity test
    would cut a step below ``boldest``, that step is taken nevertheless if ``boldest`` is above `SMALLEST_DAMPING`.
    ``start`` is the evaluation of the state if there is one already.
    ``deflation`` turns steps and corrections of the problem into those of the deflated one (see `deflation.Deflation`).
    """
    if start is None:
        try:
            start = evaluate(problem, state, rhs, dtype)
        except NonFinite as error:
            return NewtonOutcome(None, False, "nonfinite", str(error))  # type: ignore[arg-type]
    now = start
    out = NewtonOutcome(now, False, "iterations")
    previous: tuple[float, State, float] | None = None
    for iteration in range(done + 1, done + max_iter + 1):
        kept, step, ok = linear_step(problem, now, slot)
        out.kept = kept
        if not ok:
            out.evaluation, out.reason = now, "singular"
            return out
        if problem.linear:
            out.evaluation = evaluate_known(now, now.state.plus(step))
            out.converged, out.reason = True, "converged"
            out.records.append(NewtonRecord(iteration, 0.0, 1.0, 0.0, state.mesh.x.size))
            return out
        if deflation is not None:
            step = deflation.step(now.state, step)
        scale = _scale(now.state, step)
        size = _norm(step, scale)
        factor = 1.0 if previous is None or not damping else min(1.0, _predicted(previous, step, size, scale))
        if size <= tol:
            try:
                out.evaluation = evaluate(problem, now.state.plus(step), rhs, dtype)
            except NonFinite as error:
                out.reason, out.message = "nonfinite", str(error)
                return out
            out.records.append(NewtonRecord(iteration, size, 1.0, 0.0, state.mesh.x.size))
            out.converged, out.reason = True, "converged"
            break
        trial, correction, contraction, factor = _search(problem, now, step, size, scale, factor, kept, rhs, dtype, damping, boldest, deflation)
        if trial is None:
            out.evaluation, out.reason = now, "diverged"
            return out
        record = NewtonRecord(iteration, size, factor, contraction, state.mesh.x.size)
        out.records.append(record)
        if callback is not None and _stops(callback, record):
            out.evaluation, out.reason, out.message = trial, "iterations", "stopped by the callback"
            return out
        previous = (size, correction, factor)
        now = out.evaluation = trial
        if factor == 1.0 and contraction > 0.5 and size < STAGNANT:
            out.converged, out.reason = True, "converged"  # rounding: the residual will tell how good it is
            break
        if factor == 1.0 and contraction < 0.5 and contraction * size <= tol and contraction**2 * size <= 0.1 * tol:
            # The simplified correction is the next step to first order: it is below tol, so the state is good.
            out.converged, out.reason = True, "converged"
            break
    return out


def evaluate_known(ev: Evaluation, state: State) -> Evaluation:
    """A linear problem's evaluation moved to another state without tracing again."""
    fields, mesh = state.fields(), state.mesh
    i, j, k = ev.index
    residual = ev.residual.reshape(mesh.m, -1).copy()
    step = fields - ev.fields
    for n in range(i.size):
        residual[i[n]] += ev.coef[n].ravel() * step[mesh.slot[j[n]] + k[n]]
    for n in range(ev.param_index[0].size):
        at = ev.param_index[1][n]
        residual[ev.param_index[0][n]] += ev.param_coef[n].ravel() * (state.lam[at] - ev.state.lam[at])
    for i, rows in ev.distant:
        S = (rows.shape[1] - mesh.E * mesh.m * mesh.p) // (mesh.E + 1)
        residual[i] -= rows @ (pack(state, S) - pack(ev.state, S))
    return replace(ev, state=state, residual=residual.reshape(ev.residual.shape), fields=fields, scales=None)


def _search(problem, now, step, size, scale, factor, kept, rhs, dtype, damping, boldest, deflation):
    """Shorten (or lengthen once) the step until the natural monotonicity test holds."""
    system, factors = kept
    lengthened = False
    while True:
        if factor < SMALLEST_DAMPING:
            return None, None, np.inf, factor
        try:
            trial = evaluate(problem, now.state.plus(step, factor), rhs, dtype)
        except NonFinite:
            factor *= 0.25
            continue
        x, _ = factors.solve(same_scaling(system, trial, 1.0 - factor))
        correction = unpack(x, now.state.mesh, now.state.lam.size, system.S)
        if deflation is not None:
            correction = deflation.correction(now.state, trial.state, step, correction)
        correction_norm = _norm(correction, scale)
        contraction = correction_norm / size
        if not damping or SMALLEST_DAMPING < factor <= boldest:
            return trial, correction, contraction, factor
        gap = _norm(correction.plus(step, factor - 1.0), scale)
        better = 0.5 * size * factor**2 / gap if gap > 0 else 1.0
        if not contraction < 1.0 - factor / 4.0:
            factor = min(better, 0.5 * factor) if np.isfinite(better) else 0.25 * factor
            factor = max(factor, boldest) if boldest > SMALLEST_DAMPING else factor
            continue
        if factor < 1.0 and not lengthened and min(1.0, better) >= 4.0 * factor:
            factor, lengthened = min(1.0, better), True
            continue
        return trial, correction, contraction, factor


def _predicted(previous, step, size, scale) -> float:
    """Damping factor predicted from the last step, its correction and the new step (Deuflhard 2004, eq. (3.50))."""
    last_size, correction, last_factor = previous
    gap = _norm(correction.plus(step, -1.0), scale)
    return last_size * _norm(correction, scale) / (gap * size) * last_factor if gap * size > 0 else 1.0


def _scale(state: State, step: State) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of each unknown function and each scalar, against which steps are measured."""
    mesh = state.mesh
    first = mesh.slot[:-1]
    before, change = np.abs(state.fields()[first]), np.abs(step.fields()[first])
    functions = np.maximum(before.max(axis=1), change.max(axis=1))
    functions = np.maximum(functions, FLOOR * functions.max(initial=0.0))
    functions[functions == 0] = 1.0
    scalars = np.maximum(np.maximum(np.abs(state.lam), np.abs(step.lam)), 1e-300)
    return functions, scalars


def _norm(step: State, scale: tuple[np.ndarray, np.ndarray]) -> float:
    """Root mean square over the domain of the worst relative change."""
    mesh = step.mesh
    values = np.abs(step.fields()[mesh.slot[:-1]]) / scale[0][:, None]
    mean = np.sqrt((values**2 @ mesh.weights) / (mesh.t[-1] - mesh.t[0]))
    return float(max(mean.max(initial=0.0), (np.abs(step.lam) / scale[1]).max(initial=0.0)))


def _stops(callback: Callable, record: NewtonRecord) -> bool:
    try:
        callback(record)
    except StopIteration:
        return True
    return False
