"""Transfer: weights trained on diffusion, fine-tuned on a few systems of another family, against training from scratch.

Two networks: the published Algebraformer (`paper-algebraformer`, column tokens, one pass), which is the experiment of
the paper, and the residual network (`diffusion-64`). Both starts see the same samples at the same batch; each has a
schedule of its own length. Counted: epochs after which the error on fresh systems is first at most the one that scratch
ends with, and the same for the best one that scratch meets on its way.

Run: python -m benchmarks.learned_transfer --runs runs/transfer           (trains eight networks; resumable)
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.objectives import SolutionObjective, in_units_of_weights
from spectral_nn_algebraformer.recipe import Recipe, load_recipe
from spectral_nn_algebraformer.train import train

from benchmarks.learned_report import FIGURES, table

#: Training samples of each family, as in the paper.
SAMPLES = {"reaction_diffusion": 250, "advection_diffusion": 1500}


@dataclass(frozen=True)
class Trial:
    """One network on one family: where it starts, and the schedules of both starts."""

    network: str
    weights: str
    family: str
    measures: tuple[str, ...]
    batch: int
    epochs_scratch: int
    epochs_tuned: int
    rate_scratch: float
    rate_tuned: float
    validate: int


#: Columns of a run's log: the paper's measure, which the largest solutions dominate, and one that none dominates.
BOTH = ("mse", "error")
MEASURES = {"mse": "mean square error", "error": "median relative error"}

TRIALS = (
    Trial("published", "paper-algebraformer", "reaction_diffusion", BOTH, 25, 120, 40, 2e-3, 5e-4, 1),
    Trial("published", "paper-algebraformer", "advection_diffusion", BOTH, 50, 30, 10, 2e-3, 5e-4, 1),
    Trial("residual", "diffusion-64", "reaction_diffusion", ("error",), 50, 160, 160, 3e-3, 3e-3, 1),
    Trial("residual", "diffusion-64", "advection_diffusion", ("error",), 50, 30, 30, 3e-3, 3e-3, 1),
)


def main(runs: Path, device: str, only: str) -> None:
    rows = []
    figure = new_figure(9, 6.6)
    axes = figure.subplots(2, 2).ravel()
    for ax, trial in zip(axes, TRIALS, strict=True):
        if only not in f"{trial.network}-{trial.family}":
            continue
        for start in ("scratch", "fine-tuned"):
            train(recipe(trial, start), runs / run_name(trial, start), device=device)
        for measure in trial.measures:
            curves = {start: curve(runs, trial, start, measure) for start in ("scratch", "fine-tuned")}
            rows.append(row(trial, measure, curves))
            if measure == trial.measures[0]:
                draw(ax, trial, curves)
    head = ["network", "family", "samples", "measure", "scratch: epochs", "at its end", "its best", "at epoch",
            "fine-tuned: after one epoch", "its best", "epochs to scratch's end", "ratio", "to scratch's best",
            "ratio"]  # fmt: skip
    table("transfer", head, rows)
    if not only:
        figure.savefig(FIGURES / "learned_transfer.png", dpi=130)


def recipe(trial: Trial, start: str) -> Recipe:
    """The recipe of the weights with other data and another schedule."""
    base = load_recipe(trial.weights)
    scratch = start == "scratch"
    per_epoch = steps_per_epoch(trial)
    return load_recipe(
        base.to_dict(),
        {
            "name": f"transfer-{run_name(trial, start)}",
            "seed": 21,
            "weights": "" if scratch else trial.weights,
            "data.family": trial.family,
            "data.samples": SAMPLES[trial.family],
            "train.batch": trial.batch,
            "train.steps": per_epoch * (trial.epochs_scratch if scratch else trial.epochs_tuned),
            "train.learning_rate": trial.rate_scratch if scratch else trial.rate_tuned,
            "train.warmup": 20,
            "train.validate_every": per_epoch * trial.validate,
            "train.log_every": per_epoch * trial.validate,
            "train.checkpoint_every": 200,
            "train.validation": 512,
        },
    )


def steps_per_epoch(trial: Trial) -> int:
    return SAMPLES[trial.family] // trial.batch


def run_name(trial: Trial, start: str) -> str:
    return f"{trial.network}-{trial.family}-{start}"


def draw(ax: Any, trial: Trial, curves: dict[str, list[tuple[float, float]]]) -> None:
    for start, points in curves.items():
        ax.loglog(*zip(*points, strict=True), label=start)
    ax.axhline(curves["scratch"][-1][1], color="0.7", lw=1, ls=":")
    loops = ", 4 loops" if trial.network == "residual" else ""
    label = MEASURES[trial.measures[0]] + loops
    ax.set(xlabel="epochs", ylabel=label, title=f"{trial.network}, {trial.family.replace('_', '-')}")
    ax.legend()


def row(trial: Trial, measure: str, curves: dict[str, list[tuple[float, float]]]) -> list[Any]:
    scratch, tuned = curves["scratch"], curves["fine-tuned"]
    at, best = min(scratch, key=lambda point: point[1])
    epochs, end = scratch[-1]
    to_end, to_best = first_below(tuned, end), first_below(tuned, best)
    return [
        trial.network, trial.family, SAMPLES[trial.family], MEASURES[measure], epochs, end, best, at, tuned[0][1],
        min(error for _, error in tuned), to_end, epochs / to_end, to_best, at / to_best,
    ]  # fmt: skip


def first_below(curve: list[tuple[float, float]], target: float) -> float:
    """The first epoch with an error of at most the target; NaN if there is none."""
    return next((epoch for epoch, error in curve if error <= target), math.nan)


def curve(runs: Path, trial: Trial, start: str, measure: str) -> list[tuple[float, float]]:
    """(epoch, error on the validation stream); mean squares in units of the deviation of the family's own solutions."""
    unit = 1.0
    if measure == "mse":
        wanted = recipe(trial, start)
        n = wanted.data.n[0]
        theirs = SolutionObjective(in_units_of_weights(wanted)).units(n)[2]
        unit = (theirs / SolutionObjective(recipe(trial, "scratch")).units(n)[2]) ** 2
    per_epoch = steps_per_epoch(trial)
    with (runs / run_name(trial, start) / "log.csv").open() as file:
        return [
            (int(r["step"]) / per_epoch, unit * float(r[measure])) for r in csv.DictReader(file) if r[measure]
        ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="trials whose name contains this, as published-reaction")
    main(**vars(parser.parse_args()))
