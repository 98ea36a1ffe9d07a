"""A wave in a lossy medium that leaves through the right end: complex coefficients, complex solution.

Equation    u'' + k^2 (1 + 0.02 i) u = 0 on (0, 1), k = 50
Conditions  u(0) = 1, and u' = i m u at x = 1: no reflection, m^2 = k^2 (1 + 0.02 i)
Reference   u = exp(i m x)
Run         python examples/complex_helmholtz.py --save complex_helmholtz.png
Expected    |u(1)| = |exp(i m)| = 0.606545820516
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp

M = 50 * np.sqrt(1 + 0.02j)


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(lambda x, u: u.diff(2) + M**2 * u, (0, 1), lbc=1, rbc=lambda u: u.diff() - 1j * M * u)
    print(result)
    found, expected = abs(complex(result(1.0))), abs(np.exp(1j * M))
    print(f"|u(1)| = {found:.13f}, closed form {expected:.13f}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
        x = np.linspace(0, 1, 800)
        u = result(x)
        axes.plot(x, u.real, label="real part")
        axes.plot(x, u.imag, label="imaginary part")
        axes.plot(x, np.abs(u), "k--", label="modulus")
        axes.set(xlabel="x", title="an absorbed wave that leaves at x = 1")
        axes.legend(loc="lower right")
        figure.savefig(save, dpi=150)
    return float(found), float(expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
