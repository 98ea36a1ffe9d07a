"""Table 1 of the Algebraformer paper: test error on diffusion systems, n = 64, all networks on the same systems.

Run: python -m benchmarks.learned_table            (shipped weights; training them: `spectral-nn-algebraformer train …`)
"""

from __future__ import annotations

import argparse

import numpy as np
from spectral_nn_algebraformer.encode import precondition
from spectral_nn_algebraformer.evaluate import errors, evaluate, loop, recipe_of, test_systems
from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.pretrained import config, shipped_weights
from spectral_nn_algebraformer.solvers import approximate_inverses

from benchmarks.learned_report import FIGURES, table

#: What the paper reports, mean square error.
PUBLISHED = {"paper-algebraformer": 2.4131e-4, "paper-lstm": 4.8211e-4, "paper-gru": 3.1371e-4}
LOOPS = (1, 2, 3, 4, 6, 8, 12, 16)


def main(count: int) -> None:
    rows = []
    for name, published in PUBLISHED.items():
        if name in shipped_weights():
            measured = evaluate(name, count)["n=64"]
            rows.append(row(name, measured, "", published))
    A, b, x = test_systems(recipe_of("diffusion-64"), 64, count)
    encoded = precondition(A)
    W = approximate_inverses("diffusion-64", encoded)
    curve = []
    for loops in LOOPS:
        measured = errors(loop(encoded.P, A, W, b, loops), x)
        curve.append((loops, measured))
        rows.append(row("diffusion-64", measured, f"{loops} loops", ""))
    head = ["network", "parameters", "training", "MSE", "median", "95 %", "largest", "MSE in the paper"]
    table("table", head, rows)
    shipped()
    kappa = np.linalg.cond(A)
    print(f"condition numbers of A: median {np.median(kappa):.1e}, largest {kappa.max():.1e}")

    figure = new_figure(5.5, 3.6)
    ax = figure.add_subplot()
    for key, label in (("median", "median"), ("q95", "95 %"), ("max", "largest of the test set")):
        ax.semilogy(LOOPS, [m[key] for _, m in curve], ".-", label=label)
    ax.axvline(4, color="0.7", ls=":", lw=1)
    ax.text(4.1, 0.3, "trained with 4 loops", color="0.4")
    ax.set(xlabel="residual loops", ylabel="relative l2 error", title=f"diffusion-64 on {count} test systems")
    ax.legend()
    figure.savefig(FIGURES / "learned_loops.png", dpi=130)


def shipped() -> None:
    """All shipped weights and what they cost."""
    rows = []
    for name in shipped_weights():
        settings = config(name)
        recipe = settings["recipe"]
        seen = settings["steps_done"] * recipe["train"]["batch"]
        rows.append(
            [f"`{name}`", settings["model"]["kind"], f"{settings['parameters']:,}", settings["storage"], f"{seen:,}",
             round(settings["training_seconds"] / 60), recipe["description"]]
        )  # fmt: skip
    head = ["weights", "network", "parameters", "stored as", "matrices seen", "minutes", "for"]
    table("weights", head, rows)


def row(name: str, measured: dict[str, float], note: str, published: object) -> list[object]:
    settings = config(name)
    batch = settings["recipe"]["train"]["batch"]
    training = f"{settings['steps_done'] * batch:,} systems, {settings['training_seconds'] / 60:.0f} min"
    label = f"{name}, {note}" if note else name
    return [
        label, f"{settings['parameters']:,}", training, measured["mse"], measured["median"], measured["q95"],
        measured["max"], published,
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1024, help="test systems")
    main(**vars(parser.parse_args()))
