"""Mathieu's equation with its eigenvalue as an unknown parameter.

Equation    u'' + (a - 2 q cos 2x) u = 0 on (0, pi), q = 5, the number a unknown
Conditions  u'(0) = u'(pi) = 0, and u(0) = 1 to fix the size
Reference   scipy.special.mathieu_a(4, 5)
Run         python examples/unknown_parameter.py --save unknown_parameter.png
Expected    a = 17.0965816843
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import mathieu_a

from spectral_nn import solve_bvp

Q = 5.0


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u, a: u.diff(2) + (a - 2 * Q * np.cos(2 * x)) * u,
        (0, np.pi),
        lbc=lambda u: [u - 1, u.diff()],
        rbc=lambda u: u.diff(),
        params={"a": 15.0},
        guess=lambda x: np.cos(4 * x),
    )
    print(result)
    found, expected = float(result.params["a"]), float(mathieu_a(4, Q))
    print(f"a = {found:.12f}, scipy.special {expected:.12f}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        result.plot(ax=axes)
        axes.set(xlabel="x", ylabel="u", title=f"Mathieu's equation, q = 5: a = {found:.6f}")
        figure.savefig(save, dpi=150)
    return found, expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
