"""From SciPy: one import changed, the rest of the script as it was.

Equation    SciPy's own examples: Bratu y'' + e^y = 0, both solutions; y'' + k² y = 0 with k unknown
Reference   k = 2π; energy of the Bratu solutions, which is constant
Run         python examples/from_scipy.py --save from_scipy.png
Expected    k = 6.283185307180 (SciPy's documentation: 6.28329460046 with the same call)
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn.integrate import solve_bvp  # was: from scipy.integrate import solve_bvp


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    x = np.linspace(0, 1, 5)
    solutions = []
    for start in (0.0, 3.0):
        y = np.zeros((2, x.size))
        y[0] = start
        solutions.append(
            solve_bvp(
                lambda x, y: np.vstack((y[1], -np.exp(y[0]))), lambda ya, yb: np.array([ya[0], yb[0]]), x, y,
                verbose=1,
            )
        )  # fmt: skip
    t = np.linspace(0, 1, 100)
    for result in solutions:
        value, slope = result.sol(t)
        energy = 0.5 * slope**2 + np.exp(value)
        print(f"largest y = {value.max():.6f}, energy constant to {np.ptp(energy):.1e}")

    y = np.zeros((2, x.size))
    y[0, 1], y[0, 3] = 1, -1
    eigen = solve_bvp(
        lambda x, y, p: np.vstack((y[1], -(p[0] ** 2) * y[0])),
        lambda ya, yb, p: np.array([ya[0], yb[0], ya[1] - p[0]]), x, y, p=[6],
    )  # fmt: skip
    print(f"k = {eigen.p[0]:.12f}, {eigen.message}")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        for result in solutions:
            left.plot(t, result.sol(t)[0])
            left.plot(result.x, result.y[0], "k.", ms=4)
        left.set(xlabel="x", ylabel="y", title="Bratu: two solutions")
        right.plot(t, eigen.sol(t)[0])
        right.set(xlabel="x", title=f"y'' + k² y = 0, k = {eigen.p[0]:.6f}")
        figure.savefig(save, dpi=150)
    return float(eigen.p[0]), 2 * np.pi


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
