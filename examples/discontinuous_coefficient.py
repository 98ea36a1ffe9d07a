"""Heat through a wall of two materials: the coefficient jumps where no grid point is.

Equation    u'' = q u on (-1, 1), q = 1 for x < 0.3137 and 25 beyond; u and u' continuous
Conditions  u'(-1) = 0, u(1) = 1
Reference   closed form: cosh on the left, cosh and sinh on the right, matched at the interface
Run         python examples/discontinuous_coefficient.py --save discontinuous_coefficient.png
Expected    u(-1) = 0.027625472539: the break is found without being given
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp

WALL, K = 0.3137, 5.0


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: u.diff(2) - np.where(x < WALL, 1.0, K**2) * u, (-1, 1), lbc=lambda u: u.diff(), rbc=1
    )
    print(result)
    found, expected = float(result(-1.0)), closed_form_left()
    print(f"u(-1) = {found:.14f}, closed form {expected:.14f}; ends of elements: {np.round(result.mesh, 6)}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(-1, 1, 801)
        axes.plot(x, result(x), label="u")
        axes.plot(x, result(x, 2) / 25, label="u''/25, with its jump")
        axes.axvline(WALL, color="0.7", lw=0.8)
        axes.set(xlabel="x", title="coefficient 1 | 25 at x = 0.3137")
        axes.legend()
        figure.savefig(save, dpi=150)
    return found, expected


def closed_form_left() -> float:
    """u(-1) = A from matching A cosh(x + 1) with B cosh(K (1 - x)) + C sinh(K (1 - x)) where B = 1."""
    left, right = 1 + WALL, K * (1 - WALL)
    matrix = [[np.cosh(left), -np.sinh(right)], [np.sinh(left), K * np.cosh(right)]]
    return float(np.linalg.solve(matrix, [np.cosh(right), -K * np.sinh(right)])[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
