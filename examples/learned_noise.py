"""Noisy data: where a learned solver is worth having.

System      -(K u')' = f, u(±1) = 0, 64 points; every entry of A and b carries 1 % noise
Solvers     LU, Tikhonov with the discrepancy principle, and the learned denoiser with its 90 % band
Run         python examples/learned_noise.py --save learned_noise.png     (needs spectral-nn-algebraformer)
Expected    LU wrong by about 100 %, the denoiser by about 1 %
"""

from __future__ import annotations

import argparse

import numpy as np
from spectral_nn_algebraformer.data import draw, systems

from spectral_nn import solve_linear
from spectral_nn.bvp.collocation import grid

SIGMA = 1e-2


def main(save: str | None = None) -> tuple[float, float]:
    """Solve one noisy system three ways; return (relative error of the denoiser, 0)."""
    A, b = systems("diffusion", 64, draw(seed=3, split="test", start=5, count=1))
    A, b = A[0], b[0, :, 0]
    truth = np.linalg.solve(A, b)
    rng = np.random.default_rng(0)
    noisy_A, noisy_b = A.copy(), b.copy()
    noisy_A[1:-1] *= 1 + SIGMA * rng.standard_normal((62, 64))
    noisy_b[1:-1] += SIGMA * np.abs(b).max() * rng.standard_normal(62)

    learned = solve_linear(noisy_A, noisy_b, solver="algebraformer", noise=SIGMA)
    classical = solve_linear(noisy_A, noisy_b, solver="tikhonov", noise=SIGMA)
    exact = np.linalg.solve(noisy_A, noisy_b)
    errors = {
        name: float(np.linalg.norm(x - truth) / np.linalg.norm(truth))
        for name, x in (("LU", exact), ("Tikhonov", classical.x), ("learned", learned.x))
    }
    for name, error in errors.items():
        print(f"{name:>9}: relative error {100 * error:.2f} %")
    inside = np.abs(learned.x - truth)[1:-1] <= learned.x_error[1:-1]
    print(f"points within the 90 % band: {100 * inside.mean():.0f} %")
    print(learned.message)
    if save:
        import matplotlib.pyplot as plt

        x = grid(64)
        figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
        ax.plot(x, exact, color="0.75", label="LU")
        ax.plot(x, classical.x, "C1", label="Tikhonov")
        ax.fill_between(x, learned.x - learned.x_error, learned.x + learned.x_error, alpha=0.3, color="C0")
        ax.plot(x, learned.x, "C0", label="learned, 90 % band")
        ax.plot(x, truth, "k--", lw=1, label="noise-free solution")
        size = np.abs(truth).max()
        ax.set(
            ylim=(truth.min() - size, truth.max() + size),
            xlabel="x",
            title="1 % noise on every entry of A and b",
        )
        ax.legend()
        figure.savefig(save, dpi=150)
    return errors["learned"], 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
