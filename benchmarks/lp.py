"""minimize_lp against its floor, L-BFGS-B, Clarabel, SCS and ECOS; batches against the loop.

Run: python -m benchmarks.lp            (6 minutes; writes benchmarks/results/lp.csv, lp_batch.csv, the tables of
                                         docs/minimize_lp.md and docs/figures/lp_benchmark.png)
     python -m benchmarks.lp --small    (half a minute; sizes up to 500 x 50, nothing written)

Times are processor time of one thread, the smallest of several repeats. The floor is what no Newton method on A'DA
can beat: the iterations and the start, each one scaled syrk in cache, one Cholesky factorization with two triangular
solves and two products with A, through the same BLAS. The cone solvers are called through CVXPY; their time is that of
``problem.solve`` with the compilation taken off. The error is the distance of the objective from a certified lower
bound of the optimum, relative.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import numpy as np  # noqa: E402  the thread counts come first
import scipy.sparse as sp  # noqa: E402
from scipy.linalg import blas, lapack  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

from spectral_nn import minimize_lp, minimize_lp_batch  # noqa: E402

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
FIGURE = ROOT / "docs" / "figures" / "lp_benchmark.png"
PAGE = ROOT / "docs" / "minimize_lp.md"
SIZES = [(50, 10), (200, 20), (128, 64), (500, 50), (1000, 100), (2000, 100), (5000, 200), (20000, 200)]
CONES = {"Clarabel": 2000, "SCS": 500, "ECOS": 500}  # rows up to which each is asked: beyond, minutes
LIMIT = 30.0  # seconds a cone solver may take
Case = tuple[str, Any, np.ndarray, float]


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--small", action="store_true", help="sizes up to 500 x 50; nothing is written")
    small = arguments.parse_args().small
    minimize_lp(*gaussian(30, 5), 3)  # compiled kernels are loaded before the clock runs
    minimize_lp(sp.csr_array(gaussian(300, 200)[0]), np.ones(300), 3)
    rows = []
    for case in cases(small):
        for row in compare(*case):
            rows.append(row)
            print("  ".join(f"{name}={value}" for name, value in row.items()), flush=True)
    batches = [
        batch(*shape, p) for shape in ((20, 5, 500), (50, 10, 500), (128, 64, 100)) for p in (1.5, 4.0)
    ]
    for row in batches:
        print("  ".join(f"{name}={value}" for name, value in row.items()), flush=True)
    if not small:
        write(rows, batches)


def cases(small: bool) -> list[Case]:
    """Name, A, b, p."""
    out: list[Case] = [
        (f"{m}x{n}", *gaussian(m, n), p) for m, n in SIZES if m <= 500 or not small for p in (1.5, 4.0)
    ]
    out += [("500x50", *gaussian(500, 50), p) for p in (1.1, 8.0, 32.0)]
    out += [("500x50, outliers", *outliers(500, 50), p) for p in (1.1, 8.0)]
    out += [(f"300x30, kappa 1e{k}", *conditioned(300, 30, 10.0**k), 4.0) for k in (5, 8)]
    if not small:
        out.append(("sparse 10000x1000", *sparse(10000, 1000), 4.0))
    return out


def compare(name: str, A: Any, b: np.ndarray, p: float) -> list[dict[str, Any]]:
    """One line per solver."""
    seconds, result = timed(lambda: minimize_lp(A, b, p))
    newton = minimize_lp(A, b, p, callback=lambda info: None).nit  # a callback asks for Newton alone
    floor = np.nan if sp.issparse(A) else (newton + 1) * iteration_floor(A)
    rows = [line(name, p, "minimize_lp", seconds, result.fun, result.dual_fun, result.nit, seconds, floor)]
    took, (value, iterations) = timed(lambda: lbfgs(A, b, p), repeats=3)
    rows.append(line(name, p, "L-BFGS-B", took, value, result.dual_fun, iterations, seconds))
    for solver, largest in CONES.items():
        if A.shape[0] <= largest and "x" in name and "," not in name:
            took, value, iterations = cone(A, b, p, solver)
            rows.append(line(name, p, solver, took, value, result.dual_fun, iterations, seconds))
    return rows


def line(
    name: str, p: float, solver: str, seconds: float, value: float, lower: float, iterations: Any, mine: float,
    floor: float = np.nan,
) -> dict[str, Any]:  # fmt: skip
    return {
        "case": name,
        "p": f"{p:g}",
        "solver": solver,
        "ms": f"{1e3 * seconds:.3g}",
        "iterations": iterations,
        "error": f"{max(value / lower - 1, 0.0):.0e}" if np.isfinite(value) else "failed",
        "over_floor": "" if np.isnan(floor) else f"{seconds / floor:.2f}",
        "over_minimize_lp": f"{seconds / mine:.1f}",
    }


def timed(run: Callable[[], Any], repeats: int = 20) -> tuple[float, Any]:
    """Least processor time, and the last outcome; few repeats for what is slow."""
    best, spent, outcome = np.inf, 0.0, None
    for _ in range(repeats):
        began = time.process_time()
        outcome = run()
        took = time.process_time() - began
        best, spent = min(best, took), spent + took
        if spent > 3.0:
            break
    return best, outcome


def iteration_floor(A: np.ndarray) -> float:
    """Seconds of one scaled syrk (blocks in cache), Cholesky, two triangular solves, two products with A."""
    m, n = A.shape
    w, ones = np.random.default_rng(0).random((m, 1)) + 0.5, np.ones(n)
    block = max(64, min(m, 2**18 // (8 * n)))
    scaled = np.empty((block, n))

    def once() -> None:
        H = np.zeros((n, n), order="F")
        for lo in range(0, m, block):
            hi = min(m, lo + block)
            np.multiply(A[lo:hi], w[lo:hi], out=scaled[: hi - lo])
            blas.dsyrk(1.0, scaled[: hi - lo].T, beta=1.0, c=H, lower=1, overwrite_c=1)
        L, _ = lapack.dpotrf(H, lower=1, overwrite_a=1, clean=0)
        A.T @ (A @ lapack.dpotrs(L, ones, lower=1)[0])

    repeats = max(1, int(2e-3 / max(timed(once, 3)[0], 1e-6)))

    def often() -> None:
        for _ in range(repeats):
            once()

    return timed(often)[0] / repeats


def lbfgs(A: Any, b: np.ndarray, p: float) -> tuple[float, int]:
    """sum |r|^p, normalized, by SciPy's L-BFGS-B from x = 0, as far as it goes."""
    top = float(np.abs(b).max())

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        r = (A @ x - b) / top
        w = np.abs(r) ** (p - 1)
        return float(w @ np.abs(r)) / p, A.T @ (w * np.sign(r)) / top

    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 20}
    found = minimize(objective, np.zeros(A.shape[1]), jac=True, method="L-BFGS-B", options=options)
    return float(np.linalg.norm((A @ found.x - b) / top, p)) * top, found.nit


