"""The pendulum as a system: which start makes it pass the bottom after two time units?

Equation    u' = v, v' = -sin(u) on (0, 2)
Conditions  u(0) = 1, u(2) = 0
Reference   the energy v^2/2 - cos(u) is constant; value by Gauss collocation of order 16
Run         python examples/system_pendulum.py --save system_pendulum.png
Expected    v(0) = 0.270028016039
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp

EXPECTED = 0.2700280160394369


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda t, u, v: [u.diff() - v, v.diff() + np.sin(u)],
        (0, 2),
        lbc=lambda u, v: u - 1,
        rbc=lambda u, v: u,
    )
    print(result)
    t = np.linspace(0, 2, 200)
    u, v = result(t)  # shape (2, 200)
    energy = v**2 / 2 - np.cos(u)
    print(f"v(0) = {v[0]:.13f}; the energy varies by {np.ptp(energy):.1e}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        axes.plot(t, u, label="angle u")
        axes.plot(t, v, label="velocity v")
        axes.set(xlabel="t", title="pendulum from u(0) = 1 to u(2) = 0")
        axes.legend()
        figure.savefig(save, dpi=150)
    return float(v[0]), EXPECTED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
