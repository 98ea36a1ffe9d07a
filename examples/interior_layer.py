"""An interior layer, found by the mesh without a hint of where it is.

Equation    eps u'' + x u' = -eps pi^2 cos(pi x) - pi x sin(pi x) on (-1, 1), eps = 1e-6 (T6 of Cash/Mazzia)
Conditions  u(-1) = -2, u(1) = 0
Reference   closed form: cos(pi x) + erf(x / sqrt(2 eps)) / erf(1 / sqrt(2 eps))
Run         python examples/interior_layer.py --save interior_layer.png
Expected    u(0.001) = 1.682684557339
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.special import erf

from spectral_nn import solve_bvp

EPS = 1e-6


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: EPS * u.diff(2) + x * u.diff(),
        (-1, 1),
        lbc=-2,
        rbc=0,
        rhs=lambda x: -EPS * np.pi**2 * np.cos(np.pi * x) - np.pi * x * np.sin(np.pi * x),
    )
    print(result)
    found, expected = float(result(0.001)), float(closed_form(0.001))
    print(f"u(0.001) = {found:.12f}, closed form {expected:.12f}; {len(result.mesh) - 1} elements")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        result.plot(ax=left)
        left.plot(result.mesh, result(result.mesh), "|", color="k", label="ends of elements")
        left.set(xlabel="x", ylabel="u", title="u")
        left.legend()
        x = np.linspace(-0.005, 0.005, 400)
        right.plot(x, result(x), label="computed")
        right.plot(x[::20], closed_form(x[::20]), "o", fillstyle="none", label="closed form")
        right.set(xlabel="x", title="the layer, eps = 1e-6")
        right.legend()
        figure.savefig(save, dpi=150)
    return found, expected


def closed_form(x: Any) -> Any:
    return np.cos(np.pi * x) + erf(x / np.sqrt(2 * EPS)) / erf(1 / np.sqrt(2 * EPS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
