"""How the time of the mesh method grows with the number of elements.

Run: python -m benchmarks.mesh_growth     (about 10 s; writes benchmarks/results/mesh_growth.csv)

The problem: u'' - w^2 (1 + x^2) u = f on (-1, 1) with u = sin(w x), w = 2 E, on E given elements: the whole
solve with its certificate, in processor time of one thread, the smallest of several repeats.
"""

from __future__ import annotations

import csv
import os
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy loads its BLAS

import numpy as np

from benchmarks.page import RESULTS, fill, from_csv
from spectral_nn import solve_bvp

ELEMENTS = (2, 10, 100, 1_000, 10_000)
REPEATS = 5


def main() -> None:
    rows = [measure(count) for count in ELEMENTS]
    path = RESULTS / "mesh_growth.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    fill("mesh_growth", from_csv(path))


def measure(count: int) -> dict[str, Any]:
    """One line of the table: solve on `count` elements."""
    w = 2.0 * count
    breaks = tuple(np.linspace(-1, 1, count + 1)[1:-1])

    def solve() -> Any:
        return solve_bvp(
            lambda x, u: u.diff(2) - w**2 * (1 + x**2) * u,
            (-1, 1),
            lbc=-np.sin(w),
            rbc=np.sin(w),
            rhs=lambda x: -(w**2) * (2 + x**2) * np.sin(w * x),
            breakpoints=breaks,
            max_n=10_000_000,
        )

    result, times = solve(), []
    for _ in range(REPEATS):
        start = time.process_time()
        solve()
        times.append(time.process_time() - start)
    x = np.linspace(-1, 1, 2001)
    elements = result.mesh.size - 1
    row = {
        "elements": elements,
        "points": result.n,
        "ms": round(1e3 * min(times), 3),
        "us_per_element": round(1e6 * min(times) / elements, 2),
        "error": f"{np.abs(result(x) - np.sin(w * x)).max():.1e}",
        "success": result.success,
    }
    print("  ".join(f"{name}={value}" for name, value in row.items()), flush=True)
    return row


if __name__ == "__main__":
    main()
