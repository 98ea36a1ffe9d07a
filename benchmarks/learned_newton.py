"""Newton's method for min ‖Ax - b‖_p, n = 64: what a learned start and a learned step save, against three baselines.

Baselines are plain damped Newton (`benchmarks.plain_newton`): from zero with Armijo's rule (the paper's comparison), from least
squares with exact line search (the honest one), and warm, from the solution of a problem whose b was off by 1 %. All count
iterations to a relative duality gap of 1e-6, proved by a dual point that the iteration itself yields. A learned start's
solves are added, and so is that of least squares. `minimize_lp` is the library's own method, to the same gap.

The learned step is taken two ways: certified, in the slot of `minimize_lp`; and raw, one pass of the network as the search
direction of plain Newton wherever it goes downhill, as the paper does.

Times are processor times of one thread, least of several runs, all of one run of this script.

Run: OMP_NUM_THREADS=1 python -m benchmarks.learned_newton
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from spectral_nn_algebraformer import LearnedStart, LinearTransformer, shipped_weights
from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.pretrained import config, load_network
from spectral_nn_algebraformer.spd import normalize

from benchmarks.learned_report import FIGURES, table
from benchmarks.plain_newton import MAX_ITERATIONS, Direction, newton, norms, residual, times
from spectral_nn import minimize_lp, minimize_lp_batch

EXPONENTS = (1.2, 3.0, 8.0, 16.0, 32.0)
TARGET = 1e-6
#: Smoothing that starts near the answer begin with (p < 2): by trial, the best for each kind of start.
NEAR = 0.003
REPEATS = 5
#: Problems timed one by one, and those of the learned step, which is slow.
TIMED, STEPPED = 4, 8
#: Size of the right-hand sides that the linear transformer is shown, relative to those of training, as its solver does.
SEEN_SIZE = 0.5


def main(count: int, only: str = "") -> None:
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    if only != "step":
        starts(count)
    if only != "start":
        A, b = problems(STEPPED, noise_only=False)
        table("newton_step", STEP_HEAD, [[f"{p:g}", *stepped(A, b, p)] for p in EXPONENTS])


def starts(count: int) -> None:
    start = LearnedStart()
    rows, time_rows = [], []
    for noise_only in (False, True):
        for p in EXPONENTS:
            A, b = problems(count, noise_only)
            rows.append([f"{p:g}", "noise" if noise_only else "A x + noise", *counted(A, b, p, start)])
    table("newton", COUNT_HEAD, rows)
    A, b = problems(count, noise_only=False)
    for p in EXPONENTS:
        time_rows.append([f"{p:g}", "one", *timed_singly(A[:TIMED], b[:TIMED], p, start)])
        time_rows.append([f"{p:g}", f"{count} at once", *timed(A, b, p, start)])
    table("newton_time", TIME_HEAD, time_rows)
    draw(rows, time_rows)


COUNT_HEAD = [
    "p", "b", "zero, Armijo", "least squares, exact", "warm 1 %, exact", "learned start, exact",
    "with the start's solves: least squares", "learned start", "zero / learned start", "least squares / learned start",
    "learned start: ‖r‖ / best - 1", "minimize_lp", "minimize_lp, learned start",
]  # fmt: skip
TIME_HEAD = [
    "p", "problems", "zero, Armijo", "least squares, exact", "warm 1 %, exact", "learned start, exact", "minimize_lp",
    "minimize_lp, learned start", "learned start alone",
]  # fmt: skip
STEP_HEAD = [
    "p", "plain Newton, Cholesky: iterations", "ms", "raw network: iterations", "reached the gap", "steps refused",
    "ms", "ms each, in a batch", "minimize_lp, Cholesky: iterations", "ms", "certified network: iterations",
    "solves that fell back", "ms",
]  # fmt: skip


def counted(A: np.ndarray, b: np.ndarray, p: float, start: LearnedStart) -> list[str]:
    """The row of the table of iterations: means over problems."""
    count = len(b)
    solves = int(config(start.weights)["model"]["rounds"]) + 1
    learned = start.batch(A, b, np.full(count, p))
    cold = minimize_lp_batch(A, b, p, tol=TARGET)
    hot = minimize_lp_batch(A, b, p, tol=TARGET, x0=learned)
    best = minimize_lp_batch(A, b, p, tol=1e-12).fun
    nit = {
        "zero": from_zero(A, b, p).nit.mean(),
        "least": from_least_squares(A, b, p).nit.mean(),
        "warm": from_near(A, b, p, warm(A, b, p)).nit.mean(),
        "learned": from_near(A, b, p, learned).nit.mean(),
    }
    least, total = nit["least"] + 1, nit["learned"] + solves
    return [
        *(f"{v:.1f}" for v in (*nit.values(), least, total, nit["zero"] / total, least / total)),
        f"{np.median(norms(residual(A, learned, b), p) / best - 1):.1e}",
        f"{cold.nit.mean() + 1:.1f}",
        f"{hot.nit.mean() + solves:.1f}",
    ]


def timed_singly(A: np.ndarray, b: np.ndarray, p: float, start: LearnedStart) -> list[float]:
    """Milliseconds for one problem at a time, starts included (but for the warm one), means over problems."""
    each = [timed(A[i : i + 1], b[i : i + 1], p, start) for i in range(len(b))]
    return [float(v) for v in np.mean(each, axis=0)]


def timed(A: np.ndarray, b: np.ndarray, p: float, start: LearnedStart) -> list[float]:
    """Milliseconds for each of many problems at once; for one alone `minimize_lp` in place of `minimize_lp_batch`."""
    near, exponents = warm(A, b, p), np.full(len(b), p)

    def propose() -> np.ndarray:
        return start.batch(A, b, exponents)

    def own(x0: np.ndarray | None) -> Any:
        if len(b) > 1:
            return minimize_lp_batch(A, b, p, tol=TARGET, x0=x0)
        return minimize_lp(A[0], b[0], p, tol=TARGET, x0=None if x0 is None else x0[0])

    ways: list[Callable[[], Any]] = [
        lambda: from_zero(A, b, p),
        lambda: from_least_squares(A, b, p),
        lambda: from_near(A, b, p, near),
        lambda: from_near(A, b, p, propose()),
        lambda: own(None),
        lambda: own(propose()),
        propose,
    ]
    return [milliseconds(way) / len(b) for way in ways]


def stepped(A: np.ndarray, b: np.ndarray, p: float) -> list[Any]:
    """The Newton step's linear solve by the linear transformer, raw and certified; means over problems."""
    weights = "newton-step" if "newton-step" in shipped_weights() else "linear-transformer"
    solver, direction = LinearTransformer(weights=weights), raw_direction(weights)
    single = milliseconds(lambda: from_least_squares(A[:1], b[:1], p, direction), 1)
    began = time.process_time()
    raw = from_least_squares(A, b, p, direction)
    batched = 1e3 * (time.process_time() - began) / len(b)
    reached = raw.nit < MAX_ITERATIONS
    each = range(len(b))
    cholesky = [minimize_lp(A[i], b[i], p, tol=TARGET) for i in each]
    learned = [minimize_lp(A[i], b[i], p, tol=TARGET, linear_solver=solver) for i in each]
    reports: list[Any] = [r.linear_solver for r in learned]
    fell, asked = (sum(r[k] for r in reports) for k in ("fell_back", "solves"))
    return [
        f"{from_least_squares(A, b, p).nit.mean():.1f}",
        milliseconds(lambda: from_least_squares(A[:1], b[:1], p)),
        f"{raw.nit[reached].mean():.1f}" if reached.any() else "",
        f"{reached.sum()} of {len(b)}",
        f"{raw.refused.sum() / raw.nit.sum():.0%}",
        single,
        batched,
        f"{np.mean([r.nit for r in cholesky]):.1f}",
        milliseconds(lambda: minimize_lp(A[0], b[0], p, tol=TARGET)),
        f"{np.mean([r.nit for r in learned]):.1f}",
        f"{fell} of {asked}",
        milliseconds(lambda: minimize_lp(A[0], b[0], p, tol=TARGET, linear_solver=solver), 1),
    ]


