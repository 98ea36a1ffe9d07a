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
from .problem import Problem
from .system import Evaluation, NonFinite, assemble, evaluate, same_scaling, unpack

STOPPED = "stopped by the callback"
SMALLEST_DAMPING = 1e-6
"""Chebfun's lambdaMin: a step cut this short goes nowhere."""
STAGNANT = 1e-10
"""Steps this small that no longer shrink are rounding."""
NOISY = 1e-4
"""Steps below this that lead nowhere are taken for amplified rounding."""
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
    stagnant: bool = False
    """Whether the steps that lead nowhere are small: rounding, amplified by the problem."""
    kept: Any = None
    """The last system and its factors: the error estimate solves with them again."""


def linear_step(problem: Problem, evaluation: Evaluation, slot: Any) -> tuple[Any, State, bool]:
    """Assemble, factor and solve; returns what is needed to solve again with the same matrix."""
    step = assemble(evaluation)
    factors = slot.factor(step.A)
    x, ok = factors.solve(step.b)
    mesh = evaluation.state.mesh
    return (step, factors), unpack(x, mesh, evaluation.state.lam.size, step.S), ok


def newton(
    problem: Problem,
    state: State,
    rhs: Any,
    dtype: Any,
    slot: Any,
    *,
    tol: float,
    max_iter: int,
    damping: bool = True,
    boldest: float = SMALLEST_DAMPING,
    callback: Callable[[NewtonRecord], Any] | None = None,
    done: int = 0,
    deflation: Any = None,
    start: Evaluation | None = None,
) -> NewtonOutcome:
    """Iterate from a state until the step is below ``tol`` relative to the solution.

    A linear problem takes one step. ``done`` counts iterations made before, on other meshes. Where the monotonicity
    test would cut a step below ``boldest``, that step is taken nevertheless if ``boldest`` is above
    `SMALLEST_DAMPING`. ``start`` is the evaluation of the state if there is one already. ``deflation`` turns steps
    and corrections of the problem into those of the deflated one (see `deflation.Deflation`).
    """
    if start is None:
        try:
            start = evaluate(problem, state, rhs, dtype)
        except NonFinite as error:
            return NewtonOutcome(None, False, "nonfinite", str(error))  # type: ignore[arg-type]
    now, n = start, state.mesh.x.size
    out = NewtonOutcome(now, False, "iterations")
    search = _Search(problem, rhs, dtype, damping, boldest, deflation)
    for iteration in range(done + 1, done + max_iter + 1):
        out.kept, plain, ok = linear_step(problem, now, slot)
        if not ok:
            out.evaluation, out.reason = now, "singular"
            return out
        if problem.linear:
            out.evaluation = evaluate_known(now, now.state.plus(plain))
            out.converged, out.reason = True, "converged"
            out.records.append(NewtonRecord(iteration, 0.0, 1.0, 0.0, n))
            return out
        size = search.measure(now, plain)
        if size <= tol:
            try:
                out.evaluation = evaluate(problem, now.state.plus(search.step.state), rhs, dtype)
            except NonFinite as error:
                out.reason, out.message = "nonfinite", str(error)
                return out
            out.records.append(NewtonRecord(iteration, size, 1.0, 0.0, n))
            out.converged, out.reason = True, "converged"
            break
        trial, contraction, factor = search.along(now, out.kept)
        if trial is None:
            out.evaluation, out.reason, out.stagnant = now, "diverged", size < NOISY
            out.converged = size < STAGNANT
            return out
        record = NewtonRecord(iteration, size, factor, contraction, n)
        out.records.append(record)
        now = out.evaluation = trial
        if callback is not None and stops(callback, record):
            out.message = STOPPED
            return out
        # The simplified correction is the next step to first order: if it is below tol, the state is good. Steps that
        # are tiny and no longer shrink are rounding; the residual will tell how good the state is then.
        good = contraction < 0.5 and contraction * size <= tol and contraction**2 * size <= 0.1 * tol
        if (factor == 1.0 and good) or (size < STAGNANT and (factor < 1.0 or contraction > 0.5)):
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
    for row, rows in ev.distant:
        S = (rows.shape[1] - mesh.E * mesh.m * mesh.p) // (mesh.E + 1)
        residual[row] -= rows @ (pack(state, S) - pack(ev.state, S))
    return replace(ev, state=state, residual=residual.reshape(ev.residual.shape), fields=fields, scales=None)


def stops(callback: Callable, record: NewtonRecord) -> bool:
    """Hand the callback a record; whether it asks to stop, by StopIteration."""
    try:
        callback(record)
    except StopIteration:
        return True
    return False


