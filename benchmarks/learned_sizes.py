"""Size generalization of linear transformers, N from 2 to 60, against conjugate gradients at equal depth and equal work.

The four variants of the paper: full weights at N = 9 with a learned 27-dimensional H; block weights at N = 9; block weights
on N from 2 to 9; the same fine-tuned on N from 10 to 20. κ = 10. The block weights leave out the vectors of ones; two more
rows show what those do, as published and divided by √N.

Equal depth: as many steps as layers. Equal work: as many steps as cost the floating-point operations of the network, those
of its matrix products, as torch counts them in the running forward pass; a step costs 2 N² + 10 N.

Run: python -m benchmarks.learned_sizes --runs runs/sizes                   (trains six small networks; resumable)
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
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.learned_report import FIGURES, table

SIZES = (2, 4, 6, 9, 12, 16, 20, 30, 40, 60)
LAYERS = 4
#: Steps of conjugate gradients that are looked at, to find those that reach the network's error.
MAX_STEPS = 60
#: Squared residual at which conjugate gradients have converged (b has norm about 0.3).
CONVERGED = 1e-28
TRAIN = {
    "steps": 2000, "batch": 64, "learning_rate": 5e-3, "warmup": 100, "validate_every": 2000, "power": 0.5,
    "precision": "float32",
}  # fmt: skip
BLOCK = {"kind": "linear_transformer", "weights": "block", "layers": LAYERS, "heads": 4, "ones": "none"}
FULL = {
    "kind": "linear_transformer",
    "weights": "full",
    "layers": LAYERS,
    "heads": 4,
    "n": 9,
    "embedding": 27,
}
SMALL, LARGE = [2, 3, 4, 5, 6, 7, 8, 9], [10, 12, 14, 16, 18, 20]
#: Name to network, training sizes, and the variant that it starts from.
VARIANTS: dict[str, tuple[dict[str, Any], list[int], str]] = {
    "full, N = 9": (FULL, [9], ""),
    "block, N = 9": (BLOCK, [9], ""),
    "block, N in 2-9": (BLOCK, SMALL, ""),
    "block, N in 10-20": (BLOCK, LARGE, "block, N in 2-9"),
    "ones over √N, N in 2-9": (BLOCK | {"ones": "unit"}, SMALL, ""),
    "ones as published, N in 2-9": (BLOCK | {"ones": "plain"}, SMALL, ""),
}
#: The variant that conjugate gradients are compared with.
MAIN = "block, N in 2-9"


def main(runs: Path, count: int) -> None:
    errors: dict[str, dict[int, np.ndarray]] = {}
    work: dict[int, int] = {}
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
        if name == MAIN:
            work = {n: steps_of_equal_work(network, n) for n in SIZES}
    descent = {n: gradients(n, count) for n in SIZES}

    rows = [
        [name, *(float(by_n[n][-1]) if n in by_n else "" for n in SIZES)] for name, by_n in errors.items()
    ]
    rows.append([f"conjugate gradients, {LAYERS} steps", *(float(descent[n][LAYERS - 1]) for n in SIZES)])
    reached = {n: int(np.argmax(descent[n] <= errors[MAIN][n][-1])) + 1 for n in SIZES}
    rows.append([f"conjugate gradients, steps to the error of: {MAIN}", *map(str, reached.values())])
    rows.append([f"conjugate gradients, steps of equal work: {MAIN}", *map(str, work.values())])
    rows.append(
        [
            "conjugate gradients, error at equal work",
            *(float(descent[n][min(work[n], MAX_STEPS) - 1]) for n in SIZES),
        ]
    )
    table("sizes", ["median relative error at N =", *map(str, SIZES)], rows)
    draw(errors, descent)


def learned(network: torch.nn.Module, n: int, count: int) -> np.ndarray:
    """Median relative error after each layer; x has norm 1."""
    A, b, x = spd.systems(13, "test", 0, count, n, (10.0, 10.0))
    with torch.no_grad():
        answers = network(torch.from_numpy(A).float(), torch.from_numpy(b).float()).double().numpy()
    return np.median(np.linalg.norm(answers - x, axis=2), axis=1)


def gradients(n: int, count: int) -> np.ndarray:
    """Median relative error after each step of conjugate gradients from zero (MAX_STEPS,)."""
    A, b, x = spd.systems(13, "test", 0, count, n, (10.0, 10.0))
    answer, r = np.zeros_like(b), b.copy()
    p, rho = r.copy(), (r**2).sum(1)
    out = []
    for _ in range(MAX_STEPS):
        q = np.einsum("bij,bj->bi", A, p)
        curvature = (p * q).sum(1)
        alpha = np.divide(rho, curvature, out=np.zeros_like(rho), where=curvature > 0)
        answer, r = answer + alpha[:, None] * p, r - alpha[:, None] * q
        new = (r**2).sum(1)
        new[new < CONVERGED] = 0.0  # beyond, rounding is all there is to go on
        p, rho = r + np.divide(new, rho, out=np.zeros_like(rho), where=rho > 0)[:, None] * p, new
        p[rho == 0] = 0.0
        out.append(float(np.median(np.linalg.norm(answer - x, axis=1))))
    return np.array(out)


def steps_of_equal_work(network: torch.nn.Module, n: int) -> int:
    """Steps of conjugate gradients that cost what one forward pass costs."""
    A, b, _ = spd.systems(13, "test", 0, 1, n, (10.0, 10.0))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(A).float(), torch.from_numpy(b).float())
    return round(counter.get_total_flops() / (2 * n**2 + 10 * n))


def draw(errors: dict[str, dict[int, np.ndarray]], descent: dict[int, np.ndarray]) -> None:
    """Errors by size, and by depth at the largest size."""
    figure = new_figure(10, 4)
    by_size, by_depth = figure.subplots(1, 2)
    for name, by_n in errors.items():
        last = [min(float(e[-1]), 1e3) for e in by_n.values()]
        by_size.loglog(list(by_n), last, ".:" if "ones" in name else ".-", label=name, ms=8)
    by_size.loglog(
        SIZES, [descent[n][LAYERS - 1] for n in SIZES], "k--", label=f"conjugate gradients, {LAYERS} steps"
    )
    by_size.set(
        xlabel="N", ylabel="median relative error", title=f"{LAYERS} layers, κ = 10", ylim=(1e-4, 1e2)
    )
    by_size.set_xticks(SIZES, [str(n) for n in SIZES])
    by_size.minorticks_off()
    by_size.legend(fontsize=7)
    depth = np.arange(1, LAYERS + 1)
    for name in (MAIN, "block, N in 10-20"):
        by_depth.semilogy(depth, errors[name][SIZES[-1]], ".-", label=name, ms=8)
    by_depth.semilogy(np.arange(1, 17), descent[SIZES[-1]][:16], "k--", label="conjugate gradients, steps")
    by_depth.set(xlabel="layers, or steps", title=f"N = {SIZES[-1]}")
    by_depth.legend(fontsize=7)
    figure.savefig(FIGURES / "learned_sizes.png", dpi=130)


def slug(name: str) -> str:
    return name.replace(",", "").replace(" = ", "").replace(" ", "-").replace("√", "root-")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/sizes"))
    parser.add_argument("--count", type=int, default=512)
    main(**vars(parser.parse_args()))
