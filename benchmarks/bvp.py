"""Boundary value problems: spectral_nn against scipy.integrate.solve_bvp, in one run, errors checked.

Run: python -m benchmarks.bvp                 (about 4 minutes, most of it SciPy's)
     python -m benchmarks.bvp --only T1 bratu (problems whose names start so; nothing is saved)

Every problem of the Cash/Mazzia set and the classical ones of the zoo (tests/zoo) with a reference. What is
timed is the call of `solve_bvp`, from the user's functions to the result, compiled kernels warm, in processor
time of one thread; the smallest of several rounds counts. SciPy gets tol=1e-9, up to 100000 nodes, vectorized
callbacks and the straight line on 11 points, and where it fails or misses 1e-9 a second chance on 41 points;
the time is that of the attempt that succeeded, or of the cheaper failure. Writes benchmarks/results/bvp.csv,
docs/figures/benchmark_bvp.png and the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy loads its BLAS

from benchmarks.bvp_measure import Row, faster, measure
from benchmarks.bvp_report import print_row, save, summary
from tests.problems import Problem, all_problems


def main(only: list[str] | None = None, rounds: int = 3, repeats: int = 3, scipy: bool = True) -> list[Row]:
    """Measure every problem in each round, keep the smallest times; save the tables if all were measured."""
    problems = benchmark_set(only)
    found: dict[str, Row] = {}
    for number in range(rounds):
        for problem in problems:
            before = found.get(problem.name)
            again = before is None or before.scipy_solved  # failures of SciPy take seconds: once is enough
            found[problem.name] = faster(before, measure(problem, repeats, scipy and again))
            if number == rounds - 1:
                print_row(found[problem.name])
    rows = list(found.values())
    print("\n" + summary(rows))
    if scipy and not only:
        save(rows)
    return rows


def benchmark_set(only: list[str] | None = None) -> list[Problem]:
    """Cash/Mazzia and classical problems, well posed, that have a reference and SciPy's form."""
    return [
        p
        for p in all_problems()
        if p.tags & {"cash", "classical"}
        and p.has_reference
        and p.first_order is not None
        and "ill_conditioned" not in p.tags
        and (not only or any(p.name.startswith(word) for word in only))
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="spectral_nn against SciPy on boundary value problems")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="problems whose names start with one of these"
    )
    parser.add_argument("--rounds", type=int, default=3, help="passes over the whole set")
    parser.add_argument("--repeats", type=int, default=3, help="solves of a problem in one pass")
    parser.add_argument("--no-scipy", dest="scipy", action="store_false")
    main(**vars(parser.parse_args()))
