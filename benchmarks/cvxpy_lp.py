"""CVXPY problems end to end: newton_lp against Clarabel, SCS and ECOS, compilation and solve apart.

Run: python -m benchmarks.cvxpy_lp            (15 minutes; writes benchmarks/results/cvxpy_lp.csv, the table
of
                                               docs/cvxpy.md and docs/figures/cvxpy_lp.png)
     python -m benchmarks.cvxpy_lp --hard     (half a minute; bad scales and conditioning, its own csv and table)
     python -m benchmarks.cvxpy_lp --small    (half a minute; sizes up to 500 x 50, nothing written)

Every time is that of ``problem.solve(...)`` on a problem built anew, so reading or compiling is in it:
processor time of one thread (the wall's time on an idle machine), the smallest of several repeats, fewer for
the slow ones. Compilation is timed apart, on another copy. A rival that is not done after `LIMIT` seconds of
solving counts with the time it took. The error of a value is its distance from the certified optimum,
relative. Clarabel runs twice, on CVXPY's rational second-order cones (the default of ``cp.norm``) and on
exact power cones (``approx=False``).
"""

from __future__ import annotations

import argparse
import csv
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import cvxpy as cp  # noqa: E402  the thread counts come first
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402
import spectral_nn_cvxpy  # noqa: E402

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "cvxpy_lp.csv"
HARD = RESULTS.with_name("cvxpy_hard.csv")
FIGURE = ROOT / "docs" / "figures" / "cvxpy_lp.png"
PAGE = ROOT / "docs" / "cvxpy.md"
LIMIT = 300.0  # seconds of solver time after which a rival is stopped
SLOW = 2.0  # seconds beyond which a rival is measured once


@dataclass(frozen=True)
class Case:
    name: str
    A: Any
    b: np.ndarray
    p: float
    sides: tuple[np.ndarray, np.ndarray] | None = None  # E x = e
    power: bool = False  # sum of p-th powers instead of the norm

    def build(self, approx: bool = True) -> cp.Problem:
        x = cp.Variable(self.A.shape[1])
        r = self.A @ x - self.b
        if self.power:
            objective = cp.sum(cp.power(cp.abs(r), self.p, approx=approx))
        else:
            objective = cp.pnorm(r, self.p, approx=approx)
        return cp.Problem(
            cp.Minimize(objective), [] if self.sides is None else [self.sides[0] @ x == self.sides[1]]
        )


SIZES = [(50, 10), (200, 20), (128, 64), (500, 50), (1000, 100), (2000, 100), (5000, 200), (20000, 200)]


def cases(small: bool) -> list[Case]:
    out = [
        gaussian(m, n, p)
        for m, n in [
            (50, 10),
            (200, 20),
            (128, 64),
            (500, 50),
            (1000, 100),
            (2000, 100),
            (5000, 200),
            (20000, 200),
        ]
        for p in ([1.5, 4.0] if m <= 2000 else [4.0])
        if m <= 500 or not small
    ]
    return out if small else [*out, sparse(10000, 1000, 4.0), constrained(1000, 100, 20, 8.0)]


def hard_cases() -> list[Case]:
    return [
        ill_conditioned(500, 30, 4.0, 1e8),
        ill_conditioned(300, 30, 16.0, 1e5),
        rescaled(1e-8, 1.5, power=False),
        rescaled(1e-8, 8.0, power=False),
        rescaled(1e-8, 8.0, power=True),
        rescaled(1e8, 1.5, power=False),
        rescaled(1e8, 3.0, power=True),
    ]


