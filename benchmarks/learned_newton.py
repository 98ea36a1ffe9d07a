"""Newton's method for min ‖Ax - b‖_p, n = 64: what a learned start and a learned step save, against three baselines.

Baselines are those of a plain primal Newton iteration: from zero with Armijo's rule (the paper's comparison), from least
squares with exact line search (the honest one), and warm, from the solution of a problem whose b was off by 1 %. Iterations
are counted until ‖Ax - b‖_p is within 1e-6 of the certified optimum; least-squares solves of a learned start count as
iterations, as each costs one. `minimize_lp` is the library's own method, to a certified gap of 1e-6.

Run: python -m benchmarks.learned_newton
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from spectral_nn_algebraformer import LearnedStart, LinearTransformer, shipped_weights

from benchmarks.learned_report import table
from spectral_nn import minimize_lp

EXPONENTS = (1.2, 3.0, 8.0, 16.0, 32.0)
TARGET = 1e-6
#: Linear solves of the learned start: least squares, and two weighted.
START_SOLVES = 3
MAX_ITERATIONS = 200
REPEATS = 3


def main(count: int) -> None:
    start = LearnedStart()
    start.batch(*(v for v in problems(3.0, 2)[:2]), np.full(2, 3.0))  # warm-up: torch, weights
    rows, times, step_rows = [], [], []
    for p in EXPONENTS:
        A, b, best, x_best = problems(p, count)
        learned = start.batch(A, b, np.full(count, p))
        rng = np.random.default_rng(1)
        moved = b + 0.01 * b.std() * rng.standard_normal(b.shape)
        warm = np.stack([minimize_lp(A[i], moved[i], p).x for i in range(count)])
        least = np.stack([np.linalg.lstsq(A[i], b[i], rcond=None)[0] for i in range(count)])
        quality = np.array([norm(A[i] @ learned[i] - b[i], p) / best[i] - 1 for i in range(count)])
        runs = {
            "zero, Armijo": count_all(A, b, p, best, np.zeros_like(least), exact=False),
            "least squares, exact": count_all(A, b, p, best, least, exact=True),
            "warm 1 %, exact": count_all(A, b, p, best, warm, exact=True),
            "learned start, exact": count_all(A, b, p, best, learned, exact=True) + START_SOLVES,
        }
        cold = [minimize_lp(A[i], b[i], p, tol=TARGET) for i in range(count)]
        hot = [minimize_lp(A[i], b[i], p, tol=TARGET, start=start) for i in range(count)]
        medians = {k: float(np.median(v)) for k, v in runs.items()}
        rows.append(
            [f"{p:g}", *(f"{v:g}" for v in medians.values()), float(np.median(quality)),
             f"{medians['zero, Armijo'] / medians['learned start, exact']:.1f}",
             f"{medians['zero, Armijo'] / max(medians['learned start, exact'] - START_SOLVES, 1):.1f}",
             f"{medians['least squares, exact'] / medians['learned start, exact']:.1f}",
             f"{np.median([r.nit for r in cold]):g}", f"{np.median([r.nit for r in hot]):g}"]
        )  # fmt: skip
        batched = best_time(lambda A=A, b=b, p=p: start.batch(A, b, np.full(len(A), p))) / count
        times.append(
            [
                f"{p:g}",
                *(1e3 * best_time(lambda f=f: f()) for f in solvers(A[0], b[0], p, start)),
                1e3 * batched,
            ]
        )
        step_rows.append([f"{p:g}", *learned_step(A, b, p)])
    head = ["p", "zero, Armijo", "least squares, exact", "warm 1 %, exact", "learned start (3 solves counted), exact",
            "learned start: ‖r‖ / best - 1", "zero / learned", "the same, start free",
            "least squares / learned", "minimize_lp",
            "minimize_lp, learned start"]  # fmt: skip
    table("newton", head, rows)
    table(
        "newton_time",
        ["p", "minimize_lp, ms", "with learned start, ms", "start alone, ms", "start in a batch, ms each"],
        times,
    )
    head = ["p", "iterations, Cholesky", "iterations, linear transformer", "solves", "fell back", "Cholesky, ms",
            "linear transformer, ms"]  # fmt: skip
    table("newton_step", head, step_rows)


def learned_step(A: np.ndarray, b: np.ndarray, p: float) -> list[Any]:
    """The Newton step's linear solve by the linear transformer, certified; medians over 8 problems."""
    solver = LinearTransformer(
        weights="newton-step" if "newton-step" in shipped_weights() else "linear-transformer"
    )
    few = range(min(8, len(A)))
    exact = [minimize_lp(A[i], b[i], p, tol=TARGET) for i in few]
    learned = [minimize_lp(A[i], b[i], p, tol=TARGET, linear_solver=solver) for i in few]
    reports: list[Any] = [r.linear_solver for r in learned]
    return [
        *(f"{np.median([r.nit for r in rs]):g}" for rs in (exact, learned)),
        f"{np.median([r['solves'] for r in reports]):g}",
        f"{np.median([r['fell_back'] for r in reports]):g}",
        *(1e3 * float(np.median([r.time for r in rs])) for rs in (exact, learned)),
    ]


