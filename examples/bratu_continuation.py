"""Both branches of Bratu's problem by continuation through the fold.

Equation    u'' + lam exp(u) = 0 on (0, 1), u(0) = u(1) = 0, lam from 0 along the branch
Method      pseudo-arclength continuation: the curve turns back at lam = 3.513830719, where Newton alone fails
Reference   the fold, from theta tanh(theta/4) = 4
Run         python examples/bratu_continuation.py --save bratu_continuation.png
Expected    largest lam on the curve = 3.5138
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import continuation

FOLD = 3.513830719125


def main(save: str | None = None) -> tuple[float, float]:
    """Follow the branch, print, draw; return (largest lam found, fold)."""
    branch = continuation(
        lambda x, u, lam: u.diff(2) + lam * np.exp(u),
        (0, 1),
        lbc=0,
        rbc=0,
        parameter="lam",
        start=0.5,
        stop=1.0,
    )
    lam = np.array([point.params["lam"] for point in branch])
    height = np.array([float(point(0.5)) for point in branch])
    top = largest(lam, height)
    print(
        f"{lam.size} points; largest lam {lam.max():.6f}, parabola through the top {top:.6f}; fold {FOLD:.6f}"
    )
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        axes.plot(lam, height, ".-")
        axes.axvline(FOLD, color="0.7", lw=0.8)
        axes.set(xlabel="lam", ylabel="u(1/2)", title="Bratu's problem: lower and upper branch")
        figure.savefig(save, dpi=150)
    return top, FOLD


def largest(lam: np.ndarray, height: np.ndarray) -> float:
    """Top of the parabola lam(height) through the three points around the largest lam."""
    i = int(np.clip(np.argmax(lam), 1, lam.size - 2))
    a, b, c = np.polyfit(height[i - 1 : i + 2], lam[i - 1 : i + 2], 2)
    return float(c - b * b / (4 * a))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
