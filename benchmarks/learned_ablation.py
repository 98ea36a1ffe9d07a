"""What each choice is worth: encoding, attention mask, input scaling, residual feedback, integration.

Small networks on diffusion systems, the same streams, steps and rate within a group; a group compares nothing with another.

    n = 16   column tokens | every entry a token; bidirectional | causal; rows | global | preconditioned tokens
    n = 32   looped stack with and without feedback of the residual; operator network with and without attention, integration

16 points resolve K = 1 + α cos(2πωx) for ω up to 1 (to 5e-4 in the median), and not up to 2, where some discrete systems
are next to singular and their solutions say nothing: the first group keeps to ω ≤ 1. All errors are relative, system by
system, on the test stream, so that no system counts for more than another.

Run: python -m benchmarks.learned_ablation --runs runs/ablation           (trains ten small networks; resumable)
"""

from __future__ import annotations

import argparse
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spectral_nn_algebraformer.data import Draw, Operators, diffusion
from spectral_nn_algebraformer.figures import new_figure
from spectral_nn_algebraformer.models import build, count_parameters
from spectral_nn_algebraformer.objectives import SolutionObjective, make_objective
from spectral_nn_algebraformer.recipe import Recipe, load_recipe
from spectral_nn_algebraformer.train import train
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.learned_report import FIGURES, table

SMALL = {"width": 64, "depth": 4, "heads": 4, "n": 16}
TRAIN = {
    "steps": 800,
    "batch": 32,
    "learning_rate": 1e-3,
    "warmup": 100,
    "validate_every": 800,
    "validation": 1024,
}
TEST_SYSTEMS = 1024
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
#: Sizes at which memory is measured; every entry a token up to the second.
MEMORY_SIZES, LARGEST_FLATTENED = (8, 16, 32, 64, 128, 256), 32


def main(runs: Path) -> None:
    rows = []
    for name, (model, scaling) in DIRECT.items():
        data = {"objective": "solution", "n": [16], "rhs": 1, "scaling": scaling, "family": FAMILY}
        rows.append(trained(runs, name, data, model, "n = 16, 1 pass"))
    for group, objective in ((LOOPED, "iterate"), (OPERATOR, "operator")):
        for name, model in group.items():
            rows.append(
                trained(runs, name, {"objective": objective, "n": [32], "rhs": 2}, model, "n = 32, 4 loops")
            )
    head = ["network", "", "parameters", "systems seen", "ms a step", "relative error: median", "95 %",
            "mean square"]  # fmt: skip
    table("ablation", head, rows)
    memory()


def slow_diffusion(draw: Draw, x: np.ndarray) -> Operators:
    """-(K u')' with ω ≤ 1; as for every family of a user's own, half the systems have nonzero values at the ends."""
    uniforms = draw.uniforms.copy()
    uniforms[:, 1] /= 3
    return diffusion(replace(draw, uniforms=uniforms), x)


FAMILY = f"benchmarks.learned_ablation:{slow_diffusion.__name__}"


def trained(runs: Path, name: str, data: dict[str, Any], model: dict[str, Any], where: str) -> list[Any]:
    slug = name.replace(",", "").replace(" ", "-")
    steps = {} if model["kind"] != "flattened" else {"log_every": 50}
    recipe = load_recipe({"name": slug, "seed": 5, "data": data, "model": model, "train": {**TRAIN, **steps}})
    network = train(recipe, runs / slug)
    square = relative_square(recipe, network)
    return [
        name,
        where,
        f"{count_parameters(network):,}",
        f"{recipe.train.steps * recipe.train.batch:,}",
        step_milliseconds(recipe, network),
        float(np.sqrt(np.median(square))),
        float(np.sqrt(np.quantile(square, 0.95))),
        float(square.mean()),
    ]


def relative_square(recipe: Recipe, network: torch.nn.Module) -> np.ndarray:
    """Squared relative errors (B,) on the test stream, after the last loop."""
    objective = make_objective(recipe)
    batch = objective.batch("test", 0, TEST_SYSTEMS, recipe.data.n[0])
    with torch.no_grad():
        if isinstance(objective, SolutionObjective):
            error = (network(batch["tokens"]) - batch["x"]).double()
            return np.asarray(error.square().sum(1) / batch["x"].double().square().sum(1))
        return np.asarray(objective.stages(network, batch, recipe.train.loops)[-1].double())


def step_milliseconds(recipe: Recipe, network: torch.nn.Module) -> float:
    """Processor time of loss and gradient of one batch, one thread, the least of three."""
    torch.set_num_threads(1)
    objective = make_objective(recipe)
    batch = objective.batch("train", 0, recipe.train.batch, recipe.data.n[0])
    out = []
    for _ in range(3):
        began = time.process_time()
        objective.loss(network, batch).backward()
        out.append(time.process_time() - began)
    network.zero_grad()
    return 1e3 * min(out)


def memory() -> None:
    """Peak bytes of the tensors alive in a forward pass for one system, weights not counted; small networks of the table."""
    rows: list[list[Any]] = []
    for n in MEMORY_SIZES:
        row: list[Any] = [n]
        for kind in ("algebraformer", "flattened"):
            for training in (False, True):
                fits = kind == "algebraformer" or n <= LARGEST_FLATTENED
                row.append(round(peak_bytes(kind, n, training) / 1024) if fits else "")
        rows.append(row)
    head = ["n", "columns: inference, KiB", "columns: training, KiB", "every entry: inference, KiB",
            "every entry: training, KiB", "inference, ratio"]  # fmt: skip
    table("memory", head, [[*row, round(row[3] / row[1]) if row[3] else ""] for row in rows])
    draw_memory(rows)


def draw_memory(rows: list[list[Any]]) -> None:
    figure = new_figure(6, 4)
    axes = figure.add_subplot()
    for name, at, style in (
        ("columns, inference", 1, "C0.-"),
        ("columns, training", 2, "C0.--"),
        ("every entry, inference", 3, "C1.-"),
        ("every entry, training", 4, "C1.--"),
    ):
        known = [row for row in rows if row[at]]
        axes.loglog([row[0] for row in known], [row[at] for row in known], style, label=name, ms=8)
    for exponent, at, style in ((2, 1, "k:"), (4, 3, "k-.")):
        last = [row for row in rows if row[at]][-1]
        n = np.array([last[0] / 4, last[0]])
        axes.loglog(n, 1.6 * last[at] * (n / last[0]) ** exponent, style, lw=1, label=f"slope {exponent}")
    axes.set(xlabel="n", ylabel="KiB", title="Peak memory of a forward pass, one system")
    axes.set_xticks(MEMORY_SIZES, [str(n) for n in MEMORY_SIZES])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(FIGURES / "learned_memory.png", dpi=130)


def peak_bytes(kind: str, n: int, training: bool) -> int:
    """Most bytes alive at a time; in training, what the backward pass will need is kept."""
    network = build({"kind": kind, **SMALL, "n": n})
    tokens = torch.randn(1, n, n + 1)
    with torch.set_grad_enabled(training), LiveBytes() as live:
        network(tokens)
    return live.peak


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of every storage that an operation makes, until it is freed; scratch space inside one is not seen."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {
            t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)
        }
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in given and storage not in self._seen:
                    self._seen.add(storage)
                    self._change(storage.nbytes())
                    weakref.finalize(storage, self._change, -storage.nbytes())
        return out

    def _change(self, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    main(**vars(parser.parse_args()))
