"""Transfer with a small network of the published kind (column tokens, one pass), n = 32: the paper's own experiment.

Trained on a stream of diffusion systems, then on 250 reaction-diffusion or 1500 advection-diffusion systems, against scratch
on the same ones. Counted: epochs after which the validation error first falls below the best that scratch ever reaches.

Run: python -m benchmarks.learned_transfer_published --runs runs/transfer-published     (trains five networks; resumable)
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from spectral_nn_algebraformer.pretrained import export
from spectral_nn_algebraformer.recipe import load_recipe
from spectral_nn_algebraformer.train import train

from benchmarks.learned_report import table

MODEL = {"kind": "algebraformer", "n": 32, "width": 96, "depth": 4, "heads": 4}
BEFORE = {"steps": 2500, "batch": 32, "learning_rate": 1e-3, "warmup": 100, "validate_every": 500}
#: (samples, batch, steps, steps between validations)
FAMILIES = {"reaction_diffusion": (250, 50, 1500, 5), "advection_diffusion": (1500, 50, 1500, 15)}


def main(runs: Path) -> None:
    source = runs / "diffusion"
    train(recipe("diffusion", "diffusion", 0, BEFORE), source)
    export(source, runs / "diffusion-weights", {})
    rows = []
    for family, (samples, batch, steps, every) in FAMILIES.items():
        settings = {
            "steps": steps,
            "batch": batch,
            "learning_rate": 5e-4,
            "warmup": 20,
            "validate_every": every,
        }
        curves = {}
        for start, weights in (("scratch", ""), ("fine-tuned", str(runs / "diffusion-weights"))):
            where = runs / f"{family}-{start}"
            train(recipe(f"{family}-{start}", family, samples, settings, weights), where)
            curves[start] = curve(where, samples / batch)
        best = min(mse for _, mse in curves["scratch"])
        at = next(epoch for epoch, mse in curves["scratch"] if mse <= best)
        needed = next((epoch for epoch, mse in curves["fine-tuned"] if mse <= best), float("nan"))
        rows.append(
            [family, samples, at, best, needed, at / needed, min(mse for _, mse in curves["fine-tuned"])]
        )
    head = ["family", "samples", "epochs from scratch to its best", "its MSE", "epochs fine-tuned", "ratio",
            "best MSE fine-tuned"]  # fmt: skip
    table("transfer_published", head, rows)


def recipe(name: str, family: str, samples: int, settings: dict[str, Any], weights: str = "") -> Any:
    data = {
        "objective": "solution",
        "family": family,
        "n": [32],
        "rhs": 1,
        "scaling": "preconditioned",
        "samples": samples,
    }
    train_table = {"validation": 512, "log_every": settings["validate_every"], **settings}
    return load_recipe(
        {"name": name, "seed": 31, "weights": weights, "data": data, "model": MODEL, "train": train_table}
    )


def curve(run: Path, steps_per_epoch: float) -> list[tuple[float, float]]:
    """(epoch, mean square error) of the validation stream."""
    with (run / "log.csv").open() as file:
        return [(int(r["step"]) / steps_per_epoch, float(r["mse"])) for r in csv.DictReader(file) if r["mse"]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer-published"))
    main(**vars(parser.parse_args()))
