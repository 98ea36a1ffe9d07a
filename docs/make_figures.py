"""The figures of the documentation, written to docs/figures/.

python docs/make_figures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from spectral_nn import BVP, continuation, solve_bvp

FIGURES = Path(__file__).parent / "figures"
BLUE, GREY, RED = "#1f5fa8", "0.6", "#b03a2e"


def main() -> None:
    with plt.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}
    ):
        figure, axes = plt.subplots(1, 3, figsize=(10, 3.1), layout="constrained")
        shock(axes[0])
        bratu(axes[1])
        double_well(axes[2])
        figure.savefig(FIGURES / "readme.png", dpi=160)


def shock(ax: plt.Axes) -> None:
    """The README's example, and where its mesh put the elements."""
    sol = solve_bvp(lambda x, u: 0.01 * u.diff(2) + u * u.diff() - u, (0, 1), lbc=-7 / 6, rbc=3 / 2)
    x = np.linspace(0, 1, 1000)
    ax.plot(x, sol(x), color=BLUE)
    ax.plot(sol.mesh, np.full(sol.mesh.size, -1.45), "|", color=GREY, markersize=8)
    ax.text(0.02, -1.36, "elements", color=GREY)
    ax.set(title="ε u″ + u u′ − u = 0, ε = 0.01", xlabel="x", ylabel="u", ylim=(-1.55, 1.7))
    ax.text(0.03, 1.35, f"residual {sol.residual:.0e}\n{sol.n} points", color="0.3")


def bratu(ax: plt.Axes) -> None:
    """Both solutions of Bratu's problem, followed through the fold."""
    branch = continuation(lambda x, u, lam: u.diff(2) + lam * np.exp(u), (0, 1), lbc=0, rbc=0,
                          parameter={"lam": 0.1}, step=0.2, until=(0.1, 5), max_step=0.3)  # fmt: skip
    ax.plot(branch.values, branch.measure, ".-", color=BLUE)
    (fold,) = branch.folds
    ax.axvline(fold, color=RED, lw=0.8)
    ax.text(fold - 0.08, 6.0, f"fold at\nλ = {fold:.7f}", ha="right", color=RED)
    ax.set(title="u″ + λ exp(u) = 0: continuation", xlabel="λ", ylabel="max u")


def double_well(ax: plt.Axes) -> None:
    """Eigenfunctions at the height of their eigenvalues."""

    def potential(x: np.ndarray) -> np.ndarray:
        return 0.5 * (x**2 - 6) ** 2

    found = BVP(lambda x, u: -u.diff(2) + potential(x) * u, (-5, 5), lbc=0, rbc=0).eigs(6)
    x = np.linspace(-4, 4, 600)
    ax.plot(x, potential(x), color=GREY)
    for i, (value, u) in enumerate(zip(found.eigenvalues, found.eigenfunctions, strict=True)):
        ax.axhline(value, color="0.85", lw=0.6, zorder=0)
        ax.plot(x, value + 1.6 * u(x), color=(BLUE, RED)[i % 2], lw=1.2)
    ax.set(title="−u″ + ½(x² − 6)² u = E u", xlabel="x", ylabel="E", ylim=(0, 21))


if __name__ == "__main__":
    main()
