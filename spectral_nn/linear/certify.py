"""Solve, and never trust the solver: true residual, refinement, fall back, report.

After every solve the residual is computed in float64 (complex128). Where the backward errors of `residual`
are above rtol, in this order and only for the items that need it:

1. iterative refinement: x += solve(b − A x), while every step gains a factor of two;
2. flexible GMRES with the solver as preconditioner;
3. another, direct solver (see `FALL_BACK`), whose answer is judged in the same way.

The best answer met on the way is returned, and the result says how it was come by.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from .apply import DENSE_LIMIT, Application, dense_of, unsupported_reason
from .interface import ItemReports, LinearSolution, LinearSolver, LinearStatus, LinearSystem, structure_of
from .items import MAX_GROWTH, Answers, Items
from .krylov import fgmres
from .registry import resolve
from .residual import TINY, TrueResidual, noise_discrepancy

#: A refinement step that gains less than this factor ends refinement.
REFINEMENT_GAIN = 2.0
#: Steps of refinement: a direct solver needs one or two, one that gains a digit a step a dozen.
MAX_REFINEMENTS = 20
#: Flexible GMRES steps; a preconditioner that needs more is not worth waiting for.
MAX_FGMRES = 60
#: Numbers that its bases may hold together (256 MB); larger batches are taken in parts.
MAX_BASIS = 2**25
#: Residual over its expectation under the stated noise, above which an answer does not fit the data. A
#: posterior mean has about 1; a factor for what a solver does not resolve, and no more.
MAX_DISCREPANCY = 10.0
#: The direct solver that takes over, by structure; after it, and on dense systems, QR.
FALL_BACK = {
    "dense": "lu",
    "sparse": "lu",
    "banded": "banded",
    "almost_banded": "almost_banded",
    "block": "block",
    "operator": "lu",
}
#: The largest n for which a structured matrix is made dense for QR, O(n³).
QR_LIMIT = 2000
#: Who takes over where the data are noisy.
NOISE_FALL_BACK = "tikhonov"

_SENTENCES = {status.sentence for status in LinearStatus}
_OK, _SINGULAR, _RAW = LinearStatus.CONVERGED, LinearStatus.SINGULAR, LinearStatus.UNCERTIFIED
_NOISE, _MISSED = LinearStatus.NOISE_LEVEL, LinearStatus.NOT_CONVERGED
#: What to say where the data do not determine the solution.
LOST = "The noise leaves no digit of the answer certain: x_error is as large as x. "
#: In place of the sentence of NOT_CONVERGED, which is about backward errors.
NOISE_ADVICE = (
    "Reduce the noise, or take a solver that knows more about the solution than the data say; "
    "state noise= as a number if it is known."
)


def factor(
    solver: str | LinearSolver,
    A: Any,
    *,
    rtol: float = 1e-12,
    refine: bool = True,
    fallback: bool = True,
    noise: Any = None,
) -> Certified:
    """Factor once, to solve for many right-hand sides, each answer certified.

    Parameters
    ----------
    solver : str or LinearSolver
    A : LinearSystem, or a matrix of any kind that `solve_linear` takes
    rtol, refine, fallback, noise
        As for `spectral_nn.solve_linear`.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.linear import factor
    >>> fac = factor("lu", np.array([[4.0, 1.0], [2.0, 3.0]]))
    >>> fac.solve(np.array([5.0, 5.0])).x
    array([1., 1.])
    """
    return Certified(resolve(solver), A, rtol=rtol, refine=refine, fallback=fallback, noise=noise)


class Certified:
    """A factored system whose `solve` returns certified answers.

    Attributes
    ----------
    solver : LinearSolver
    picked : str
        For "auto": what it picked, and why.
    """

    def __init__(
        self,
        solver: LinearSolver,
        A: Any,
        *,
        rtol: float = 1e-12,
        refine: bool = True,
        fallback: bool = True,
        noise: Any = None,
    ) -> None:
        self.solver, self.rtol, self.refine, self.fallback, self.noise = solver, rtol, refine, fallback, noise
        self.system = A if isinstance(A, LinearSystem) else LinearSystem(A)
        self.A = self.system.A
        self.truth = TrueResidual(self.A)
        self.picked = ""
        self._next: Certified | None = None
        self._application: Application | None = None
        self.cause: tuple[LinearStatus, str] | None = None
        self._start()
        self._fast = (
            self.cause is None
            and noise is None
            and (refine or fallback)
            and self.solver.traits.exact
            and self.truth.row_sums is not None
            and not self.truth.is_batch
        )

    def rough(self, b: np.ndarray) -> np.ndarray:
        """x (n,) for b (n,), unjudged where a direct solver gives it: for what only steers, such as damping."""
        if self._fast and self._application is not None:
            return self._application.solve_one(b).x
        return self.solve(b).x

    def solve(self, b: np.ndarray, rtol: float | None = None) -> LinearSolution:
        """Solve for b (n,), (n, k) or, with A (B, n, n), (B, n)."""
        started = perf_counter()
        rtol = self.rtol if rtol is None else rtol
        with np.errstate(all="ignore"):  # an overflow is judged by what comes of it
            if self._fast and b.ndim == 1:
                answer = self._solve_fast(b, rtol, started)
                if answer is not None:
                    return answer
            return self._solve(b, rtol, started)

    # --- factor ------------------------------------------------------------

    def _start(self) -> None:
        if not self.truth.finite.any():
            self.cause = LinearStatus.NONFINITE_INPUT, self.truth.where_not_finite()
            return
        reason = unsupported_reason(self.solver, self.A, self.noise)
        if reason:
            self.cause = LinearStatus.UNSUPPORTED, reason
            return
        try:
            self._application = Application(self.solver, self.system, self.truth.finite, self.noise)
        except Exception as error:  # whatever a solver does, the caller gets an answer or a sentence
            self.cause = self._blame(error)
            return
        if self.solver.name == "auto":
            self.solver, self.picked = self._application.unwrap_auto()

    def _blame(self, error: Exception) -> tuple[LinearStatus, str]:
        traits = self.solver.traits
        text = f"{self.solver.name} raised {type(error).__name__}: {error}"
        if isinstance(error, np.linalg.LinAlgError) and traits.exact and not traits.needs_spd:
            return _SINGULAR, str(error)
        if isinstance(error, ValueError) and not isinstance(error, np.linalg.LinAlgError):
            return LinearStatus.UNSUPPORTED, text
        return LinearStatus.BREAKDOWN, text

    # --- solve ------------------------------------------------------------

    def _solve_fast(self, b: np.ndarray, rtol: float, started: float) -> LinearSolution | None:
        """One system, a direct solver, nothing wrong: judged in a few microseconds."""
        try:
            raw = self._application.solve_one(b)  # type: ignore[union-attr]
        except Exception:
            return None
        x = raw.x
        if raw.status not in (_RAW, _OK) or x.shape != b.shape:
            return None
        largest, sums = np.maximum.reduce, self.truth.row_sums
        size, b_abs = np.abs(b - self.A @ x), np.abs(b)
        x_size, b_size, norm = float(largest(np.abs(x))), float(largest(b_abs)), float(self.truth.norms[0])
        if norm * x_size > MAX_GROWTH * b_size:
            return None  # perhaps a null vector: look closer
        if not np.logical_and.reduce(size <= rtol * (sums[0] * x_size + b_abs)):  # type: ignore[index]
            return None
        eta = float(largest(size)) / (norm * x_size + b_size + TINY)
        message = _OK.sentence if raw.message in _SENTENCES else raw.message
        return LinearSolution(
            x,
            success=True,
            status=_OK,
            message=self.picked + message,
            backward_error=eta,
            solver=self.solver.name,
            time=perf_counter() - started,
        )

    def _solve(self, b: np.ndarray, rtol: float, started: float) -> LinearSolution:
        rows = Items(self.truth.is_batch, b)
        work = Answers(rows.stack(b), self.truth, self.system.dtype)
        work.noise = None if isinstance(self.noise, str) else self.noise
        note = ""
        if self.cause is None:
            note = self._apply_solver(work, rows, rtol)
        elif self.cause[0] is LinearStatus.NONFINITE_INPUT:
            work.status[:] = LinearStatus.NONFINITE_INPUT
        else:
            work.status[work.usable] = self.cause[0]
        name = self.solver.name
        pending = work.pending(rtol)
        why = ""
        if pending.size and self.fallback:
            why = self._why(work, pending, note, rtol)
            turn = self._fall_back if self.noise is None else self._fall_back_in_noise
            name = turn(work, pending, rows, rtol) or name
        return self._report(work, rows, b, rtol, name, note, why, started)

    def _apply_solver(self, work: Answers, rows: Items, rtol: float) -> str:
        application = self._application
        assert application is not None
        everything = np.flatnonzero(work.usable)
        if not everything.size:
            return ""
        try:
            raw = application.solve(work.b[everything], everything, rows)
        except Exception as error:
            self_cause = self._blame(error)
            work.status[everything] = self_cause[0]
            return self_cause[1]
        work.take_raw(raw, everything)
        note = "" if raw.message in _SENTENCES else raw.message
        if self.noise is not None:
            return self._judge_noise(work, raw) or note
        work.accept(everything, rtol)
        if self.refine:
            self._improve(work, rows, rtol)
        return note

    def _improve(self, work: Answers, rows: Items, rtol: float) -> None:
        """Iterative refinement, then flexible GMRES, of the items that need it."""
        application = self._application
        assert application is not None

        def correct(R: np.ndarray, items: np.ndarray) -> np.ndarray:
            try:
                return application.solve(R, items, rows).x
            except Exception:
                return np.full(R.shape, np.nan)

        active = work.pending(rtol)
        for _ in range(MAX_REFINEMENTS):
            active = active[np.isfinite(work.omega[active])]
            if not active.size:
                break
            before = work.omega[active]
            D = correct(work.R[active], active)
            work.refinements[active] += 1
            work.try_correction(active, D, rtol)
            after = work.omega[active]
            active = active[(after > rtol) & (after * REFINEMENT_GAIN <= before)]
        active = work.pending(rtol)
        active = active[np.isfinite(work.omega[active])]
        # A direct solver that does not refine is beaten by its own rounding, which a basis does not cure.
        steps = min(work.b.shape[1], 2 if self.solver.traits.exact else MAX_FGMRES)
        each = 2 * (steps + 1) * work.b.shape[1]
        if each > MAX_BASIS:  # one huge system: a shorter basis
            steps, each = max(1, MAX_BASIS // (2 * work.b.shape[1]) - 1), MAX_BASIS
        for start in range(0, len(active), MAX_BASIS // each):
            self._flexible_gmres(work, active[start : start + MAX_BASIS // each], correct, rows, rtol, steps)

    def _flexible_gmres(
        self, work: Answers, active: np.ndarray, correct: Any, rows: Items, rtol: float, steps: int
    ) -> None:
        truth = self.truth
        scale = truth.row_scale(rows.of(active))
        scale = np.ones((1, 1)) if scale is None else scale
        R = work.R[active] * scale
        size = np.abs(R).max(axis=1, keepdims=True)
        D, taken, _ = fgmres(
            lambda V: truth.product(V, rows.of(active)) * scale,
            lambda V: correct(V / scale, active),
            R / np.where(size > 0, size, 1.0),
            0.3 * rtol / np.maximum(work.omega[active], rtol),
            steps,
        )
        work.refinements[active] += taken
        work.try_correction(active, D * size, rtol)

    def _judge_noise(self, work: Answers, raw: LinearSolution) -> str:
        """Is the residual what the noise explains, and is the band narrower than the answer? If not, why."""
        usable = np.flatnonzero(work.usable)
        work.status[usable] = _MISSED
        if isinstance(self.noise, str):
            if raw.noise is None:
                return f"{self.solver.name} did not say which noise level it inferred. "
            levels = np.full(len(work.x), np.nan)
            levels[usable] = raw.noise
            work.noise = float(levels[0]) if len(levels) == 1 else levels
        A = dense_of(self.A)
        A = A[usable] if self.truth.is_batch else A
        sigma = work.noise[usable] if np.ndim(work.noise) else work.noise
        fit = noise_discrepancy(A, work.b[usable], work.x[usable], work.R[usable], sigma)
        work.explained[usable] = fit <= MAX_DISCREPANCY
        lost = work.undetermined()
        work.status[work.explained & ~lost] = _NOISE
        over = fit[fit > MAX_DISCREPANCY]  # NaN where the solver gave no answer: it says why in its message
        if over.size:
            return f"The residual of {self.solver.name} is {over.max():.1f} times what the noise explains. "
        return LOST if lost.any() and work.explained[usable].all() else ""

    def _fall_back(self, work: Answers, pending: np.ndarray, rows: Items, rtol: float) -> str | None:
        """Let another solver try; take over what it does better. Returns who did."""
        name = self._next_name()
        if name is None:
            return None
        whole = not self.truth.is_batch
        if whole and self._next is not None:
            other = self._next
        else:
            system = (
                LinearSystem(self._matrix_for(name), None, self.system.meta)
                if whole
                else LinearSystem(self.A[pending])
            )
            other = Certified(resolve(name), system, rtol=rtol)
            self._next = other if whole else None
        answer = other.solve(rows.unstack(work.b[pending]), rtol)
        items = answer.items
        status = np.array([answer.status]) if items is None else items.status
        before = self.cause[0] if self.cause else None
        better = work.offer(pending, rows.stack(answer.x), status, rtol, was_singular=before is _SINGULAR)
        if not better:
            return None
        return f"{self.solver.name}, then {answer.solver}"

    def _fall_back_in_noise(self, work: Answers, pending: np.ndarray, rows: Items, rtol: float) -> str | None:
        """Where the residual is not what the noise explains: the classical answer to noisy data."""
        if self.solver.name == NOISE_FALL_BACK or work.noise is None:
            return None
        batch = self.truth.is_batch
        sigma = work.noise
        if np.ndim(sigma):  # columns of one system share a matrix, and one level: the largest
            sigma = sigma[pending] if batch else float(np.nanmax(sigma))
        A = self.A[pending] if batch else dense_of(self.A)
        other = Certified(resolve(NOISE_FALL_BACK), A, rtol=rtol, noise=sigma)
        answer = other.solve(rows.unstack(work.b[pending]), rtol)
        items = answer.items
        status = np.array([answer.status]) if items is None else items.status
        band = None if answer.x_error is None else rows.stack(answer.x_error)
        # An answer that fits the data stays where the other one determines no more than it does.
        taken = (status == _NOISE) | ~work.explained[pending]
        if not taken.any():
            return None
        band = None if band is None else band[taken]
        work.replace(pending[taken], rows.stack(answer.x)[taken], band, status[taken])
        return f"{self.solver.name}, then {answer.solver}"

    def _next_name(self) -> str | None:
        """The solver to fall back on; None if there is none that this matrix is not too large for."""
        structure, n = self.truth.structure, self.A.shape[-1]
        first = FALL_BACK[structure]
        if self.solver.name not in (first, "qr"):
            return first if structure != "operator" or n <= DENSE_LIMIT else None
        return "qr" if self.solver.name != "qr" and (structure == "dense" or n <= QR_LIMIT) else None

    def _matrix_for(self, name: str) -> Any:
        takes = resolve(name).traits.structures
        return self.A if structure_of(self.A) in takes else dense_of(self.A)

    # --- report ------------------------------------------------------------

    def _report(
        self,
        work: Answers,
        rows: Items,
        b: np.ndarray,
        rtol: float,
        name: str,
        note: str,
        why: str,
        started: float,
    ) -> LinearSolution:
        raw_only = not self.refine and not self.fallback and self.noise is None
        status = work.final_status(rtol, raw_only)
        worst = LinearStatus(int(status.max(initial=0)))
        message = self._message(work, status, worst, note)
        eta = work.eta.copy()
        items = None if rows.single else ItemReports(status, work.refinements, work.fell_back)
        return LinearSolution(
            rows.unstack(work.x),
            success=bool((work.omega <= rtol if raw_only else status <= LinearStatus.NOISE_LEVEL).all()),
            status=worst,
            message=message,
            backward_error=float(eta[0]) if rows.single else eta,
            refinements=int(work.refinements.max(initial=0)),
            solver=name,
            fell_back=bool(work.fell_back.any()),
            time=perf_counter() - started,
            iterations=work.iterations,
            x_error=None if work.x_error is None else rows.unstack(work.x_error),
            items=items,
            cause=why if work.fell_back.any() else "",
            noise=work.noise,
        )

    def _why(self, work: Answers, pending: np.ndarray, note: str, rtol: float) -> str:
        """A clause: why the answer of the first of these items is not accepted."""
        if self.cause is not None:
            return self.cause[1].rstrip(". ")
        first = int(pending[0])
        if note and (self.noise is not None or not np.isfinite(work.omega[first])):
            return note.rstrip(". ")
        name = self.solver.name
        if not np.isfinite(work.omega[first]):
            return f"{name} returned numbers that are not finite"
        if work.status[first] == _SINGULAR:
            return f"{name} found A singular to working precision"
        after = f" after {work.refinements[first]} corrections" if work.refinements[first] else ""
        return f"{name} reached a backward error of {work.omega[first]:.1e}{after}, not {rtol:.0e}"

    def _message(self, work: Answers, status: np.ndarray, worst: LinearStatus, note: str) -> str:
        count = int((status == worst).sum())
        parts = [self.picked] if self.picked else []
        if len(status) > 1 and worst is not _OK:
            parts.append(f"{count} of {len(status)} items: ")
        if worst is LinearStatus.NONFINITE_INPUT:
            parts.append(self._where(work, int(np.flatnonzero(status == worst)[0])) + ". ")
        elif self.cause is not None:
            parts.append(f"{self.cause[1]}. ")
        elif note:
            parts.append(note if note.endswith(" ") else f"{note} ")
        noisy = self.noise is not None and worst is _MISSED
        if noisy and not note and work.undetermined().any():
            parts.append(LOST)
        parts.append(NOISE_ADVICE if noisy else worst.sentence)
        return "".join(parts)

    def _where(self, work: Answers, item: int) -> str:
        if not (self.truth.finite[item] if self.truth.is_batch else self.truth.finite[0]):
            return self.truth.where_not_finite(item if self.truth.is_batch else 0)
        i = int(np.flatnonzero(~np.isfinite(work.given[item]))[0])
        where = f"b[{i}]" if len(work.given) == 1 else f"b, item {item}, entry {i}"
        return f"{where} is {work.given[item, i]}; A is finite"
