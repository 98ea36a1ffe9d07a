"""Hand a system to a solver in a form its traits allow, and call it on any subset of items.

What a solver cannot take is not its author's worry: structures are made dense, batches looped over, a complex
right-hand side of a real system split in two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .interface import ItemReports, LinearSolution, LinearSolver, LinearStatus, LinearSystem, structure_of

#: The largest n for which a structured matrix is made dense for a solver that takes nothing else (0.5 GB).
DENSE_LIMIT = 8192
#: From this share of a batch on, the whole batch is solved again rather than a part of it factored anew.
WHOLE_BATCH_SHARE = 0.5


def dense_of(A: Any) -> np.ndarray:
    """A as an ndarray; an operator is multiplied out."""
    if isinstance(A, np.ndarray):
        return A
    if hasattr(A, "toarray"):
        return A.toarray()
    return np.asarray(A @ np.eye(A.shape[1]))


def unsupported_reason(solver: LinearSolver, A: Any, noise: Any) -> str:
    """Why the solver's traits rule A out, in words; empty if they do not."""
    traits, name, n = solver.traits, solver.name, A.shape[-1]
    if traits.sizes is not None and n not in traits.sizes:
        return f"{name} takes systems of n = {_listed(traits.sizes)}, got n = {n}"
    if traits.max_size is not None and n > traits.max_size:
        return f"{name} takes systems up to n = {traits.max_size}, got n = {n}"
    dtype = "complex128" if np.dtype(A.dtype).kind == "c" else "float64"
    if dtype not in traits.dtypes:
        return f"{name} takes matrices of {', '.join(traits.dtypes)}, got {dtype}"
    structure = structure_of(A)
    if structure not in traits.structures:
        if "dense" not in traits.structures:
            return f"{name} takes {', '.join(traits.structures)} systems, got a {structure} one"
        if n > DENSE_LIMIT:
            return (
                f"{name} takes dense systems, and a {structure} one of n = {n} is too large to be made dense"
            )
    if noise is not None and not traits.noise:
        return f"{name} does not take a noise level"
    if traits.needs_spd and not traits.exact and isinstance(A, np.ndarray) and not _is_hermitian(A):
        return f"{name} takes symmetric positive definite systems, and A is not symmetric"
    return ""


