"""One CVXPY model, solved by CVXPY's default solver and by the Newton l_p minimizer.

Model       minimize ||A x - b||_p + gamma ||D x||_2^2 subject to sum(x) = 1, x >= 0; A 600 x 60 Gaussian, D differences
Parameters  p = 4; then gamma swept over 25 values, each solve started from the last
Reference   the duality gap: no feasible point is better than the value times (1 - gap)
Run         python examples/cvxpy_side_by_side.py --save cvxpy_side_by_side.png
Expected    gap at most 1e-9 at every gamma; Clarabel's values agree to its own accuracy
"""

from __future__ import annotations

import argparse
import time

import cvxpy as cp
import numpy as np
import spectral_nn_cvxpy  # noqa: F401  this line makes method="newton_lp" known

P, ROWS, UNKNOWNS, GAMMAS = 4.0, 600, 60, 25


def main(save: str | None = None) -> tuple[float, float]:
    """Solve both ways, print the comparison, draw; return (largest gap, 0)."""
    problem, x, gamma = model()
    gamma.value = 1.0
    problem.solve(method="newton_lp")  # the first solve of a session loads compiled kernels; it is not timed
    lines = []
    for name, options in {"newton_lp": {"method": "newton_lp"}, "Clarabel": {"solver": cp.CLARABEL}}.items():
        values, seconds, paths, gaps = sweep(problem, x, gamma, options)
        lines.append((name, values, seconds, paths))
        print(f"{name:>10}: {len(values)} solves in {sum(seconds):.3f} s, first {1e3 * seconds[0]:.1f} ms")
        if name == "newton_lp":
            largest = max(gaps)
            print(f"{'':>12}largest duality gap {largest:.1e}, status {problem.status}")
    difference = np.max(np.abs(np.array(lines[1][1]) / np.array(lines[0][1]) - 1))
    print(f"largest relative difference of the values: {difference:.1e}")
    if save:
        draw(lines, save)
    return largest, 0.0


def model() -> tuple[cp.Problem, cp.Variable, cp.Parameter]:
    """The model, written as any CVXPY model is."""
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((ROWS, UNKNOWNS)), rng.standard_normal(ROWS)
    x, gamma = cp.Variable(UNKNOWNS), cp.Parameter(nonneg=True)
    objective = cp.norm(A @ x - b, P) + gamma * cp.sum_squares(cp.diff(x))
    return cp.Problem(cp.Minimize(objective), [cp.sum(x) == 1, x >= 0]), x, gamma


def sweep(
    problem: cp.Problem, x: cp.Variable, gamma: cp.Parameter, options: dict[str, object]
) -> tuple[list[float], list[float], list[np.ndarray], list[float]]:
    """Solve for every gamma: values, seconds, minimizers, duality gaps."""
    values, seconds, paths, gaps = [], [], [], []
    for weight in np.logspace(-2, 3, GAMMAS):
        gamma.value = weight
        began = time.perf_counter()
        values.append(float(problem.solve(**options)))
        seconds.append(time.perf_counter() - began)
        paths.append(x.value.copy())
        extra = problem.solver_stats.extra_stats
        gaps.append(extra["gap"] if isinstance(extra, dict) and "gap" in extra else np.nan)
    return values, seconds, paths, gaps


def draw(lines: list[tuple[str, list[float], list[float], list[np.ndarray]]], save: str) -> None:
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    gammas = np.logspace(-2, 3, GAMMAS)
    for (name, values, seconds, _), mark in zip(lines, ("-", "o"), strict=True):
        left.semilogx(gammas, values, mark, fillstyle="none", label=name)
        right.loglog(gammas, 1e3 * np.array(seconds), mark + ("" if mark == "o" else "o"), ms=4, label=name)
    left.set(xlabel="gamma", ylabel="optimal value", title="The same optimum")
    right.set(xlabel="gamma", ylabel="ms per problem.solve()", title="at different cost")
    left.legend()
    right.legend()
    figure.savefig(save, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