def raw_direction(weights: str) -> Direction:
    """One pass of the linear transformer for H dx = -g, diagonal scaled to one; its length is left to the line search."""
    network: Any = load_network(weights)

    def direction(H: np.ndarray, g: np.ndarray) -> np.ndarray:
        root = 1 / np.sqrt(np.einsum("bii->bi", H))
        scaled, _ = normalize(root[:, :, None] * H * root[:, None, :])
        c = -root * g
        typical = np.linalg.norm(scaled, axis=(1, 2)) / np.sqrt(H.shape[-1])
        c *= (SEEN_SIZE * typical / np.maximum(np.linalg.norm(c, axis=1), 1e-300))[:, None]
        with torch.inference_mode():
            y = network(torch.from_numpy(scaled).float(), torch.from_numpy(c).float())[-1]
        return root * np.asarray(y.double())

    return direction


def problems(count: int, noise_only: bool) -> tuple[np.ndarray, np.ndarray]:
    """A (B, 128, 64) standard normal; b standard normal, plus A x for a standard normal x unless `noise_only`."""
    rng = np.random.default_rng(2026)
    A, b = rng.standard_normal((count, 128, 64)), rng.standard_normal((count, 128))
    return A, b if noise_only else b + times(A, rng.standard_normal((count, 64)))