RIVALS: dict[str, tuple[bool, dict[str, Any]]] = {
    "Clarabel, cones": (True, {"solver": "CLARABEL", "time_limit": LIMIT}),
    "Clarabel, power cones": (False, {"solver": "CLARABEL", "time_limit": LIMIT}),
    "SCS": (True, {"solver": "SCS", "time_limit_secs": LIMIT}),
    "ECOS": (True, {"solver": "ECOS"}),  # knows no time limit: small problems alone
}
LARGEST = {"ECOS": 500, "SCS": 2000, "Clarabel, power cones": 5000}


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--small", action="store_true", help="sizes up to 500 x 50; nothing is written")
    arguments.add_argument("--hard", action="store_true", help="bad scales and conditioning")
    options = arguments.parse_args()
    warm_up()
    rows = []
    for case in hard_cases() if options.hard else cases(options.small):
        measured = compare(case)
        rows += measured
        for row in measured:
            print("  ".join(f"{name}={value}" for name, value in row.items()), flush=True)
    if options.hard:
        write(rows, HARD, "cvxpy_hard")
    elif not options.small:
        write(rows, RESULTS, "cvxpy_lp")
        draw(rows)


def compare(case: Case) -> list[dict[str, Any]]:
    options = {"method": "newton_lp", "warm_start": False}
    mine = best(lambda: solved(case.build(approx=False), options), repeats=15)
    mine["compile"] = min(compiled(case.build(approx=False), None) for _ in range(5))
    tight = solved(case.build(approx=False), {**options, "tol": 1e-13})
    optimum = tight["value"] * (1 - tight["gap"])
    rows = [line(case, "newton_lp", mine, optimum, mine["seconds"])]
    for rival, (approx, options) in RIVALS.items():
        if case.A.shape[0] > LARGEST.get(rival, 10**9):
            continue
        # The rational exponent of cp.norm is the exponent itself for the exponents here.
        theirs = best(partial(rival_solve, case, approx, options), repeats=3)
        once = 1 if theirs["seconds"] > SLOW else 3
        solver = str(options["solver"])
        theirs["compile"] = min(compiled(case.build(approx=approx), solver) for _ in range(once))
        rows.append(line(case, rival, theirs, optimum, mine["seconds"]))
    return rows


def solved(problem: cp.Problem, options: dict[str, Any]) -> dict[str, Any]:
    began = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.solve(**options)
        status = problem.status
    except cp.error.SolverError:
        status = "failed"
    seconds = time.process_time() - began
    stats = problem.solver_stats
    extra = getattr(stats, "extra_stats", None)
    return {
        "seconds": seconds,
        "value": problem.value if problem.value is not None else np.nan,
        "status": status,
        "iterations": getattr(stats, "num_iters", None),
        "gap": extra["gap"] if isinstance(extra, dict) and "gap" in extra else np.nan,
    }


def compiled(problem: cp.Problem, solver: str | None) -> float:
    """Seconds until the numbers are ready for the solver; `solver` None is newton_lp."""
    began = time.process_time()
    if solver is None:
        problem.is_dcp()
        spectral_nn_cvxpy.read(problem).numbers()
    else:
        problem.get_problem_data(solver)
    return time.process_time() - began


def rival_solve(case: Case, approx: bool, options: dict[str, Any]) -> dict[str, Any]:
    return solved(case.build(approx=approx), dict(options))


def best(run: Callable[[], dict[str, Any]], repeats: int) -> dict[str, Any]:
    first = run()
    if first["seconds"] > SLOW:
        return first
    return min([first, *(run() for _ in range(repeats - 1))], key=lambda outcome: outcome["seconds"])


def line(case: Case, solver: str, outcome: dict[str, Any], optimum: float, mine: float) -> dict[str, Any]:
    # `optimum` is a proven lower bound, closer to the optimum than any value here needs.
    error = max((outcome["value"] - optimum) / optimum, 0.0) if np.isfinite(outcome["value"]) else np.nan
    return {
        "case": case.name,
        "p": f"{case.p:g}",
        "solver": solver,
        "status": outcome["status"],
        "ms": f"{1e3 * outcome['seconds']:.2f}",
        "compile_ms": f"{1e3 * outcome['compile']:.2f}",
        "solve_ms": f"{1e3 * max(outcome['seconds'] - outcome['compile'], 0.0):.2f}",
        "iterations": outcome["iterations"],
        "error": f"{error:.0e}",
        "over_newton_lp": f"{outcome['seconds'] / mine:.1f}",
    }


def gaussian(m: int, n: int, p: float) -> Case:
    rng = np.random.default_rng(0)
    return Case(f"{m}x{n}", rng.standard_normal((m, n)), rng.standard_normal(m), p)


