"""How the time of the ultraspherical method grows with the number of unknowns, beside LAPACK's banded solver.

Run: python benchmarks/growth.py      (about 1 minute; writes benchmarks/results/growth.csv,
docs/figures/growth.png)

The problem is Airy's, eps u'' - x u = 0 on [-1, 1], with eps such that n = 1e2 … 1e6 coefficients are needed
(bands of 3 and 3 below two dense rows).  Per size, in processor time of one thread, the smallest of several
repeats:

    discretize   assembly of the almost-banded matrix of size n
    factor_solve the linear solve alone: QR, its test for singularity, one right-hand side (AlmostBandedQR)
    march        `solve_ultraspherical`: finds n by itself, assembles, factors, solves, checks the answer
    gbsv         scipy.linalg.solve_banded of the same size and bandwidth
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy loads its BLAS

import numpy as np
from scipy.linalg import solve_banded

from spectral_nn.bvp.ultraspherical import discretize_ultraspherical, solve_ultraspherical
from spectral_nn.linear.almost_banded import AlmostBandedQR

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "growth.csv"
FIGURE = ROOT / "docs" / "figures" / "growth.png"
# eps and the n that it takes, about 0.63 eps^(-1/2)
PROBLEMS = {100: 2.7e-4, 1_000: 5.6e-7, 10_000: 4.2e-9, 100_000: 3.95e-11, 1_000_000: 3.9e-13}
REPEATS = 7
CONDITIONS = [([(-1.0, 0, 1.0)], 1.0), ([(1.0, 0, 1.0)], 0.0)]


def main() -> None:
    rows = [measure(eps) for eps in PROBLEMS.values()]
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print("nanoseconds per unknown")
    for row in rows:
        print("  ".join(f"{name}={value}" for name, value in row.items()))
    draw(rows)


def measure(eps: float) -> dict[str, object]:
    """Nanoseconds per unknown of each kind of work."""
    coefs = [np.array([0.0, -1.0]), 0, eps]
    _, info = solve_ultraspherical(coefs, 0, CONDITIONS)
    assert info.success, info
    n, (lower, upper) = info.n, info.bandwidth
    system = discretize_ultraspherical(coefs, 0, CONDITIONS, n)
    right = np.asarray(system.b)
    solver = AlmostBandedQR()
    rng = np.random.default_rng(0)
    ab = rng.normal(size=(lower + upper + 1, n))
    ab[upper] += 2 * (lower + upper)
    b = rng.normal(size=n)
    seconds = {
        "discretize": least(lambda: discretize_ultraspherical(coefs, 0, CONDITIONS, n), n),
        "factor_solve": least(lambda: solver.solve(solver.factor(system), right), n),
        "march": least(lambda: solve_ultraspherical(coefs, 0, CONDITIONS), n),
        "gbsv": least(lambda: solve_banded((lower, upper), ab, b, check_finite=False), n),
    }
    row: dict[str, object] = {"eps": eps, "n": n, "lower": lower, "upper": upper}
    row |= {name: round(1e9 * s / n, 1) for name, s in seconds.items()}
    row["factor_solve_over_gbsv"] = round(seconds["factor_solve"] / seconds["gbsv"], 2)
    row["march_over_gbsv"] = round(seconds["march"] / seconds["gbsv"], 2)
    row["residual"] = f"{info.residual:.1e}"
    return row


def least(run: Callable[[], object], n: int) -> float:
    """Smallest processor time of several runs, in seconds."""
    best = np.inf
    inner = max(1, 5_000 // n)  # the clock is too coarse for one small solve
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(inner):
            run()
        best = min(best, (time.process_time() - start) / inner)
    return float(best)


def draw(rows: list[dict[str, object]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(6.4, 4.0))
    n = [row["n"] for row in rows]
    labels = {
        "march": "solve_ultraspherical (everything)",
        "factor_solve": "almost-banded QR",
        "discretize": "assembly",
        "gbsv": "LAPACK gbsv, same band",
    }
    for (name, label), style in zip(labels.items(), ("o-", "s-", "^-", "k--"), strict=True):
        ax.loglog(n, [row[name] for row in rows], style, label=label)
    ax.set_xlabel("unknowns")
    ax.set_ylabel("nanoseconds per unknown")
    ax.set_title(r"$\varepsilon u'' - x u = 0$, $\varepsilon$ = 3e-4 … 4e-13")
    ax.legend()
    ax.grid(True, which="both", alpha=0.25)
    figure.tight_layout()
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=150)


if __name__ == "__main__":
    main()
