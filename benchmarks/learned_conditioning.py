"""Relative error against the condition number of A, from 1e3 to 1e8: the network alone, and the certified answer.

κ grows with n (as n^4) and with the contrast of the coefficients; both are varied. The network is `elliptic`, trained for
24 to 128 points; sizes beyond and coefficients beyond its training range are marked as outside.

Run: python -m benchmarks.learned_conditioning
"""

from __future__ import annotations

import argparse

import numpy as np
from spectral_nn_algebraformer import Algebraformer, data
from spectral_nn_algebraformer.figures import new_figure

from benchmarks.learned_report import FIGURES, table
from spectral_nn import solve_linear
from spectral_nn.bvp.collocation import second_order_batch

SIZES = (9, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192)
#: Shown in the documentation; the csv file holds all.
ON_PAGE = (9, 16, 32, 64, 128, 192)
#: log K = amplitude × a Gaussian process; trained up to 0.6.
AMPLITUDES = (0.0, 0.3, 0.6, 1.0, 1.5)
TRAINED_SIZES, TRAINED_AMPLITUDE = range(24, 129), 0.6


def main(count: int, weights: str) -> None:
    network = Algebraformer(weights=weights, loops=8, sizes=SIZES)
    slot = Algebraformer(weights=weights, sizes=SIZES)
    points, rows = [], []
    for n in SIZES:
        for amplitude in AMPLITUDES:
            A, b = systems(n, amplitude, count)
            x = np.linalg.solve(A, b[..., None])[..., 0]
            kappa = np.linalg.cond(A)
            raw = network.solve(network.factor(A), b).x
            answer = solve_linear(A, b, solver=slot, rtol=1e-12)
            error, certified = relative(raw, x), relative(answer.x, x)
            inside = n in TRAINED_SIZES and amplitude <= TRAINED_AMPLITUDE
            points.append((kappa, error, certified, inside))
            rows.append(
                [n, amplitude, "inside" if inside else "outside", float(np.median(kappa)), float(np.median(error)),
                 float(error.max()), float(certified.max()), f"{100 * answer.items.fell_back.mean():.0f} %",
                 "yes" if answer.success else "no"]
            )  # fmt: skip
    head = ["n", "amplitude of log K", "training range", "κ(A), median", "network, 8 loops: median", "largest",
            "certified: largest", "fell back", "all succeeded"]  # fmt: skip
    table("conditioning", head, rows)
    table("conditioning_page", head, [row for row in rows if row[0] in ON_PAGE and row[1] in (0.3, 0.6, 1.5)])

    figure = new_figure(6, 4)
    ax = figure.add_subplot()
    for inside, color, label in ((True, "C0", "in the training range"), (False, "C1", "outside")):
        chosen = [p for p in points if p[3] == inside]
        ax.loglog(
            *(np.concatenate([p[i] for p in chosen]) for i in (0, 1)),
            ".",
            ms=3,
            color=color,
            label=f"network, {label}",
        )
    ax.loglog(
        *(np.concatenate([p[i] for p in points]) for i in (0, 2)),
        ".",
        ms=2,
        color="0.6",
        label="certified answer",
    )
    ax.set(
        xlabel="condition number of A",
        ylabel="relative l2 error",
        title="8 residual loops, and what the slot returns",
    )
    ax.legend()
    figure.savefig(FIGURES / "learned_conditioning.png", dpi=130)


def systems(n: int, amplitude: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """-(K u')' + r u = f, Dirichlet, K = exp(amplitude · GP), r ~ U(0, 20)."""
    from spectral_nn.bvp.collocation import row_nodes

    draw = data.draw(77, "test", 0, count)
    y = row_nodes(n, 2)
    K = np.exp(amplitude * draw.field(0, y))
    slope = K * amplitude * draw.field(0, y, 1)
    A = second_order_batch(-K, -slope, np.broadcast_to(20 * draw.uniforms[:, :1], K.shape), n)
    b = np.zeros((count, n))
    b[:, 1:-1] = draw.data[:, 0, : data.KL_MODES] @ data.kl_basis(y).T
    return A, b


def relative(x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=64, help="systems per size and amplitude")
    parser.add_argument("--weights", default="elliptic")
    main(**vars(parser.parse_args()))
