"""An integral in place of a boundary condition: the total amount is known, the value at the right end is not.

Equation    u'' = u^2 - exp(2 x) + exp(x) on (0, 1)
Conditions  u(0) = 1 and the integral of u^2 is (e^2 - 1)/2
Reference   u = exp(x)
Run         python examples/integral_condition.py --save integral_condition.png
Expected    u(1) = e
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: u.diff(2) - u**2 + np.exp(2 * x) - np.exp(x),
        (0, 1),
        lbc=1,
        bc=lambda x, u: (u**2).sum() - (np.exp(2) - 1) / 2,
        guess=lambda x: 1 + x,
    )
    print(result)
    found, expected = float(result(1.0)), float(np.e)
    print(f"u(1) = {found:.13f}, e = {expected:.13f}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(0, 1, 200)
        axes.fill_between(x, result(x) ** 2, alpha=0.2, label="u^2: this area is prescribed")
        axes.plot(x, result(x), label="u")
        axes.set(xlabel="x", title="u(0) = 1 and the integral of u^2 given")
        axes.legend()
        figure.savefig(save, dpi=150)
    return found, expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
