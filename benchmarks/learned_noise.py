"""Noisy systems: `solve_linear(noise=)` against LU, truncated SVD and Tikhonov with the best possible parameter for each.

Every interior entry of A times 1 + σξ, every interior b_i plus σ max|b| ξ, boundary rows exact; n = 64. The classical
methods are told the truth: their parameter is the one with the least error for the very system at hand, on the matrix as
given and on the row-equilibrated one, whichever is better. No method in practice knows that parameter. Two more columns
take the door apart: the network alone, and the weighted least-squares fit of -(K u')' alone, which learned nothing.

Run: python -m benchmarks.learned_noise
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from spectral_nn_algebraformer import denoise, noisy
from spectral_nn_algebraformer.denoise import add_noise
from spectral_nn_algebraformer.encode import to_unit_size
from spectral_nn_algebraformer.evaluate import coverage, recipe_of, test_systems
from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.operator_fit import fit_operator

from benchmarks.learned_report import FIGURES, table
from spectral_nn import solve_linear
from spectral_nn.bvp.collocation import row_nodes, second_order_batch

SIGMAS = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2)
WEIGHTS = "noise-diffusion-64"
#: Systems of them that the classical methods, with all their parameters, are tried on.
CLASSICAL_COUNT = 256
ALPHAS = np.geomspace(1e-14, 1e2, 65)


def main(count: int) -> None:
    A, b, x = test_systems(recipe_of(WEIGHTS), 64, count)
    rows = []
    for sigma in SIGMAS:
        noisy_A, noisy_b = add_noise(A, b, np.full(count, sigma), 1234, "test", 0)
        door = solve_linear(noisy_A, noisy_b, solver="algebraformer", noise=sigma)
        few = slice(CLASSICAL_COUNT)
        assert door.x_error is not None and door.items is not None
        errors = {"LU": relative(np.linalg.solve(noisy_A[few], noisy_b[few, :, None])[..., 0], x[few])}
        errors["truncated SVD, best"], errors["Tikhonov, best"] = best_classical(
            noisy_A[few], noisy_b[few], x[few]
        )
        classical = min(float(np.median(v)) for v in errors.values())
        parts = taken_apart(noisy_A, noisy_b, sigma)
        errors["least-squares fit"] = relative(parts["fit"][0], x)
        errors["network"] = relative(parts["network"][0], x)
        errors["solve_linear"] = relative(door.x, x)
        medians = [float(np.median(v)) for v in errors.values()]
        rows.append(
            [f"{sigma:g}", *(percent(v) for v in medians), f"{classical / medians[-1]:.0f}",
             f"{100 * coverage(door.x, door.x_error, x):.1f} %", percent(parts["learned"].mean()),
             percent(door.items.fell_back.mean()), percent(door.items.success.mean())]
        )  # fmt: skip
        if sigma == 1e-2:
            draw_example(x[3], door.x[3], door.x_error[3], noisy_A[3], noisy_b[3])
    head = ["σ", *errors, "best classical / solve_linear", "points in the 90 % band", "answers of the network",
            "fell back", "success"]  # fmt: skip
    table("noise", head, rows)
    outside(min(count, 512))


def outside(count: int) -> None:
    """A coefficient that 64 points do not resolve, and a jump in f: nothing like what the network was trained on."""
    t = row_nodes(64, 2)
    K, slope = 1 + 0.9 * np.cos(6 * np.pi * t), -0.9 * 6 * np.pi * np.sin(6 * np.pi * t)
    ends = {"left_bc": (1.0, 0.0), "right_bc": (1.0, 0.0)}
    A = second_order_batch(-K[None], -slope[None], 0 * K[None], 64, **ends).repeat(count, axis=0)  # type: ignore[arg-type]
    b = np.zeros((count, 64))
    b[:, 1:-1] = np.sign(t)
    x = np.linalg.solve(A, b[..., None])[..., 0]
    rows = []
    for sigma in SIGMAS:
        noisy_A, noisy_b = add_noise(A, b, np.full(count, sigma), 1234, "test", 0)
        door = solve_linear(noisy_A, noisy_b, solver="algebraformer", noise=sigma)
        assert door.x_error is not None
        parts = taken_apart(noisy_A, noisy_b, sigma)
        answers = ((door.x, door.x_error), parts["network"])
        rows.append(
            [f"{sigma:g}", *(c for u, half in answers for c in (
                percent(float(np.median(relative(u, x)))), f"{100 * coverage(u, half, x):.1f} %")),
             percent(parts["learned"].mean())]
        )  # fmt: skip
    head = [
        "σ",
        "solve_linear",
        "points in its band",
        "network alone",
        "points in its band",
        "answers of the network",
    ]
    table("noise_outside", head, rows)


def taken_apart(A: np.ndarray, b: np.ndarray, sigma: float) -> dict[str, Any]:
    """Answers and bands of the fit alone and of the network alone, and which of the latter the door lets through."""
    unit, exponent = to_unit_size(A)
    parts = [
        fit_operator(some).solve(c)
        for some, c in zip(chunks(unit), chunks(np.ldexp(b, -exponent[:, None])), strict=True)
    ]
    u, spread = (np.concatenate(part) for part in zip(*parts, strict=True))
    learned = noisy.estimate(noisy.prepare(A, sigma, WEIGHTS), b, WEIGHTS)[2]
    network = denoise.answer(WEIGHTS, A, b, np.full(len(A), sigma))
    return {"fit": (u, noisy.Z90 * sigma * spread), "network": network, "learned": learned}


def chunks(values: np.ndarray) -> list[np.ndarray]:
    return [values[at : at + noisy.CHUNK] for at in range(0, len(values), noisy.CHUNK)]


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


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
    parser.add_argument("--count", type=int, default=2048, help="test systems")
    main(**vars(parser.parse_args()))
