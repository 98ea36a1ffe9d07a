"""An initial value problem posed as a boundary value problem: both conditions at the left end.

Equation    u'' = (1 - u^2) u' - u on (0, 8): van der Pol's oscillator
Conditions  u(0) = 2, u'(0) = 0
Reference   scipy.integrate.solve_ivp, DOP853 at rtol 1e-13
Run         python examples/ivp.py --save ivp.png
Expected    u(8) agrees with the Runge-Kutta value to 1e-10
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.integrate import solve_ivp

from spectral_nn import solve_bvp

END = 8.0


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: u.diff(2) - (1 - u**2) * u.diff() + u,
        (0, END),
        lbc=lambda u: [u - 2, u.diff()],
        guess=lambda x: 2 * np.cos(x),
    )
    print(result)
    stepped = solve_ivp(
        lambda t, y: [y[1], (1 - y[0] ** 2) * y[1] - y[0]],
        (0, END),
        [2, 0],
        method="DOP853",
        rtol=1e-13,
        atol=1e-14,
    )
    found, expected = float(result(END)), float(stepped.y[0, -1])
    print(f"u(8) = {found:.12f}, Runge-Kutta {expected:.12f} in {stepped.t.size - 1} steps")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(0, END, 400)
        axes.plot(x, result(x), label="all at once")
        axes.plot(stepped.t[::10], stepped.y[0, ::10], ".", label="DOP853")
        axes.set(xlabel="x", ylabel="u", title="van der Pol's oscillator")
        axes.legend()
        figure.savefig(save, dpi=150)
    return found, expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