class Application:
    """A solver with the factors of a system, ready for any subset of its items."""

    def __init__(self, solver: LinearSolver, system: LinearSystem, finite: np.ndarray, noise: Any) -> None:
        self.solver, self.noise = solver, noise
        if structure_of(system.A) not in solver.traits.structures:
            system = LinearSystem(dense_of(system.A), system.b, system.meta)
        self.system = system
        self.is_batch = system.batch is not None
        self.loops = self.is_batch and not solver.traits.batched
        self.split = np.dtype(system.A.dtype).kind != "c"
        self._parts: dict[bytes, Any] = {}
        if self.loops:
            self.states = [self._factor_item(k) if ok else None for k, ok in enumerate(finite)]
        else:
            if self.is_batch and not finite.all():  # keep NaN from the solver; the item's answer is not used
                A = system.A.copy()
                A[~finite] = np.eye(system.n)
                self.system = replace(system, A=A)
            self.state = self._factor(self.system, noise)

    def solve_one(self, b: np.ndarray) -> LinearSolution:
        """b (n,) of a single system."""
        if self.split and b.dtype.kind == "c":
            return _join(self.solver.solve(self.state, b.real), self.solver.solve(self.state, b.imag))
        return self.solver.solve(self.state, b)

    def solve(self, rows: np.ndarray, items: np.ndarray, shape: Any) -> LinearSolution:
        """Solve for the right-hand sides in `rows` (m, n), which belong to `items`; x (m, n)."""
        if self.split and rows.dtype.kind == "c":
            return _join(self.solve(rows.real, items, shape), self.solve(rows.imag, items, shape))
        rows = np.ascontiguousarray(rows)
        if self.loops:
            return self._solve_loop(rows, items)
        if not self.is_batch:
            answer = self.solver.solve(self.state, rows[0] if shape.single else rows.T)
            self._check(answer, rows[0].shape if shape.single else rows.T.shape)
            return _with_rows(answer, shape.single)
        size = self.system.batch or 0
        if len(items) == size:
            answer = self.solver.solve(self.state, rows)
            self._check(answer, rows.shape)
            return answer
        if len(items) >= WHOLE_BATCH_SHARE * size:
            whole = np.zeros((size, rows.shape[1]), rows.dtype)
            whole[items] = rows
            answer = self.solver.solve(self.state, whole)
            self._check(answer, whole.shape)
            return _subset(answer, items)
        key = items.tobytes()
        if key not in self._parts:
            part = replace(self.system, A=self.system.A[items], b=None)
            noise = self.noise[items] if np.ndim(self.noise) else self.noise
            self._parts = {
                key: self._factor(part, noise)
            }  # only the latest: items drop out one after another
        answer = self.solver.solve(self._parts[key], rows)
        self._check(answer, rows.shape)
        return answer

    def unwrap_auto(self) -> tuple[LinearSolver, str]:
        """After factoring with "auto": go on as the solver it picked."""
        self.solver, self.state, reason = self.state
        return self.solver, f"auto picked {self.solver.name}: {reason}. "

    def _factor(self, system: LinearSystem, noise: Any) -> Any:
        solver: Any = self.solver
        return solver.factor(system) if noise is None else solver.factor(system, noise=noise)

    def _factor_item(self, k: int) -> Any:
        noise = self.noise[k] if np.ndim(self.noise) else self.noise
        try:
            return self._factor(replace(self.system, A=self.system.A[k], b=None), noise)
        except Exception as error:
            return error

    def _solve_loop(self, rows: np.ndarray, items: np.ndarray) -> LinearSolution:
        x = np.full(rows.shape, np.nan, np.result_type(self.system.A.dtype, rows.dtype))
        status = np.full(len(items), int(LinearStatus.UNCERTIFIED))
        message, iterations = "", 0
        band: np.ndarray | None = None
        noise = np.full(len(items), np.nan)
        traits = self.solver.traits
        for i, k in enumerate(items):
            state = self.states[k]
            try:
                if isinstance(state, Exception):
                    raise state
                answer = self.solver.solve(state, rows[i])
                self._check(answer, rows[i].shape)
            except Exception as error:
                singular = isinstance(error, np.linalg.LinAlgError) and traits.exact and not traits.needs_spd
                if singular:
                    status[i] = LinearStatus.SINGULAR
                message = message or f"{self.solver.name} raised {type(error).__name__}: {error}."
                continue
            x[i], status[i] = answer.x, int(answer.status)
            iterations = max(iterations, answer.iterations)
            noise[i] = np.nan if answer.noise is None else answer.noise
            if answer.x_error is not None:
                band = np.full(rows.shape, np.nan) if band is None else band
                band[i] = answer.x_error
        reports = ItemReports(status, np.zeros(len(items), int), np.zeros(len(items), bool))
        return LinearSolution(
            x,
            message=message or LinearStatus.UNCERTIFIED.sentence,
            solver=self.solver.name,
            iterations=iterations,
            x_error=band,
            items=reports,
            noise=None if np.isnan(noise).all() else noise,
        )

    def _check(self, answer: Any, shape: tuple[int, ...]) -> None:
        if not isinstance(answer, LinearSolution):
            raise TypeError(f"solve returned a {type(answer).__name__}, expected a LinearSolution")
        if np.shape(answer.x) != shape:
            raise TypeError(f"solve returned x of shape {np.shape(answer.x)}, expected {shape}")


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes)) if len(sizes) <= 6 else f"{sizes[0]}, {sizes[1]}, …, {sizes[-1]}"


def _join(real: LinearSolution, imag: LinearSolution) -> LinearSolution:
    return replace(real, x=real.x + 1j * imag.x, iterations=max(real.iterations, imag.iterations))


def _with_rows(answer: LinearSolution, single: bool) -> LinearSolution:
    band = answer.x_error
    if band is not None:
        band = band[None, :] if single else band.T
    return replace(answer, x=answer.x[None, :] if single else answer.x.T, x_error=band)


def _subset(answer: LinearSolution, items: np.ndarray) -> LinearSolution:
    reports = answer.items
    if reports is not None:
        reports = ItemReports(reports.status[items], reports.refinements[items], reports.fell_back[items])
    band = None if answer.x_error is None else answer.x_error[items]
    noise = answer.noise[items] if np.ndim(answer.noise) else answer.noise
    return replace(answer, x=answer.x[items], items=reports, x_error=band, noise=noise)


def _is_hermitian(A: np.ndarray) -> bool:
    transposed = np.swapaxes(A, -1, -2).conj()
    return bool(np.abs(A - transposed).max(initial=0.0) <= 1e-10 * np.abs(A).max(initial=0.0))
