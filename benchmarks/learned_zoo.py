"""The linear part of the problem zoo by `solve_bvp(..., linear_solver="algebraformer")`, against "lu": same answers?

Both discretize by dense collocation. Counted: solves, and how many of them the direct solver had to take over.

Run: python -m benchmarks.learned_zoo
"""

from __future__ import annotations

import argparse
import re

import numpy as np

from benchmarks.learned_report import table
from spectral_nn import solve_bvp
from tests.problems import all_problems


def main(max_n: int) -> None:
    rows, same, claimed = [], 0, 0
    # collocation is on one interval: what has break points is not for a solver of dense systems
    problems = [p for p in all_problems() if "linear" in p.tags and not p.breakpoints]
    for problem in problems:
        arguments = problem.arguments()
        learned, direct = (
            solve_bvp(**arguments, linear_solver=name, method="collocation", max_n=max_n)
            for name in ("algebraformer", "lu")
        )
        x = problem.sample()
        difference = float("nan")
        if learned.success and direct.success:
            size = 1 + np.abs(direct(x)).max()
            difference = float(np.abs(learned(x) - direct(x)).max() / size)
            same += difference < 1000 * problem.tol
        claimed += learned.success
        found = re.search(r"fell back (\d+)", str(learned.linear_solver))
        solves = re.search(r"(\d+) solve", str(learned.linear_solver))
        rows.append(
            [problem.name, learned.n, "yes" if learned.success else "no", "yes" if direct.success else "no",
             difference, solves[1] if solves else "", found[1] if found else "0"]
        )  # fmt: skip
    head = ["problem", "n", "learned succeeds", "lu succeeds", "difference", "solves", "fell back"]
    table("zoo", head, rows)
    both = sum(r[2] == r[3] == "yes" for r in rows)
    alone = sum(r[6] == "0" and r[2] == "yes" for r in rows)
    table(
        "zoo_summary",
        ["linear problems", "both succeed", "same answer", "learned alone succeeds", "without any fall back"],
        [[len(rows), both, same, sum(r[2] == "yes" and r[3] == "no" for r in rows), alone]],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--max-n", type=int, default=260, help="points at most: dense matrices")
    main(**vars(parser.parse_args()))
