"""The pantograph equation: the solution at x is driven by its own value at x/2.

Equation    u' = -u(x/2) on (0, 3), u(0) = 1
Reference   de Bruijn's series: sum of (-1)^k 2^(-k (k - 1)/2) x^k / k!
Run         python examples/delay_pantograph.py --save delay_pantograph.png
Expected    u(3) = -0.26171247132
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from spectral_nn import solve_bvp

END = 3.0


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(lambda x, u: u.diff() + u(x / 2), (0, END), lbc=1)
    print(result)
    found, expected = float(result(END)), float(series(END))
    print(f"u(3) = {found:.14f}, series {expected:.14f}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(0, END, 200)
        axes.plot(x, result(x), label="u")
        axes.plot(x, np.exp(-x), "--", color="0.6", label="without delay: exp(-x)")
        axes.set(xlabel="x", title="u' = -u(x/2)")
        axes.legend()
        figure.savefig(save, dpi=150)
    return found, expected


def series(x: float) -> float:
    return sum((-1.0) ** k * 2.0 ** (-k * (k - 1) / 2) * x**k / math.factorial(k) for k in range(25))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
