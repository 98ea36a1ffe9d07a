"""Best polynomials in L_p, from least squares towards minimax: the error equioscillates as p grows.

Problem     minimize ( int_-1^1 |f - q|^p dx )^(1/p) over polynomials q of degree n, the integral by Clenshaw-Curtis
            weights at Chebyshev points, q in Chebyshev polynomials
Reference   f = x^(n+1): the best maximum-norm error is 2^-n (Chebyshev 1854), the best L_2 one that of Legendre
Run         python examples/lp_polynomial_fit.py --save lp_polynomial_fit.png
Expected    for x^8, n = 7, the largest error at p = 512 is within 2 % of 2^-7 = 0.0078125
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from spectral_nn import LpResult, minimize_lp
from spectral_nn.chebyshev.grid import points, quadrature_weights

EXPONENTS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


def main(save: str | None = None, nodes: int = 2000) -> tuple[float, float]:
    """Fit x^8 and Runge's function, draw the latter; return the largest error of the former and 2^-7."""
    fits = sweep(lambda x: x**8, 7, nodes)
    for p, (_, error) in fits.items():
        print(f"p = {p:<5g} largest error {error:.8f} = {error * 2**7:.4f} x 2^-7")
    if save:
        import matplotlib.pyplot as plt

        x = np.linspace(-1, 1, 1000)
        figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
        for p, (fit, _) in sweep(runge, 12, nodes).items():
            if p in (2.0, 8.0, 512.0):
                ax.plot(x, runge(x) - chebvander(x, 12) @ fit.x, label=f"p = {p:g}")
        ax.axhline(0, color="k", lw=0.5)
        ax.set(xlabel="x", ylabel="error", title="Runge's function by polynomials of degree 12, best in L_p")
        ax.legend()
        figure.savefig(save, dpi=150)
    return fits[EXPONENTS[-1]][1], 2.0**-7


def sweep(
    f: Callable[[np.ndarray], np.ndarray], degree: int, nodes: int
) -> dict[float, tuple[LpResult, float]]:
    """The best polynomial for each p, each started from the last; with its largest error on a fine grid."""
    x = points(nodes)
    A, b, w = chebvander(x, degree), f(x), quadrature_weights(nodes)
    fine = np.linspace(-1, 1, 5001)
    fits: dict[float, tuple[LpResult, float]] = {}
    last = None
    for p in EXPONENTS:
        fit = minimize_lp(A, b, p, weights=w ** (1 / p), x0=None if last is None else last.x)
        fits[p] = fit, float(np.abs(f(fine) - chebvander(fine, degree) @ fit.x).max())
        last = fit
    return fits


def runge(x: np.ndarray) -> np.ndarray:
    """1 / (1 + 25 x^2)."""
    return 1 / (1 + 25 * x**2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
