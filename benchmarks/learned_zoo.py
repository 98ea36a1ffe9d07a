"""Every linear problem of the zoo by `solve_bvp(..., linear_solver="algebraformer")`, and by "lu": the same answers?

Default arguments for both. A difference or error is the largest over unknowns, points and unknown parameters, relative to
1 + max |u|; the zoo accepts errors up to 1000 tol. Counted: linear systems, and how many another solver took over.

Run: python -m benchmarks.learned_zoo          (minutes, most of them spent by "lu" on large meshes)
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.learned_report import table
from spectral_nn import solve_bvp
from tests.problems import Problem, all_problems
from tests.zoo.checks import error_of, size_of

#: Errors accepted in the zoo, in units of tol.
ACCEPTED = 1000.0
HEAD = [
    "problem", "learned succeeds", "lu succeeds", "difference", "error, learned", "error, lu", "discretization",
    "points", "solves", "corrections", "fell back", "first because",
]  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """One problem solved twice."""

    problem: Problem
    learned: Any
    direct: Any

    @property
    def difference(self) -> float:
        """NaN unless both claim success."""
        if not (self.learned.success and self.direct.success):
            return float("nan")
        x = self.problem.sample()
        found = [float(np.abs(self.learned(x) - self.direct(x)).max())]
        found += [abs(value - self.direct.params[name]) for name, value in self.learned.params.items()]
        return max(found) / (1.0 + size_of(self.problem, self.direct))

    def error(self, result: Any) -> float:
        """Against the zoo's reference; NaN where there is none, or no claim of success."""
        if not (result.success and self.problem.has_reference):
            return float("nan")
        return error_of(self.problem, result) / (1.0 + size_of(self.problem, result))

    @property
    def alone(self) -> bool:
        """Whether the learned solver solved every system itself."""
        return self.learned.success and not self.learned.linear_stats["fell_back"]

    @property
    def some(self) -> bool:
        """Whether it solved any."""
        stats = self.learned.linear_stats
        return bool(self.learned.success and stats["fell_back"] < stats["solves"])


def compare(problem: Problem) -> Comparison:
    """Solve with both solvers, default arguments."""
    learned, direct = (
        solve_bvp(**problem.arguments(), linear_solver=name) for name in ("algebraformer", "lu")
    )
    return Comparison(problem, learned, direct)


def main() -> None:
    found = []
    for problem in all_problems():
        if "linear" in problem.tags:
            found.append(compare(problem))
            print(problem.name, found[-1].learned.linear_solver, flush=True)
    table("zoo", HEAD, [_row(c) for c in found])
    differences = [c.difference for c in found if np.isfinite(c.difference)]
    tols = [c.problem.tol for c in found if np.isfinite(c.difference)]
    errors = [(c.error(c.learned), c.problem.tol) for c in found if np.isfinite(c.error(c.learned))]
    outcome = [(c.learned.success, c.direct.success) for c in found]
    table(
        "zoo_summary",
        ["", "problems"],
        [
            ["linear problems of the zoo", len(found)],
            ["both succeed", outcome.count((True, True))],
            ["neither succeeds", outcome.count((False, False))],
            ["one of the two succeeds", sum(a != b for a, b in outcome)],
            ["difference within tol", sum(d <= t for d, t in zip(differences, tols, strict=True))],
            ["difference within 10 tol", sum(d <= 10 * t for d, t in zip(differences, tols, strict=True))],
            ["difference within 100 tol", sum(d <= 100 * t for d, t in zip(differences, tols, strict=True))],
            ["with a reference, and success claimed", len(errors)],
            ["their error is within 1000 tol", sum(e <= ACCEPTED * t for e, t in errors)],
            ["solved without any fall back", sum(c.alone for c in found)],
            ["some systems solved by the network", sum(c.some and not c.alone for c in found)],
            ["all systems solved by the fall back", sum(c.learned.success and not c.some for c in found)],
        ],
    )


def _row(c: Comparison) -> list[Any]:
    stats = c.learned.linear_stats
    cells = [c.problem.name, *("yes" if r.success else r.status.name for r in (c.learned, c.direct))]
    cells += [f"{v:.1e}" for v in (c.difference, c.error(c.learned), c.error(c.direct))]
    cells += [c.learned.method, c.learned.n, stats["solves"], stats["refinements"], stats["fell_back"]]
    return [*cells, stats.get("cause", "")]


if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    main()