def problems(p: float, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Standard normal A (B, 128, 64), b; minima and minimizers to a gap of 1e-12."""
    rng = np.random.default_rng(2026)
    A, b = rng.standard_normal((count, 128, 64)), rng.standard_normal((count, 128))
    solved = [minimize_lp(A[i], b[i], p, tol=1e-12) for i in range(count)]
    return (
        A,
        b,
        np.array([norm(A[i] @ s.x - b[i], p) for i, s in enumerate(solved)]),
        np.stack([s.x for s in solved]),
    )


def solvers(A: np.ndarray, b: np.ndarray, p: float, start: LearnedStart) -> list[Callable[[], Any]]:
    return [
        lambda: minimize_lp(A, b, p, tol=TARGET),
        lambda: minimize_lp(A, b, p, tol=TARGET, start=start),
        lambda: start.batch(A[None], b[None], np.array([p])),
    ]


def count_all(
    A: np.ndarray, b: np.ndarray, p: float, best: np.ndarray, x: np.ndarray, exact: bool
) -> np.ndarray:
    return np.array([newton(A[i], b[i], p, best[i], x[i], exact) for i in range(len(A))])


def newton(A: np.ndarray, b: np.ndarray, p: float, best: float, x: np.ndarray, exact: bool) -> int:
    """Plain primal Newton on Σ|r|^p, weights floored for p < 2 with a floor that falls; iterations to the target."""
    floor = 1e-1
    for k in range(MAX_ITERATIONS):
        r = A @ x - b
        if norm(r, p) <= best * (1 + TARGET):
            return k
        top = np.abs(r).max()
        s = np.abs(r) / top
        w = np.maximum(s, floor if p < 2 else 1e-10) ** (p - 2)
        gradient = A.T @ (w * r)
        step = -np.linalg.solve((A.T * w) @ A + 1e-14 * np.eye(A.shape[1]), gradient) / max(p - 1, 1.0)
        d = A @ step
        t = exact_step(r, d, p) if exact else armijo(r, d, p, float(gradient @ step), top)
        x, floor = x + t * step, max(0.3 * floor, 1e-8)
    return MAX_ITERATIONS


def exact_step(r: np.ndarray, d: np.ndarray, p: float) -> float:
    """Minimizer over t of ‖r + t d‖_p by golden section on a bracket."""
    a, z = 0.0, 1.0
    while norm(r + 2 * z * d, p) < norm(r + z * d, p) and z < 1e4:
        z *= 2
    z *= 2
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = z - ratio * (z - a), a + ratio * (z - a)
        a, z = (a, right) if norm(r + left * d, p) < norm(r + right * d, p) else (left, z)
    return 0.5 * (a + z)


def armijo(r: np.ndarray, d: np.ndarray, p: float, slope: float, top: float) -> float:
    """Backtracking from 1 on Σ|r|^p."""

    def value(v: np.ndarray) -> float:
        return float(((np.abs(v) / top) ** p).sum())

    start, t = value(r), 1.0
    while value(r + t * d) > start + 1e-4 * t * p * slope / top**2 and t > 1e-10:
        t *= 0.5
    return t


def norm(r: np.ndarray, p: float) -> float:
    top = np.abs(r).max()
    return float(top * ((np.abs(r) / top) ** p).sum() ** (1 / p))


def best_time(f: Callable[[], Any]) -> float:
    f()
    out = []
    for _ in range(REPEATS * 3):
        began = time.perf_counter()
        f()
        out.append(time.perf_counter() - began)
    return min(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=32, help="problems per exponent")
    main(**vars(parser.parse_args()))
