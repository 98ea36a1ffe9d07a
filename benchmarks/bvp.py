"""Boundary value problems: spectral_nn against scipy.integrate.solve_bvp, in one run, errors checked.

Run: python -m benchmarks.bvp                 (about 4 minutes, most of it SciPy's failures)
     python -m benchmarks.bvp --only T1 bratu (problems whose names start so; nothing is saved)

Every problem of the Cash/Mazzia set and the classical ones of the zoo (tests/zoo) with a reference. What is
timed is the call of `solve_bvp`, from the user's functions to the result, compiled kernels warm, one thread;
the smallest of several repeats counts. SciPy gets tol=1e-9, up to 100000 nodes, vectorized callbacks and the
straight line on 11 points, and where it fails or misses 1e-9 a second chance on 41 points; the time is that
of the attempt that succeeded, or of the cheaper failure. Writes benchmarks/results/bvp.csv,
docs/figures/benchmark_bvp.png and the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse

from benchmarks.bvp_measure import Row, measure
from benchmarks.bvp_report import print_row, save
from tests.problems import Problem, all_problems


def main(only: list[str] | None = None, repeats: int = 5, scipy: bool = True) -> list[Row]:
    """Measure the problems one by one; save the tables if all of them were measured."""
    rows = []
    for problem in benchmark_set(only):
        rows.append(measure(problem, repeats, scipy))
        print_row(rows[-1])
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
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-scipy", dest="scipy", action="store_false")
    main(**vars(parser.parse_args()))
