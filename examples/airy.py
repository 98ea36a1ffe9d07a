"""Airy's equation over hundreds of oscillations: where low-order codes need 1e5 points.

Equation    u'' = x u on (-200, 5), u(-200) = Ai(-200), u(5) = Ai(5)
Reference   Airy's function, by scipy.special
Run         python examples/airy.py --save airy.png
Expected    u(0) = Ai(0) = 0.355028053887817
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import airy

from spectral_nn import solve_bvp

A, B = -200.0, 5.0


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(lambda x, u: u.diff(2) - x * u, (A, B), lbc=airy(A)[0], rbc=airy(B)[0])
    print(result)
    found, expected = float(result(0.0)), float(airy(0.0)[0])
    x = np.linspace(A, B, 2000)
    print(f"u(0) = {found:.14f}, Ai(0) = {expected:.14f}")
    print(f"largest error at 2000 points: {np.abs(result(x) - airy(x)[0]).max():.1e}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
        fine = np.linspace(A, B, 6000)
        axes.plot(fine, result(fine), lw=0.7)
        axes.set(xlabel="x", ylabel="u", title="u'' = x u from -200 to 5")
        figure.savefig(save, dpi=150)
    return found, expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
