"""What each choice is worth: encoding, attention mask, input scaling, residual feedback, integration.

Small networks on diffusion systems, the same streams, steps and rate within a group; a group compares nothing with another.

    n = 16   column tokens | every entry a token; bidirectional | causal; rows | global | preconditioned tokens
    n = 32   looped stack with and without feedback of the residual; operator network with and without attention, integration

Run: python -m benchmarks.learned_ablation --runs runs/ablation           (trains a dozen small networks; resumable)
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spectral_nn_algebraformer.models import build, count_parameters
from spectral_nn_algebraformer.recipe import load_recipe
from spectral_nn_algebraformer.train import train

from benchmarks.learned_report import table

SMALL = {"width": 64, "depth": 4, "heads": 4, "n": 16}
TRAIN = {
    "steps": 800,
    "batch": 32,
    "learning_rate": 1e-3,
    "warmup": 100,
    "validate_every": 800,
    "validation": 1024,
}
DIRECT: dict[str, tuple[dict[str, Any], str]] = {
    "column tokens, rows scaled": ({"kind": "algebraformer", **SMALL}, "rows"),
    "every entry a token, rows scaled": ({"kind": "flattened", **SMALL}, "rows"),
    "column tokens, causal, rows scaled": ({"kind": "algebraformer", **SMALL, "causal": True}, "rows"),
    "column tokens, scaled by one number": ({"kind": "algebraformer", **SMALL}, "global"),
    "column tokens, preconditioned": ({"kind": "algebraformer", **SMALL}, "preconditioned"),
}
LOOPED: dict[str, dict[str, Any]] = {
    "looped stack, residual fed back": {"kind": "residual", "width": 64},
    "looped stack, right-hand side only": {"kind": "residual", "width": 64, "feedback": False},
}
GREEN = {"kind": "green", "width": 64, "depth": 3}
OPERATOR: dict[str, dict[str, Any]] = {
    "operator network": GREEN,
    "operator network, no attention": {**GREEN, "attention": False},
    "operator network, no integration": {**GREEN, "integration": False},
}


def main(runs: Path) -> None:
    rows = []
    for name, (model, scaling) in DIRECT.items():
        data = {"objective": "solution", "n": [16], "rhs": 1, "scaling": scaling}
        rows.append(trained(runs, name, data, model, "n = 16, 1 pass"))
    for group, objective in ((LOOPED, "iterate"), (OPERATOR, "operator")):
        for name, model in group.items():
            rows.append(
                trained(runs, name, {"objective": objective, "n": [32], "rhs": 2}, model, "n = 32, 4 loops")
            )
    table(
        "ablation",
        ["network", "", "parameters", "systems seen", "seconds", "MSE", "median relative error"],
        rows,
    )
    memory()


def trained(runs: Path, name: str, data: dict[str, Any], model: dict[str, Any], where: str) -> list[Any]:
    slug = name.replace(",", "").replace(" ", "-")
    steps = {} if model["kind"] != "flattened" else {"log_every": 50}
    recipe = load_recipe({"name": slug, "seed": 5, "data": data, "model": model, "train": {**TRAIN, **steps}})
    network = train(recipe, runs / slug)
    with (runs / slug / "log.csv").open() as file:
        last = [r for r in csv.DictReader(file) if r["error"]][-1]
    seen = recipe.train.steps * recipe.train.batch
    return [
        name,
        where,
        f"{count_parameters(network):,}",
        f"{seen:,}",
        float(last["seconds"]),
        float(last["mse"]),
        float(last["error"]),
    ]


def memory() -> None:
    """Size of the attention matrices of one layer and head: n² entries for columns, n⁴ flattened; seen, not computed."""
    rows = []
    for n in (8, 16, 32):
        sizes = {}
        for kind in ("algebraformer", "flattened"):
            network = build({"kind": kind, "width": 16, "depth": 1, "heads": 1, "n": n})
            seen: list[int] = []
            keep = torch.softmax

            def count(x: torch.Tensor, dim: int, keep: Any = keep, seen: list[int] = seen) -> torch.Tensor:
                seen.append(x.numel())
                return keep(x, dim=dim)

            torch.softmax = count  # type: ignore[assignment]
            try:
                with torch.no_grad():
                    network(torch.randn(1, n, n + 1))
            finally:
                torch.softmax = keep
            sizes[kind] = max(seen)
        rows.append(
            [
                n,
                sizes["algebraformer"],
                sizes["flattened"],
                f"{np.log2(sizes['flattened'] / sizes['algebraformer']):.0f}",
            ]
        )
    table("memory", ["n", "attention entries, columns", "flattened", "log2 of the ratio"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    main(**vars(parser.parse_args()))
