"""l_p regression with outliers: least squares follows them, p = 1.1 does not.

Problem     minimize ||A c - y||_p over the coefficients c of a cubic; 15 % of the y are wrong by a lot
Source      p < 2 as a robust fit: Bloomfield, Steiger, Least Absolute Deviations, Birkhaeuser 1983
Run         python examples/lp_regression_outliers.py --save lp_regression_outliers.png
Expected    the largest error of the p = 1.1 coefficients is below 0.05, that of least squares above 0.5
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import minimize_lp

TRUTH = np.array([0.5, -1.0, 0.0, 2.0])
EXPONENTS = (1.1, 1.5, 2.0)


def main(save: str | None = None, points: int = 400) -> tuple[float, float]:
    """Fit, print, draw; return the largest coefficient errors of p = 1.1 and of least squares."""
    rng = np.random.default_rng(3)
    t = np.sort(rng.uniform(-1, 1, points))
    A = np.vander(t, 4, increasing=True)
    y = A @ TRUTH + 0.05 * rng.standard_normal(points)
    wrong = rng.random(points) < 0.15
    y[wrong] += 4 + 2 * rng.standard_normal(wrong.sum())
    fits = {p: minimize_lp(A, y, p) for p in EXPONENTS}
    errors = {p: float(np.abs(fit.x - TRUTH).max()) for p, fit in fits.items()}
    for p, fit in fits.items():
        print(
            f"p = {p:<4} coefficients {np.round(fit.x, 3)}, error {errors[p]:.3f}, gap {fit.gap:.0e}, nit {fit.nit}"
        )
    if save:
        import matplotlib.pyplot as plt

        figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
        ax.plot(t[~wrong], y[~wrong], ".", color="0.6", ms=4, label="data")
        ax.plot(t[wrong], y[wrong], "x", color="tab:red", ms=4, label="outliers")
        ax.plot(t, A @ TRUTH, "k--", lw=1, label="truth")
        for p, fit in fits.items():
            ax.plot(t, A @ fit.x, label=f"p = {p}")
        ax.set(xlabel="t", ylabel="y", title="A cubic through data with outliers")
        ax.legend(ncol=2)
        figure.savefig(save, dpi=150)
    return errors[1.1], errors[2.0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
