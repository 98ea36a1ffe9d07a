"""Transfer: diffusion-64 fine-tuned on a few systems of another family, against training from scratch on the same ones.

The recipe, the samples, the steps and the rate are the same; only the start differs. Counted: epochs after which the
validation error (fresh systems) stays below the error that scratch ends with.

Run: python -m benchmarks.learned_transfer --runs runs/transfer           (trains four networks; resumable)
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.recipe import load_recipe
from spectral_nn_algebraformer.train import train

from benchmarks.learned_report import FIGURES, table

TARGETS = (3e-2, 1e-2, 1e-3, 1e-4)
RECIPES = ("transfer-reaction", "transfer-advection")


def main(runs: Path, device: str) -> None:
    rows, milestones = [], []
    figure = new_figure(9, 3.6)
    axes = figure.subplots(1, 2)
    for ax, name in zip(axes, RECIPES, strict=True):
        curves = {}
        for start, weights in (("scratch", ""), ("fine-tuned", "diffusion-64")):
            recipe = load_recipe(name, {"weights": weights})
            where = runs / f"{name}-{start}"
            train(recipe, where, device=device)
            curves[start] = curve(where, recipe.data.samples / recipe.train.batch)
            ax.loglog(*zip(*curves[start], strict=True), label=start)
        final = curves["scratch"][-1][1]
        ax.axhline(final, color="0.7", lw=1, ls=":")
        ax.set(xlabel="epochs", ylabel="median relative error, 4 loops", title=name)
        ax.legend()
        needed = first_below(curves["fine-tuned"], final)
        epochs = curves["scratch"][-1][0]
        samples = load_recipe(name).data.samples
        rows.append([name, samples, epochs, final, needed, epochs / needed, curves["fine-tuned"][-1][1]])
        for target in TARGETS:
            reached = {k: first_below(points, target) for k, points in curves.items()}
            milestones.append(
                [name, f"{target:g}", *reached.values(), reached["scratch"] / reached["fine-tuned"]]
            )
    head = [
        "family",
        "samples",
        "epochs from scratch",
        "its error",
        "epochs fine-tuned",
        "ratio",
        "error at the end",
    ]
    table("transfer", head, rows)
    table(
        "transfer_milestones",
        ["family", "error", "epochs, scratch", "epochs, fine-tuned", "ratio"],
        milestones,
    )
    figure.savefig(FIGURES / "learned_transfer.png", dpi=130)


def first_below(curve: list[tuple[float, float]], target: float) -> float:
    """The first epoch with an error of at most the target; NaN if there is none."""
    return next((epoch for epoch, error in curve if error <= target), float("nan"))


def curve(run: Path, steps_per_epoch: float) -> list[tuple[float, float]]:
    """(epoch, median relative error) of the validation stream."""
    with (run / "log.csv").open() as file:
        return [
            (int(r["step"]) / steps_per_epoch, float(r["error"])) for r in csv.DictReader(file) if r["error"]
        ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--device", default="cpu")
    main(**vars(parser.parse_args()))
