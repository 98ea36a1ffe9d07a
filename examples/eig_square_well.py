"""A finite square well: bound states of a Schrödinger operator whose potential jumps.

Equation    -u'' - 30 [|x| < 1] u = E u on (-8, 8), u(±8) = 0
Reference   matching of logarithmic derivatives at |x| = 1, solved by bisection (Brent)
Run         python examples/eig_square_well.py --save square_well.png
Expected    E = -28.241113487931, the ground state (the jumps of the potential are found, not given)
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import brentq

from spectral_nn import BVP

DEPTH, HALF, WALL = 30.0, 1.0, 8.0


def ground_state() -> float:
    """k tan k = g coth(g (wall - half)) with k² = E + depth, g² = -E, in the first branch of the tangent."""

    def mismatch(energy: float) -> float:
        k, g = np.sqrt(energy + DEPTH), np.sqrt(-energy)
        return k * np.sin(k * HALF) - g / np.tanh(g * (WALL - HALF)) * np.cos(k * HALF)

    return brentq(mismatch, -DEPTH + 1e-9, -DEPTH + (np.pi / 2 / HALF) ** 2, xtol=1e-14, rtol=1e-15)


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    well = BVP(
        lambda x, u: -u.diff(2) - np.where(np.abs(x) < HALF, DEPTH, 0) * u, (-WALL, WALL), lbc=0, rbc=0
    )
    result = well.eigs(4, which="SR")
    print(result)
    found, expected = float(result.eigenvalues[0]), ground_state()
    print(f"ground state {found:.12f}, by matching {expected:.12f}; pieces end at {result.mesh}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        result.plot(ax=axes)
        axes.plot([-WALL, -HALF, -HALF, HALF, HALF, WALL], [0, 0, -DEPTH, -DEPTH, 0, 0], color="black", lw=1)
        axes.set(xlim=(-3, 3), ylabel="E", title="Bound states, drawn at their energies")
        figure.savefig(save, dpi=150)
    return found, expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