def sparse(m: int, n: int, p: float) -> Case:
    rng = np.random.default_rng(3)
    A = sp.random_array((m, n), density=0.005, rng=rng, format="csr") + sp.eye_array(m, n, format="csr")
    return Case(f"sparse {m}x{n}", sp.csr_array(A), rng.standard_normal(m), p)


def constrained(m: int, n: int, k: int, p: float) -> Case:
    """Random instance of Adil, Peng, Sachdeva (NeurIPS 2019)."""
    rng = np.random.default_rng(m)
    E = rng.random((k, n))
    return Case(f"{m}x{n}, {k} equalities", rng.random((m, n)), rng.random(m), p, (E, E @ rng.random(n)))


def ill_conditioned(m: int, n: int, p: float, condition: float) -> Case:
    rng = np.random.default_rng(n)
    U, _ = np.linalg.qr(rng.standard_normal((m, n)))
    V, _ = np.linalg.qr(rng.standard_normal((n, n)))
    A = (U * np.logspace(0, -np.log10(condition), n)) @ V.T
    return Case(f"{m}x{n}, condition {condition:.0e}", A, rng.standard_normal(m), p)


def rescaled(factor: float, p: float, power: bool) -> Case:
    rng = np.random.default_rng(2)
    A, b = rng.standard_normal((200, 20)), rng.standard_normal(200)
    kind = "powers" if power else "norm"
    return Case(f"200x20, data times {factor:.0e}, {kind}", factor * A, factor * b, p, power=power)


def warm_up() -> None:
    """Load libraries and compiled kernels before the clock runs."""
    for case in (gaussian(40, 5, 3.0), sparse(5000, 300, 3.0), constrained(60, 10, 2, 3.0)):
        case.build(approx=False).solve(method="newton_lp")
    for _, options in RIVALS.values():
        solved(gaussian(30, 3, 3.0).build(), dict(options))


def write(rows: list[dict[str, Any]], path: Path, marker: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    if PAGE.exists():
        text = PAGE.read_text()
        start = text.index("\n", text.index(f"<!-- {marker}:")) + 1
        PAGE.write_text(text[:start] + table(rows) + text[text.index("<!-- end -->", start) :])


def table(rows: list[dict[str, Any]]) -> str:
    head = "| problem | p | solver | status | total, ms | compile, ms | solve, ms | error | × newton_lp |"
    out = [head, "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in rows:
        cells = ("case", "p", "solver", "status", "ms", "compile_ms", "solve_ms", "error", "over_newton_lp")
        out.append("| " + " | ".join(str(row[cell]) for cell in cells) + " |")
    return "\n".join(out) + "\n"


def draw(rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(f"{row['case']}\np = {row['p']}" for row in rows))
    solvers = list(dict.fromkeys(row["solver"] for row in rows))
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(11, 7), sharex=True, layout="constrained")
    for k, solver in enumerate(solvers):
        mine = [row for row in rows if row["solver"] == solver]
        at = np.array([names.index(f"{row['case']}\np = {row['p']}") for row in mine]) + 0.16 * (
            k - len(solvers) / 2
        )
        compiled, total = (np.array([float(row[c]) for row in mine]) for c in ("compile_ms", "ms"))
        (bar,) = top.bar(at, total, 0.15, label=solver)[:1]
        top.bar(at, np.maximum(compiled, 1e-2), 0.15, color="white", alpha=0.45, hatch="////")
        error = np.array([max(float(row["error"]), 1e-16) for row in mine])
        bottom.plot(at, error, "o", color=bar.get_facecolor())
    top.set(yscale="log", ylabel="ms, problem.solve() in all\n(hatched: reading or compiling)")
    top.legend(ncols=len(solvers), fontsize=8)
    bottom.set(yscale="log", ylabel="relative error of the value", xticks=range(len(names)))
    bottom.set_xticklabels(
        [name.replace("sparse ", "sparse\n").replace(", ", "\n") for name in names], fontsize=7
    )
    bottom.axhline(1e-9, color="gray", lw=0.8)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=130)


if __name__ == "__main__":
    main()
