"""The linear-solver slot with a memory: who solved, how often it was refined, how often another took over, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..linear.certify import Certified, factor
from ..linear.registry import resolve

USUAL_RTOL = 1e-11
"""Backward error asked of the linear solver, row by row."""
USABLE = 1e-6
"""Backward error above which an answer is no Newton step."""


@dataclass
class Record:
    """What happened in the slot, over all attempts at a problem.

    `cause` is why another solver took over for the first time; `own` counts the answers of the solver asked for.
    """

    solves: int = 0
    refined: int = 0
    fell_back: int = 0
    own: int = 0
    names: dict[str, int] = field(default_factory=dict)
    failure: str = ""
    cause: str = ""


class Slot:
    """Factors systems with one solver and keeps a record; several slots may share one record.

    Parameters
    ----------
    solver : LinearSolver
    rtol : float
        Backward error asked of every answer.
    record : Record, optional
        That of an earlier attempt, to go on with.
    """

    def __init__(self, solver: Any, rtol: float = USUAL_RTOL, record: Record | None = None):
        self.solver, self.rtol = solver, rtol
        self.record = Record() if record is None else record

    def factor(self, A: Any) -> Factored:
        solver = self.solver
        if solver.name == "block" and isinstance(A, np.ndarray):
            solver = resolve("lu")  # compositions and kernels make the system dense
        fallback = solver.name not in ("auto", "block")  # elimination failed: so would any other
        return Factored(self.record, factor(solver, A, rtol=self.rtol, fallback=fallback))

    def report(self) -> dict[str, Any]:
        """What `BVPResult.linear_stats` holds."""
        record = self.record
        stats = {"solver": self._who(), "solves": record.solves, "refinements": record.refined}
        stats["fell_back"] = record.fell_back
        return {**stats, "cause": record.cause} if record.cause else stats

    def helpless(self) -> str:
        """A sentence where the solver that was asked for gave no answer at all."""
        record = self.record
        if record.own or not record.fell_back:
            return ""
        return f"{self.solver.name!r} solved none of the linear systems, another solver did: {record.cause}."

    def __str__(self) -> str:
        record = self.record
        text = f"{self._who()}, {record.solves} solve{'s' * (record.solves != 1)}"
        if record.refined:
            text += f", {record.refined} refinements"
        if not record.fell_back:
            return text
        times = "once" if record.fell_back == 1 else f"{record.fell_back} times"
        return f"{text}, fell back {times} ({'first ' * (record.fell_back > 1)}because {record.cause})"

    def _who(self) -> str:
        """First those who were asked, then those who took over: "algebraformer, then lu, block"."""
        asked: dict[str, None] = {}
        others: dict[str, None] = {}
        for name in self.record.names:
            first, _, rest = name.partition(", then ")
            asked[first] = None
            others.update(dict.fromkeys(rest.split(", then ") if rest else []))
        text = ", ".join(asked) or self.solver.name
        return f"{text}, then {', '.join(others)}" if others else text


@dataclass
class Factored:
    """A factored system; its solves go into the record."""

    record: Record
    certified: Certified

    @property
    def refused(self) -> bool:
        """Whether the solver did not even begin: the system is none of its kind, or it could not run at all."""
        return self.certified.cause is not None

    def give_up(self) -> None:
        """Keep in the record why nothing is solved with this."""
        if self.certified.cause is not None and not self.record.cause:
            self.record.cause = self.certified.cause[1].rstrip(". ")

    def rough(self, b: np.ndarray) -> np.ndarray:
        """x for b, unjudged where a direct solver gives it."""
        return self.certified.rough(b)

    def solve(self, b: np.ndarray) -> tuple[np.ndarray, bool]:
        """x for b, and whether it is usable."""
        answer, record = self.certified.solve(b), self.record
        record.solves += 1
        record.refined += answer.refinements
        record.fell_back += bool(answer.fell_back)
        record.own += answer.success and not answer.fell_back
        record.names[answer.solver] = record.names.get(answer.solver, 0) + 1
        usable = bool(np.isfinite(answer.x).all()) and answer.backward_error < USABLE
        if answer.fell_back and not record.cause:
            record.cause = answer.cause
        if not usable:
            record.failure = answer.message
        return answer.x, usable
