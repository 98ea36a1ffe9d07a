"""How fast are batches of collocation matrices assembled, against the rate at which memory can be written?

Run: python benchmarks/assembly.py        (about 30 s; writes benchmarks/results/assembly.csv)

Each line compares `second_order_batch` for B systems of size n = 64 (three coefficient arrays) with filling
an array of the same size: by one thread (ndarray.fill), by all threads (a Numba loop), and into fresh memory
(np.empty, first touch included). The assembly uses all threads. The last column is the whole way through
`BVP.discretize`: the user's coefficient functions, the trace, conditions and right-hand sides included.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit, prange

from spectral_nn import BVP
from spectral_nn.bvp.collocation import row_nodes, second_order_batch

RESULTS = Path(__file__).parent / "results" / "assembly.csv"
REPEATS = 60  # minima: other work on the machine must not count


def main() -> None:
    rows = [measure(batch, 64) for batch in (100, 1000, 4000, 10000)]
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print("  ".join(f"{name}={value}" for name, value in row.items()))


def measure(batch: int, n: int) -> dict[str, object]:
    rng = np.random.default_rng(0)
    x = row_nodes(n, 2)
    alpha, omega = rng.uniform(0, 0.8, (batch, 1)), rng.uniform(0.5, 2, (batch, 1))

    def a2_of(x: np.ndarray) -> np.ndarray:
        return -(1 + alpha * np.cos(2 * np.pi * omega * x))

    def a1_of(x: np.ndarray) -> np.ndarray:
        return 2 * np.pi * alpha * omega * np.sin(2 * np.pi * omega * x)

    a2, a1 = a2_of(x), a1_of(x)
    out = np.empty((batch, n, n))
    gigabytes = out.nbytes / 1e9
    second_order_batch(a2, a1, 0.0, n, out=out)  # compile
    fill = best(lambda: out.fill(1.0))
    assemble = best(lambda: second_order_batch(a2, a1, 0.0, n, out=out))
    fill_in_parallel(out)  # compile
    threads_fill = best(lambda: fill_in_parallel(out))
    fresh_fill = best(lambda: np.empty((batch, n, n)).fill(1.0))
    fresh_assemble = best(lambda: second_order_batch(a2, a1, 0.0, n))
    problem = BVP(
        lambda x, u: a2_of(x) * u.diff(2) + a1_of(x) * u.diff(), (-1, 1), lbc=0, rbc=0, rhs=1.0
    )  # fmt: skip
    discretize = best(lambda: problem.discretize(n, out=out))
    return {
        "B": batch,
        "n": n,
        "fill_GB_s": round(gigabytes / fill, 2),
        "threads_fill_GB_s": round(gigabytes / threads_fill, 2),
        "assemble_GB_s": round(gigabytes / assemble, 2),
        "percent_of_fill": round(100 * fill / assemble, 1),
        "percent_of_threads_fill": round(100 * threads_fill / assemble, 1),
        "fresh_fill_GB_s": round(gigabytes / fresh_fill, 2),
        "fresh_assemble_GB_s": round(gigabytes / fresh_assemble, 2),
        "percent_of_fresh_fill": round(100 * fresh_fill / fresh_assemble, 1),
        "systems_per_s": int(batch / assemble),
        "discretize_systems_per_s": int(batch / discretize),
    }


@njit(parallel=True)
def fill_in_parallel(out):
    for b in prange(out.shape[0]):
        out[b] = 1.0


def best(call: Callable[[], object]) -> float:
    """Smallest of several times, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
