"""What a network gets and what it is judged by: batches, losses and measures of each kind of training.

An objective turns (split, start, count, n) into a batch of tensors by `data`, and a network and a batch into the loss of
each stage of the answer. It is the only place that knows both data and networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from . import data, denoise, encode, spd
from .data import resolve_family as resolve_family
from .models.denoiser import band_loss
from .recipe import Recipe, check_known, load_recipe
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
        return data.Draw(
            *(np.concatenate([getattr(p, k) for p in parts]) for k in ("uniforms", "normals", "data"))
        )


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


class IterateObjective(OperatorObjective):
    """For the looped stack: one right-hand side, the error of every iterate."""

    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        out = super().batch(split, start, count, n)
        out["x"] = out["x"][:, :, 0]
        out["c"] = (out["M"].double() @ out["x"].double()[..., None]).squeeze(-1).float()
        return out

    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        x, weights = batch["x"], batch["weights"]
        size = (x.square() * weights).sum(1)
        iterates = network(batch["tokens"], batch["M"], batch["c"], loops)
        return [((it - x).square() * weights).sum(1) / size for it in iterates]


class SolutionObjective(Objective):
    """For networks that map the system straight to its solution, as published: mean square of x / (its deviation).

    The deviation is that of the training stream, and so are the units of tokens, unless the recipe states them (as one
    that starts from other weights does: `in_units_of_weights`); `scaling` says what the tokens are: "rows" (every
    equation divided by the norm of its row), "preconditioned" (M x = c of `encode`), or "global" (A and b divided by one
    number each).
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        if recipe.data.scaling not in ("rows", "preconditioned", "global"):
            raise ValueError(
                f"data.scaling: expected rows, preconditioned or global, got {recipe.data.scaling!r}"
            )
        self._units: dict[int, tuple[float, float, float]] = {}

    def units(self, n: int) -> tuple[float, float, float]:
        """Deviations of the entries of A, of b and of x: stated, or over the first 1024 training samples."""
        if self.recipe.data.units:
            of_A, of_b, of_x = self.recipe.data.units
            return of_A, of_b, of_x
        if n not in self._units:
            A, b, x = self._systems(self.draw("train", 0, 1024), n)
            self._units[n] = (float(A.std()), float(b.std()), float(x.std()))
        return self._units[n]

    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        A, b, x = self._systems(self.draw(split, start, count), n)
        size_A, size_b, size_x = self.units(n)
        tokens = np.concatenate([np.swapaxes(A, 1, 2) / size_A, b[..., None] / size_b], axis=-1)
        return {
            "tokens": torch.from_numpy(tokens.astype(np.float32)),
            "x": torch.from_numpy((x / size_x).astype(np.float32)),
        }

    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        return [(network(batch["tokens"]) - batch["x"]).square().mean(1)]

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The mean square error."""
        return self.stages(network, batch, 1)[0].mean()

    def measures(self, network: nn.Module, batch: Batch, loops: int) -> dict[str, float]:
        """Mean square error in units of the deviation, and the median relative error."""
        with torch.no_grad():
            x, answer = batch["x"].double(), network(batch["tokens"]).double()
        relative = (answer - x).norm(dim=1) / x.norm(dim=1)
        return {"error": float(relative.median()), "mse": float((answer - x).square().mean())}

    def _systems(self, random: data.Draw, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.recipe.data.rows
        A, b = data.systems(self.family, n, random, rows)
        b = b[:, :, 0]
        x = np.linalg.solve(A, b[..., None])[..., 0]
        if self.recipe.data.scaling == "preconditioned":
            encoded = encode.precondition(A, rows)
            A, b = encoded.M, (encoded.P @ b[..., None])[..., 0]
        elif self.recipe.data.scaling == "rows":
            size = np.linalg.norm(A, axis=2)
            A, b = A / size[..., None], b / size
        return A, b, x


class NoiseObjective(Objective):
    """For the denoiser: the error of u in units of max |u|, and the likelihood of that error under the band."""

    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        random = self.draw(split, start, count)
        A, b = data.systems(self.family, n, random)
        b = b[:, :, 0]
        x = np.linalg.solve(A, b[..., None])[..., 0]
        low, high = np.log(self.recipe.data.noise)
        sigma = np.exp(low + (high - low) * random.uniforms[:, 14])
        noisy = denoise.add_noise(A, b, sigma, self.recipe.seed, split, start)
        readings = denoise.read(*noisy, sigma)
        modes = self.recipe.model.get("modes", 48)
        parts = {"readings": readings.readings, "log_sigma": readings.log_sigma, "ends": readings.ends}
        parts["x"] = x / readings.unit
        return {
            **{k: torch.from_numpy(v.astype(np.float32)) for k, v in parts.items()},
            **{f"table.{k}": torch.from_numpy(v) for k, v in denoise.tables(n, modes).items()},
        }

    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        return [self._answer(network, batch)[0]]

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Power mean of the error over the noise, and the likelihood of the band."""
        relative, log_band, error = self._answer(network, batch)
        over_noise = relative / torch.exp(2.0 * batch["log_sigma"][:, 0])
        power = self.recipe.train.power
        likelihood = band_loss(log_band, error.detach()).mean()
        return torch.log((over_noise + 1e-8).pow(power).mean()) / power + 0.3 * likelihood

    def _answer(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        tables = {k[6:]: v for k, v in batch.items() if k.startswith("table.")}
        u, log_band = network(batch["readings"], batch["log_sigma"], batch["ends"], tables)
        x = batch["x"]
        error = u - x
        return (
            error.square().sum(1) / x.square().sum(1),
            log_band,
            error / u.detach().abs().amax(1, keepdim=True),
        )


class SpdObjective(Objective):
    """For linear transformers: symmetric positive definite systems of a prescribed condition number, or A'DA."""

    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        d = self.recipe.data
        index = start % d.samples if split == "train" and d.samples else start
        A, b, x = spd.systems(self.recipe.seed, split, index, count, n, d.kappa, d.p, d.gradients)
        return {k: torch.from_numpy(v.astype(np.float32)) for k, v in (("A", A), ("b", b), ("x", x))}

    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        x = batch["x"]
        # after every layer: from the last alone deep networks learn slowly
        answers = network(batch["A"], batch["b"])
        return [(answer - x).square().sum(1) / x.square().sum(1) for answer in answers]


class StartObjective(Objective):
    """For learned starts of l_p problems: how far ‖Ax - b‖_p is above its minimum, relative, after every round.

    `rhs` is not used; problems are Gaussian, with 2n rows, and outliers in a third of them.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self._kept: dict[tuple[str, int, int, int], Batch] = {}

    def batch(self, split: str, start: int, count: int, n: int) -> Batch:
        samples = self.recipe.data.samples
        if split == "train" and samples:
            start %= max(samples - samples % count, count)
        key = (split, start, count, n)
        if key not in self._kept:
            made = self._make(*key)
            if not samples:
                return made
            self._kept[key] = made  # the minima are what costs: worth keeping for the next round
        return self._kept[key]

    def _make(self, split: str, start: int, count: int, n: int) -> Batch:
        A, b, p, best = spd.lp_problems(self.recipe.seed, split, start, count, n, self.recipe.data.p)
        parts = {"A": A, "b": b, "p": p, "log_best": np.log(best)}
        return {k: torch.from_numpy(v.astype(np.float32)) for k, v in parts.items()}

    def stages(self, network: nn.Module, batch: Batch, loops: int) -> list[Tensor]:
        A, b, p = batch["A"], batch["b"], batch["p"]
        with torch.autocast(A.device.type, enabled=False):
            points = network(A, b, p)
            r = (torch.einsum("bmn,kbn->kbm", A, points) - b).abs()
            top = r.amax(-1)
            log_norm = torch.log(top) + torch.log(((r / top[..., None]) ** p[:, None]).sum(-1)) / p
        return list((log_norm[1:] - batch["log_best"]).clamp_min(0.0))


OBJECTIVES: dict[str, type[Objective]] = {
    "operator": OperatorObjective,
    "iterate": IterateObjective,
    "solution": SolutionObjective,
    "noise": NoiseObjective,
    "spd": SpdObjective,
    "start": StartObjective,
}


def make_objective(recipe: Recipe) -> Objective:
    """The objective of a recipe."""
    check_known(recipe.data.objective, list(OBJECTIVES), "data.objective: ")
    return OBJECTIVES[recipe.data.objective](recipe)


def in_units_of_weights(recipe: Recipe) -> Recipe:
    """The recipe with the units in which the weights that it starts from have learned the answer.

    The answer is linear in b: right-hand sides of another family are brought to the size that the network knows, and
    its answers from there.
    """
    from .pretrained import config

    if not recipe.weights or recipe.data.objective != "solution" or recipe.data.units:
        return recipe
    source = load_recipe(config(recipe.weights)["recipe"])
    if source.data.objective != "solution":
        return recipe
    n = recipe.data.n[0]
    of_A, of_b, of_x = SolutionObjective(source).units(n)
    own_b = SolutionObjective(recipe).units(n)[1]
    return replace(recipe, data=replace(recipe.data, units=(of_A, own_b, of_x * own_b / of_b)))


def grid_tensors(n: int) -> Batch:
    """What a size-independent network must know of the grid."""
    table = reference(n)
    return {
        "integral": torch.from_numpy(table.integral.astype(np.float32)),
        "weights": torch.from_numpy(table.weights.astype(np.float32)),
    }