class _Change:
    """A step or correction: the state, and the values of the functions themselves, by which it is measured."""

    def __init__(self, state: State):
        self.state = state
        self.values = state.fields()[state.mesh.measured]

    def norm(
        self, scale: tuple[np.ndarray, np.ndarray], other: _Change | None = None, factor: float = 0.0
    ) -> float:
        """Root mean square over the domain of the worst relative change, of self + factor · other."""
        mesh = self.state.mesh
        values, lam = self.values, self.state.lam
        if other is not None:
            values, lam = values + factor * other.values, lam + factor * other.state.lam
        relative = np.abs(values) / scale[0][:, None]
        with np.errstate(over="ignore"):  # a step that large is refused
            mean = np.sqrt((relative**2 @ mesh.weights) / (mesh.t[-1] - mesh.t[0]))
        return float(max(mean.max(initial=0.0), (np.abs(lam) / scale[1]).max(initial=0.0)))


class _Search:
    """The search along a Newton step, with the memory that predicts how long the next one may be."""

    def __init__(self, problem: Problem, rhs: Any, dtype: Any, damping: bool, boldest: float, deflation: Any):
        self.problem, self.rhs, self.dtype, self.deflation = problem, rhs, dtype, deflation
        self.damping, self.boldest = damping, boldest
        self.step: _Change
        self.factor = 1.0
        self._last: tuple[float, _Change, float] | None = None

    def measure(self, now: Evaluation, plain: State) -> float:
        """Take up a new step: its norm, and the damping factor to begin with."""
        step = plain if self.deflation is None else self.deflation.step(now.state, plain)
        self.step = _Change(step)
        self.scale = _scale(now, self.step)
        self.size = self.step.norm(self.scale)
        self.factor = min(1.0, self._predicted()) if self.damping and self._last is not None else 1.0
        return self.size

    def along(self, now: Evaluation, kept: Any) -> tuple[Evaluation | None, float, float]:
        """Shorten (or lengthen once) the step until the natural monotonicity test holds."""
        system, factors = kept
        factor, lengthened = self.factor, False
        while factor >= SMALLEST_DAMPING:
            try:
                trial = evaluate(self.problem, now.state.plus(self.step.state, factor), self.rhs, self.dtype)
            except NonFinite:
                factor *= 0.25
                continue
            x = factors.rough(same_scaling(system, trial, 1.0 - factor))
            back = unpack(x, now.state.mesh, now.state.lam.size, system.S)
            if self.deflation is not None:
                back = self.deflation.correction(now.state, trial.state, self.step.state, back)
            correction = _Change(back)
            contraction = correction.norm(self.scale) / self.size
            accepted = trial, contraction, factor
            self._last = self.size, correction, factor
            if not self.damping or SMALLEST_DAMPING < factor <= self.boldest:
                return accepted
            gap = correction.norm(self.scale, self.step, factor - 1.0)
            better = 0.5 * self.size * factor**2 / gap if gap > 0 else 1.0
            if not contraction < 1.0 - factor / 4.0:
                factor = min(better, 0.5 * factor) if np.isfinite(better) else 0.25 * factor
                factor = max(factor, self.boldest) if self.boldest > SMALLEST_DAMPING else factor
            elif factor < 1.0 and not lengthened and min(1.0, better) >= 4.0 * factor:
                factor, lengthened = min(1.0, better), True
            else:
                return accepted
        return None, np.inf, factor

    def _predicted(self) -> float:
        """From the last step, its correction and the new step (Deuflhard 2004, eq. (3.50))."""
        assert self._last is not None
        last_size, correction, last_factor = self._last
        gap = correction.norm(self.scale, self.step, -1.0)
        if not gap * self.size > 0:
            return 1.0
        return last_size * correction.norm(self.scale) / (gap * self.size) * last_factor


def _scale(now: Evaluation, step: _Change) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of each unknown function and each scalar, against which steps are measured."""
    mesh = now.state.mesh
    before = np.abs(now.fields[mesh.measured])
    functions = np.maximum(before.max(axis=1), np.abs(step.values).max(axis=1))
    of_unknowns = functions[mesh.measured_order == 0].max(initial=0.0)
    functions = np.maximum(functions, FLOOR * of_unknowns / (mesh.t[-1] - mesh.t[0]) ** mesh.measured_order)
    functions[functions == 0] = 1.0
    scalars = np.maximum(np.maximum(np.abs(now.state.lam), np.abs(step.state.lam)), 1e-300)
    return functions, scalars
