"""Size generalization of linear transformers, N from 2 to 60, against conjugate gradients at equal work.

The four variants of the paper: full weights at N = 9 with a learned 27-dimensional H; block weights at N = 9; block weights
on N from 2 to 9; the same fine-tuned on N from 10 to 20. κ = 10. Work is counted in products with an N × N matrix block
per right-hand side: a layer costs as many as conjugate gradients need products (N steps of N² each for one N³ product),
and conjugate gradients are also shown after as many steps as there are layers, which is far less work.

Run: python -m benchmarks.learned_sizes --runs runs/sizes                  (trains four small networks; resumable)
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spectral_nn_algebraformer import spd
from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.pretrained import export
from spectral_nn_algebraformer.recipe import load_recipe
from spectral_nn_algebraformer.train import train

from benchmarks.learned_report import FIGURES, table

SIZES = (2, 4, 6, 9, 12, 16, 20, 30, 40, 60)
LAYERS = 4
#: Squared residual at which conjugate gradients have converged (b has norm about 0.3).
CONVERGED = 1e-28
TRAIN = {
    "steps": 2000, "batch": 128, "learning_rate": 3e-3, "warmup": 100, "validate_every": 2000, "power": 0.5,
    "precision": "float32",
}  # fmt: skip
BLOCK = {"kind": "linear_transformer", "weights": "block", "layers": LAYERS, "heads": 4}
FULL = {
    "kind": "linear_transformer",
    "weights": "full",
    "layers": LAYERS,
    "heads": 4,
    "n": 9,
    "embedding": 27,
}
VARIANTS: dict[str, tuple[dict[str, Any], list[int], str]] = {
    "full, N = 9": (FULL, [9], ""),
    "block, N = 9": (BLOCK, [9], ""),
    "block, N in 2-9": (BLOCK, [2, 3, 4, 5, 6, 7, 8, 9], ""),
    "block, N in 10-20": (BLOCK, [10, 12, 14, 16, 18, 20], "block, N in 2-9"),
}


def main(runs: Path, count: int) -> None:
    errors: dict[str, dict[int, float]] = {}
    for name, (model, sizes, before) in VARIANTS.items():
        recipe = load_recipe(
            {
                "name": slug(name), "seed": 13, "weights": str(runs / (slug(before) + "-weights")) if before else "",
                "data": {"objective": "spd", "n": sizes, "kappa": [10, 10]}, "model": model, "train": TRAIN,
            }
        )  # fmt: skip
        network = train(recipe, runs / slug(name))
        export(runs / slug(name), runs / (slug(name) + "-weights"), {})
        errors[name] = {n: learned(network, n, count) for n in SIZES if model is not FULL or n == 9}
    errors[f"conjugate gradients, {LAYERS} steps"] = {n: gradients(n, count, LAYERS) for n in SIZES}
    errors["conjugate gradients, equal work"] = {
        n: gradients(n, count, LAYERS * work_of_layer(n)) for n in SIZES
    }
    rows = [[name, *(by_n.get(n, "") for n in SIZES)] for name, by_n in errors.items()]
    table("sizes", ["median relative error at N =", *map(str, SIZES)], rows)

    figure = new_figure(6, 4)
    ax = figure.add_subplot()
    for name, by_n in errors.items():
        style = "--" if name.startswith("conjugate") else ".-"
        ax.loglog(list(by_n), [max(v, 1e-16) for v in by_n.values()], style, label=name, ms=8)
    ax.set(xlabel="N", ylabel="median relative error", title=f"{LAYERS} layers, κ = 10", ylim=(1e-16, 10))
    ax.legend(fontsize=8)
    figure.savefig(FIGURES / "learned_sizes.png", dpi=130)


def learned(network: torch.nn.Module, n: int, count: int) -> float:
    A, b, x = spd.systems(13, "test", 0, count, n, (10.0, 10.0))
    with torch.no_grad():
        answer = network(torch.from_numpy(A).float(), torch.from_numpy(b).float())[-1].double().numpy()
    return float(np.median(np.linalg.norm(answer - x, axis=1)))


def gradients(n: int, count: int, steps: int) -> float:
    """Conjugate gradients from zero; x has norm 1."""
    A, b, x = spd.systems(13, "test", 0, count, n, (10.0, 10.0))
    answer, r = np.zeros_like(b), b.copy()
    p, rho = r.copy(), (r**2).sum(1)
    for _ in range(steps):
        q = np.einsum("bij,bj->bi", A, p)
        curvature = (p * q).sum(1)
        alpha = np.divide(rho, curvature, out=np.zeros_like(rho), where=curvature > 0)
        answer, r = answer + alpha[:, None] * p, r - alpha[:, None] * q
        new = (r**2).sum(1)
        new[new < CONVERGED] = 0.0  # beyond, rounding is all there is to go on
        p, rho = r + np.divide(new, rho, out=np.zeros_like(rho), where=rho > 0)[:, None] * p, new
        p[rho == 0] = 0.0
        if not rho.any():
            break
    return float(np.median(np.linalg.norm(answer - x, axis=1)))


def work_of_layer(n: int) -> int:
    """Products with an N × N matrix that cost what a layer of block weights does: two products of D x N by N x D."""
    d = 4 * n + 1
    return max(1, round((n * d * d + 4 * (n + 1) * d * d) / n**2))


def slug(name: str) -> str:
    return name.replace(",", "").replace(" = ", "").replace(" ", "-")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/sizes"))
    parser.add_argument("--count", type=int, default=512)
    main(**vars(parser.parse_args()))