def warm(A: np.ndarray, b: np.ndarray, p: float) -> np.ndarray:
    """Solutions for b with noise of 1 % of its deviation."""
    noise = np.random.default_rng(1).standard_normal(b.shape)
    return minimize_lp_batch(A, b + 0.01 * b.std() * noise, p).x


def from_zero(A: np.ndarray, b: np.ndarray, p: float) -> Any:
    return newton(A, b, p, np.zeros((len(b), A.shape[2])), TARGET, exact=False)


def from_least_squares(A: np.ndarray, b: np.ndarray, p: float, direction: Direction | None = None) -> Any:
    normal, right = np.swapaxes(A, 1, 2) @ A, times(A, b, transposed=True)
    x = np.linalg.solve(normal, right[..., None])[..., 0]
    return newton(A, b, p, x, TARGET, exact=True, direction=direction)


def from_near(A: np.ndarray, b: np.ndarray, p: float, x: np.ndarray) -> Any:
    return newton(A, b, p, x, TARGET, exact=True, smoothing=NEAR)


def draw(rows: list[list[Any]], time_rows: list[list[Any]]) -> None:
    """Linear solves, starts included, and times of many problems at once, over p."""
    figure = new_figure(10, 4)
    solves, times_each = figure.subplots(1, 2)
    counted_rows = [row for row in rows if row[1] != "noise"]
    batch_rows = [row for row in time_rows if row[1] != "one"]
    p = [float(row[0]) for row in counted_rows]
    for name, at, time_at in (
        ("zero, Armijo", 2, 2),
        ("least squares, exact", 6, 3),
        ("learned start, exact", 7, 5),
        ("minimize_lp", 11, 6),
        ("minimize_lp, learned start", 12, 7),
    ):
        solves.loglog(p, [float(row[at]) for row in counted_rows], ".-", label=name, ms=8)
        times_each.loglog(p, [row[time_at] for row in batch_rows], ".-", label=name, ms=8)
    solves.set(xlabel="p", title="linear solves to a gap of 1e-6, start included")
    times_each.set(xlabel="p", title=f"ms each, {batch_rows[0][1]}, one thread")
    for axes, marks in ((solves, (4, 10, 30, 100)), (times_each, (0.2, 0.5, 1, 2, 5))):
        axes.set_xticks(p, [f"{v:g}" for v in p])
        axes.set_yticks(marks, [f"{v:g}" for v in marks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    solves.legend(fontsize=8)
    figure.savefig(FIGURES / "learned_newton.png", dpi=130)


def milliseconds(f: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Processor time, the least of `repeats` runs after one that is not counted."""
    f()
    out = []
    for _ in range(repeats):
        began = time.process_time()
        f()
        out.append(time.process_time() - began)
    return 1e3 * min(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=64, help="problems per exponent")
    parser.add_argument("--only", choices=("start", "step"), default="", help="half of it")
    main(**vars(parser.parse_args()))
