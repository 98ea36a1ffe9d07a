"""Mathieu's equation: the stability chart of a pendulum whose support shakes.

Equation    -u'' + 2 q cos(2x) u = a u, u periodic on (0, 2π), for q from 0 to 10
Reference   scipy.special.mathieu_a and mathieu_b
Run         python examples/eig_mathieu.py --save mathieu.png
Expected    a_0(10) = -13.936979956659, the smallest characteristic value at q = 10
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import mathieu_a, mathieu_b

from spectral_nn import BVP


def characteristic_values(q: float, k: int) -> np.ndarray:
    """The k smallest characteristic values of both parities, ascending."""
    problem = BVP(lambda x, u: -u.diff(2) + 2 * q * np.cos(2 * x) * u, (0, 2 * np.pi), bc="periodic")
    result = problem.eigs(k, which="SR")
    assert result.success, result.message
    return np.sort(result.eigenvalues)


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    q, k = 10.0, 7
    found = characteristic_values(q, k)
    exact = np.sort([mathieu_a(n, q) for n in range(6)] + [mathieu_b(n, q) for n in range(1, 6)])[:k]
    print("       a found           a by scipy")
    for mine, other in zip(found, exact, strict=True):
        print(f"{mine:20.13f} {other:20.13f}")
    print(f"largest difference: {np.abs(found - exact).max():.1e}")
    if save:
        import matplotlib.pyplot as plt

        shaking = np.linspace(0, 10, 41)
        curves = np.array([characteristic_values(s, k) for s in shaking])
        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for low in range(1, k - 1, 2):
            axes.fill_between(shaking, curves[:, low], curves[:, low + 1], alpha=0.25, color="tab:red")
        axes.plot(shaking, curves, color="black", lw=1)
        axes.set(xlabel="q", ylabel="a", title="Mathieu: unstable between the curves")
        figure.savefig(save, dpi=150)
    return float(found[0]), float(exact[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
