"""Carrier's equation: spikes that no linear analysis foresees, reached from a rough guess.

Equation    0.01 u'' + 2 (1 - x^2) u + u^2 = 1 on (-1, 1), u(-1) = u(1) = 0
Guess       2 (x^2 - 1)(1 - 2 / (1 + 20 x^2)): the problem has many solutions, the guess picks one
Reference   Chebfun's test_carrier prints u(0) = -1.539652044363
Run         python examples/carrier.py --save carrier.png
Expected    u(0) = -1.539652044363
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp

EPS = 0.01
EXPECTED = -1.539652044363


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""

    def guess(x: np.ndarray) -> np.ndarray:
        return 2 * (x**2 - 1) * (1 - 2 / (1 + 20 * x**2))

    result = solve_bvp(
        lambda x, u: EPS * u.diff(2) + 2 * (1 - x**2) * u + u**2, (-1, 1), lbc=0, rbc=0, rhs=1, guess=guess
    )
    print(result)
    found = float(result(0.0))
    print(f"u(0) = {found:.12f}, expected {EXPECTED:.12f}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(-1, 1, 400)
        axes.plot(x, guess(x), "--", color="0.6", label="guess")
        result.plot(ax=axes)
        axes.set(xlabel="x", ylabel="u", title="Carrier's equation, eps = 0.01")
        axes.legend()
        figure.savefig(save, dpi=150)
    return found, EXPECTED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
