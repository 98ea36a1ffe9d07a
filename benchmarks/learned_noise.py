"""Noisy systems: the learned solver against LU, truncated SVD and Tikhonov with the best possible parameter for each.

Every interior entry of A times 1 + σξ, every interior b_i plus σ max|b| ξ, boundary rows exact; diffusion, n = 64. The
classical methods are told the truth: their parameter is the one with the least error for the very system at hand, on the
matrix as given and on the row-equilibrated one, whichever is better. No method in practice knows that parameter.

Run: python -m benchmarks.learned_noise
"""

from __future__ import annotations

import argparse

import numpy as np
from spectral_nn_algebraformer.denoise import add_noise
from spectral_nn_algebraformer.evaluate import recipe_of, test_systems
from spectral_nn_algebraformer.figures import new_figure

from benchmarks.learned_report import FIGURES, table
from spectral_nn import solve_linear

SIGMAS = (1e-4, 1e-3, 1e-2)
WEIGHTS = "noise-diffusion-64"
ALPHAS = np.geomspace(1e-14, 1e2, 129)


def main(count: int) -> None:
    A, b, x = test_systems(recipe_of(WEIGHTS), 64, count)
    rows = []
    for sigma in SIGMAS:
        noisy_A, noisy_b = add_noise(A, b, np.full(count, sigma), 1234, "test", 0)
        learned = solve_linear(noisy_A, noisy_b, solver="algebraformer", noise=sigma)
        inside = (np.abs(learned.x - x) <= learned.x_error)[:, 1:-1].mean()
        errors = {"LU": relative(np.linalg.solve(noisy_A, noisy_b[..., None])[..., 0], x)}
        errors["truncated SVD, best"], errors["Tikhonov, best"] = best_classical(noisy_A, noisy_b, x)
        errors["learned"] = relative(learned.x, x)
        medians = {k: float(np.median(v)) for k, v in errors.items()}
        classical = min(v for k, v in medians.items() if k != "learned")
        rows.append(
            [f"{sigma:g}", *(f"{100 * medians[k]:.3g} %" for k in errors), f"{classical / medians['learned']:.1f}",
             f"{100 * inside:.1f} %", f"{100 * float((learned.items.status == 1).mean()):.0f} %"]
        )  # fmt: skip
        if sigma == 1e-2:
            draw_example(x[3], learned.x[3], learned.x_error[3], noisy_A[3], noisy_b[3])
    head = [
        "σ",
        *errors,
        "best classical / learned",
        "points in the 90 % band",
        "residual explained by noise",
    ]
    table("noise", head, rows)


def best_classical(A: np.ndarray, b: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least errors (B,) over the parameter of truncated SVD and of Tikhonov, raw or row-equilibrated."""
    best = [np.full(len(A), np.inf), np.full(len(A), np.inf)]
    for scale in (np.ones(A.shape[:2]), 1 / np.linalg.norm(A, axis=2)):
        U, s, Vt = np.linalg.svd(scale[..., None] * A)
        c = np.einsum("bji,bj->bi", U, scale * b)
        terms = Vt * (c / s)[..., None]  # (B, rank, n)
        sizes = np.linalg.norm(x, axis=1)
        partial = np.cumsum(terms, axis=1)
        tsvd = np.linalg.norm(partial - x[:, None], axis=2).min(axis=1) / sizes
        best[0] = np.minimum(best[0], tsvd)
        for alpha in ALPHAS:
            filtered = s**2 / (s**2 + alpha * s[:, :1] ** 2)
            best[1] = np.minimum(best[1], relative(np.einsum("bkn,bk->bn", terms, filtered), x))
    return best[0], best[1]


def relative(x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)


def draw_example(x: np.ndarray, u: np.ndarray, band: np.ndarray, A: np.ndarray, b: np.ndarray) -> None:
    from spectral_nn.bvp.collocation import grid

    t = grid(64)
    figure = new_figure(6, 3.8)
    ax = figure.add_subplot()
    ax.plot(t, np.linalg.solve(A, b), color="0.75", label="LU")
    ax.fill_between(t, u - band, u + band, alpha=0.4, color="C0", label="learned, 90 % band")
    ax.plot(t, u, "C0")
    ax.plot(t, x, "k--", lw=1, label="noise-free solution")
    span = np.ptp(x)
    ax.set(
        ylim=(x.min() - 0.6 * span, x.max() + 0.6 * span),
        xlabel="x",
        title="1 % noise on every entry of A and b",
    )
    ax.legend()
    figure.savefig(FIGURES / "learned_noise.png", dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=512, help="test systems")
    main(**vars(parser.parse_args()))