def cone(A: Any, b: np.ndarray, p: float, solver: str) -> tuple[float, float, Any]:
    """Seconds of solving alone, value and iterations of a cone solver behind CVXPY's cp.norm."""
    import warnings

    import cvxpy as cp

    x = cp.Variable(A.shape[1])
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)))
    problem.get_problem_data(solver.upper())  # compiled once; the solve below finds it done
    options = {"Clarabel": {"time_limit": LIMIT}, "SCS": {"time_limit_secs": LIMIT}}.get(solver, {})
    began = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.solve(solver=solver.upper(), **options)
        value = float(problem.value) if problem.value is not None else np.nan
    except cp.error.SolverError:
        value = np.nan
    seconds = time.process_time() - began
    iterations = problem.solver_stats.num_iters if problem.solver_stats else None
    return seconds, value, iterations


def batch(m: int, n: int, size: int, p: float) -> dict[str, Any]:
    """The batch against the loop: processor time per problem, that of the batch over its threads."""
    import numba

    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((size, m, n)), rng.standard_normal((size, m))
    minimize_lp_batch(A[:2], b[:2], p)
    threads = numba.get_num_threads()
    together = timed(lambda: minimize_lp_batch(A, b, p))[0] / size / threads
    loop = timed(lambda: [minimize_lp(A[k], b[k], p) for k in range(size)], 5)[0] / size
    few = min(size, 50)  # with a callback, the road that is not compiled whole
    general = (
        timed(lambda: [minimize_lp(A[k], b[k], p, callback=lambda i: None) for k in range(few)], 5)[0] / few
    )
    return {
        "shape": f"{m}x{n}",
        "p": f"{p:g}",
        "problems": size,
        "threads": threads,
        "us_each_batch": f"{1e6 * together:.1f}",
        "us_each_loop": f"{1e6 * loop:.1f}",
        "us_each_loop_general": f"{1e6 * general:.1f}",
        "loop_over_batch": f"{loop / together:.1f}",
        "general_over_batch": f"{general / together:.1f}",
    }


