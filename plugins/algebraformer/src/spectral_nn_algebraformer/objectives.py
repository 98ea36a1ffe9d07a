"""What a network gets and what it is judged by: batches, losses and measures of each kind of training.

An objective turns (split, start, count, n) into a batch of tensors by `data`, and a network and a batch into the loss of
each stage of the answer. It is the only place that knows both data and networks.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import data, encode
from .recipe import Recipe, check_known
from .reference import reference

Batch = dict[str, Tensor]


class Objective(ABC):
    """Base of the objectives; `recipe` says everything."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.family = resolve_family(recipe.data.family)

    @abstractmethod
    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        """Samples start … start + count - 1 of a split, float32 tensors on the CPU."""

    @abstractmethod
    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        """Squared relative error (or what is minimized instead) of each sample (B,) after each stage of the answer."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The mean over stages of the logarithm of a power mean over the batch.

        The logarithm makes every stage count alike, however small its error is; the power below 1 keeps the few
        hardest systems of a batch from being all that is learned from.
        """
        stages = self.stages(network, batch, self.recipe.train.loops)
        power = self.recipe.train.power
        return torch.stack([torch.log((e + 1e-13).pow(power).mean()) for e in stages]).mean() / power

    def measures(self, network: nn.Module, batch: Batch, loops: int) -> dict[str, float]:
        """Median and mean over a batch, for the log: `error` is the median relative error, `mse` the mean square."""
        with torch.no_grad():
            last = self.stages(network, batch, loops)[-1].double()
        return {"error": float(last.median().sqrt()), "mse": float(last.mean())}

    def draw(self, split: str, start: int, count: int) -> data.Draw:
        """The random numbers of a batch; a training set of limited size is cycled through."""
        samples = self.recipe.data.samples
        if split != "train" or not samples:
            return data.draw(self.recipe.seed, split, start, count, self.recipe.data.rhs)
        parts, done = [], 0
        while done < count:
            first = (start + done) % samples
            size = min(count - done, samples - first)
            parts.append(data.draw(self.recipe.seed, split, first, size, self.recipe.data.rhs))
            done += size
        return data.Draw(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("uniforms", "normals", "data")))


class OperatorObjective(Objective):
    """For networks that give an approximate inverse W of M: the error e ← e - W M e, loop by loop.

    Errors start as the solutions themselves (`rhs` per matrix), as the loop starts from zero; they are measured in the
    L2 norm over the interval.
    """

    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        A, b = data.systems(self.family, n, self.draw(split, start, count), self.recipe.data.rows)
        encoded = encode.precondition(A, self.recipe.data.rows)
        x = np.linalg.solve(A, b)
        x /= np.abs(x).max(axis=1, keepdims=True) + 1e-300
        modes = self.recipe.model.get("modes", encode.MODES)
        return {
            "tokens": torch.from_numpy(encode.features(encoded, modes)),
            "M": torch.from_numpy(encoded.M.astype(np.float32)),
            "x": torch.from_numpy(x.astype(np.float32)),
            **grid_tensors(n),
        }

    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        W = network(batch["tokens"], batch["integral"], batch["weights"]).float()
        weights = batch["weights"][:, None]
        with torch.autocast(W.device.type, enabled=False):
            error = batch["x"]
            size = (error.square() * weights).sum(1)
            out = []
            for _ in range(loops):
                error = error - W @ (batch["M"] @ error)
                out.append(((error.square() * weights).sum(1) / size).mean(1))
        return out


OBJECTIVES: dict[str, type[Objective]] = {"operator": OperatorObjective}


def make_objective(recipe: Recipe) -> Objective:
    """The objective of a recipe."""
    check_known(recipe.data.objective, list(OBJECTIVES), "data.objective: ")
    return OBJECTIVES[recipe.data.objective](recipe)


def grid_tensors(n: int) -> Batch:
    """What a size-independent network must know of the grid."""
    table = reference(n)
    return {
        "integral": torch.from_numpy(table.integral.astype(np.float32)),
        "weights": torch.from_numpy(table.weights.astype(np.float32)),
    }


def resolve_family(name: str) -> Any:
    """A shipped family's name, or "package.module:function" for a callable of the user's."""
    if ":" not in name:
        check_known(name, list(data.FAMILIES), "data.family: ")
        return name
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"data.family: cannot load {name!r}: {error}") from error
