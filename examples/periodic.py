"""A forced nonlinear oscillator in its periodic state.

Equation    u'' + 0.1 u' - u - u^3 = f on (0, 2 pi), f made from the solution exp(sin x)
Conditions  periodic
Reference   u = exp(sin x)
Run         python examples/periodic.py --save periodic.png
Expected    u(pi/2) = e
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: u.diff(2) + 0.1 * u.diff() - u - u**3, (0, 2 * np.pi), bc="periodic", rhs=force, guess=1
    )
    print(result)
    found, expected = float(result(np.pi / 2)), float(np.e)
    print(
        f"u(pi/2) = {found:.13f}, e = {expected:.13f}; u(0) - u(2 pi) = {result(0.0) - result(2 * np.pi):.1e}"
    )
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(0, 4 * np.pi, 600)
        axes.plot(x, result(x % (2 * np.pi)))
        axes.axvline(2 * np.pi, color="0.7", lw=0.8)
        axes.set(xlabel="x", ylabel="u", title="periodic state, drawn over two periods")
        figure.savefig(save, dpi=150)
    return found, expected


def force(x: np.ndarray) -> np.ndarray:
    w = np.exp(np.sin(x))
    return w * (np.cos(x) ** 2 - np.sin(x)) + 0.1 * w * np.cos(x) - w - w**3


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
