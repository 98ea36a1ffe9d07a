"""Bratu's problem: heat from a reaction in a slab, and the certificate of the answer.

Equation    u'' + lam exp(u) = 0 on (0, 1), u(0) = u(1) = 0, lam = 3.5
Solutions   two for lam < 3.513830719; the solver finds the lower one from its own guess
Reference   closed form: u = -2 log(cosh((x - 1/2) t/2) / cosh(t/4)), t = sqrt(2 lam) cosh(t/4)
Run         python examples/bratu.py --save bratu.png
Expected    u(1/2) = 1.085158947794
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.optimize import brentq

from spectral_nn import solve_bvp

LAM = 3.5


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print the certificate, draw; return (found, expected)."""
    result = solve_bvp(lambda x, u: u.diff(2) + LAM * np.exp(u), domain=(0, 1), lbc=0, rbc=0)
    print(result)
    found, expected = float(result(0.5)), closed_form(0.5)
    print(f"u(1/2) = {found:.13f}, closed form {expected:.13f}")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        result.plot(ax=left)
        x = np.linspace(0, 1, 21)
        left.plot(x, closed_form(x), "o", fillstyle="none", label="closed form")
        left.set(xlabel="x", ylabel="u", title=f"Bratu's problem, lam = {LAM}")
        left.legend()
        result.u[0].plot_coefficients(ax=right)
        right.set(title="Chebyshev coefficients")
        figure.savefig(save, dpi=150)
    return found, expected


def closed_form(x: Any) -> Any:
    t = brentq(lambda t: t - np.sqrt(2 * LAM) * np.cosh(t / 4), 0, 4.798714560954416, xtol=1e-15)
    return -2 * np.log(np.cosh((x - 0.5) * t / 2) / np.cosh(t / 4))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
