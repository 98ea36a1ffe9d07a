"""What starting costs: import, the first problem of the README with a warm and with a cold kernel cache.

    python benchmarks/startup.py            # about a minute; writes benchmarks/results/startup.csv

Each figure is the least of several fresh processes (of one for the cold cache): seconds on the wall, and of the
processor. On a busy machine the second is the one to look at.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "startup.csv"
REPEATS = 5
BASE = "import numpy, scipy.linalg"
EVERY_NAME = "import spectral_nn\nfor name in spectral_nn.__all__: getattr(spectral_nn, name, None)"
#: The first problem of the README: the Airy equation with a turning point.
PROBLEM = """
from spectral_nn import solve_bvp
sol = solve_bvp(lambda x, u: 1e-3 * u.diff(2) - x * u, domain=(-1, 1), lbc=1, rbc=0)
assert sol.success
"""


def main() -> None:
    base = fastest(BASE)
    rows = [
        ("import numpy, scipy.linalg", base, ""),
        ("import spectral_nn, beyond these", beyond(fastest(f"{BASE}\nimport spectral_nn"), base), 0.3),
        ("import every public name, beyond these", beyond(fastest(f"{BASE}\n{EVERY_NAME}"), base), ""),
    ]
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        cold, said = seconds(PROBLEM, environment)
        rows.append(("first problem, fresh process, cold cache", cold, 30.0))
        rows.append(("first problem, fresh process, warm cache", fastest(PROBLEM, environment), 1.5))
    print(f"notice while compiling: {said.strip() or 'none'}")
    print(f"{'seconds':>53s} {'of CPU':>8s}")
    for name, (wall, cpu), bar in rows:
        print(f"{name:45s} {wall:7.3f} {cpu:8.3f}" + (f"   (bar {bar} s)" if bar else ""))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "seconds", "cpu_seconds", "bar"])
        writer.writerows((name, f"{wall:.3f}", f"{cpu:.3f}", bar) for name, (wall, cpu), bar in rows)


def fastest(code: str, environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Least wall and least CPU time of several fresh processes."""
    walls, cpus = zip(*(seconds(code, environment)[0] for _ in range(REPEATS)), strict=True)
    return min(walls), min(cpus)


def beyond(whole: tuple[float, float], base: tuple[float, float]) -> tuple[float, float]:
    return whole[0] - base[0], whole[1] - base[1]


def seconds(code: str, environment: dict[str, str] | None = None) -> tuple[tuple[float, float], str]:
    """Wall and CPU time of a fresh process, and what it wrote to standard error."""
    before, started = children_cpu(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **(environment or {})},
        check=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    return (time.perf_counter() - started, children_cpu() - before), done.stderr


def children_cpu() -> float:
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    main()
