"""A boundary layer one millionth of the interval wide.

Equation    eps u'' + u' - (1 + eps) u = 0 on (-1, 1), eps = 1e-6 (T4 of the Cash/Mazzia test set)
Conditions  u(-1) = 1 + exp(-2), u(1) = 1 + exp(-2 (1 + eps)/eps)
Reference   closed form: exp(x - 1) + exp(-(1 + eps)(1 + x)/eps)
Run         python examples/boundary_layer.py --save boundary_layer.png
Expected    u(-1 + 1e-6) = 0.503214491854: one width inside the layer
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from spectral_nn import solve_bvp

EPS = 1e-6


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: EPS * u.diff(2) + u.diff() - (1 + EPS) * u,
        (-1, 1),
        lbc=1 + np.exp(-2),
        rbc=1 + np.exp(-2 * (1 + EPS) / EPS),
    )
    print(result)
    inside = -1 + EPS
    found, expected = float(result(inside)), float(closed_form(inside))
    print(f"u(-1 + eps) = {found:.12f}, closed form {expected:.12f}; {len(result.mesh) - 1} elements")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        result.plot(ax=left)
        left.set(xlabel="x", ylabel="u", title="u")
        distance = np.logspace(-9, 0, 300)
        right.semilogx(distance, result(-1 + distance), label="computed")
        right.semilogx(
            distance[::20], closed_form(-1 + distance[::20]), "o", fillstyle="none", label="closed form"
        )
        right.set(xlabel="distance from the left end", title="the layer, eps = 1e-6")
        right.legend()
        figure.savefig(save, dpi=150)
    return found, expected


def closed_form(x: Any) -> Any:
    return np.exp(x - 1) + np.exp(-(1 + EPS) * (1 + x) / EPS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