def gaussian(m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((m, n)), rng.standard_normal(m)


def outliers(m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((m, n))
    b = A @ rng.standard_normal(n) + 0.1 * rng.standard_normal(m)
    wrong = rng.random(m) < 0.1
    b[wrong] += 10 * rng.standard_normal(wrong.sum())
    return A, b


def conditioned(m: int, n: int, kappa: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((k, n)))[0] for k in (m, n))
    return (U * np.logspace(0, -np.log10(kappa), n)) @ V.T, rng.standard_normal(m)


def sparse(m: int, n: int) -> tuple[sp.csr_array, np.ndarray]:
    rng = np.random.default_rng(3)
    A = sp.random_array((m, n), density=0.005, rng=rng, format="csr") + sp.eye_array(m, n, format="csr")
    return sp.csr_array(A), rng.standard_normal(m)


def write(rows: list[dict[str, Any]], batches: list[dict[str, Any]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    for name, table in (("lp", rows), ("lp_batch", batches)):
        with (RESULTS / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, table[0].keys())
            writer.writeheader()
            writer.writerows(table)
        if PAGE.exists():
            text = PAGE.read_text()
            start = text.index("\n", text.index(f"<!-- {name}:")) + 1
            end = text.index("<!-- end -->", start)
            PAGE.write_text(text[:start] + markdown(table) + text[end:])
    draw(rows)


def markdown(table: list[dict[str, Any]]) -> str:
    heads = list(table[0])
    lines = ["| " + " | ".join(head.replace("_", " ") for head in heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(row[h]) for h in heads) + " |" for row in table]) + "\n"


def draw(rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(f"{row['case']}\np = {row['p']}" for row in rows))
    solvers = list(dict.fromkeys(row["solver"] for row in rows))
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(12, 7), sharex=True, layout="constrained")
    for solver in solvers:
        mine = [row for row in rows if row["solver"] == solver]
        at = [names.index(f"{row['case']}\np = {row['p']}") for row in mine]
        top.plot(at, [float(row["ms"]) for row in mine], "o", label=solver)
        errors = [np.nan if row["error"] == "failed" else max(float(row["error"]), 1e-16) for row in mine]
        bottom.plot(at, errors, "o")
    floors = [(k, row) for k, row in enumerate(names_of(rows, names)) if row and row["over_floor"]]
    top.plot(
        [k for k, _ in floors], [float(row["ms"]) / float(row["over_floor"]) for _, row in floors], "k_", ms=14,
        label="floor of Newton on A'DA",
    )  # fmt: skip
    top.set(yscale="log", ylabel="ms (cones: without compilation)")
    top.legend(ncols=5, fontsize=8)
    bottom.axhline(1e-9, color="gray", lw=0.8)
    bottom.set(yscale="log", ylabel="relative error", xticks=range(len(names)))
    bottom.set_xticklabels([name.replace(", ", "\n").replace(" 1", "\n1") for name in names], fontsize=6)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=130)


def names_of(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any] | None]:
    """minimize_lp's line for every name."""
    found = {f"{row['case']}\np = {row['p']}": row for row in rows if row["solver"] == "minimize_lp"}
    return [found.get(name) for name in names]


if __name__ == "__main__":
    main()
