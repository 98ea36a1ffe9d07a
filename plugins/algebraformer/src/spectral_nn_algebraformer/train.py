"""The one training loop: every network, from scratch or from other weights, on one device or under torchrun.

A run lives in a directory:

    recipe.json              what is being trained
    checkpoint.safetensors   weights, optimizer state and step; replaced whole, every `checkpoint_every` steps
    log.csv                  step, loss, rate, validation measures, seconds (`data_seconds`: those waited for batches);
                             cut back to the checkpoint when a run goes on
    curve.png                the log as a figure (with matplotlib)

Batches are a function of the step, the rate is a function of the step, and nothing else is random: a run that was killed
and resumed ends, on a CPU, with the same bits as one that was not.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from . import checkpoint, data
from .models import build, count_parameters
from .objectives import Batch, Objective, in_units_of_weights, make_objective
from .pretrained import check_device, load_state
from .recipe import Recipe, load_recipe

COLUMNS = ("step", "loss", "rate", "grad_norm", "error", "mse", "seconds", "data_seconds")
#: Objectives whose systems come from elsewhere than a family of operators.
WITHOUT_FAMILY = ("spd", "start")
#: Steps with a non-finite loss that are skipped before the run is called broken.
MAX_BAD_STEPS = 20


@dataclass(frozen=True)
class Progress:
    """What a callback sees after every logged step."""

    step: int
    steps: int
    loss: float
    rate: float
    error: float
    seconds: float


def train(
    recipe: Recipe,
    run: str | Path,
    *,
    device: str = "cpu",
    resume: bool = True,
    stop_after: int | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> nn.Module:
    """Train what the recipe says, or go on where the run directory stands.

    Parameters
    ----------
    recipe : Recipe
    run : path
        The run directory, made if missing.
    device : str
        "cpu", "cuda", "cuda:1", …; under torchrun "cuda" is each process's own.
    resume : bool
        Whether to go on from the checkpoint in `run`, if there is one; if not, an existing one is an error.
    stop_after : int, optional
        Stop (with a checkpoint) after this many steps of this call.
    callback : callable, optional
        Called with a `Progress` after every logged step, on the first process.

    Returns
    -------
    torch.nn.Module
        The network, in evaluation mode.

    Raises
    ------
    CheckpointError
        If the checkpoint is corrupt, foreign, or of another recipe.
    ValueError
        For a device that is not there, weights of another network, a family that cannot be loaded, does not return
        `data.Operators`, or whose systems are singular.
    RuntimeError
        If the loss is not finite again and again.

    Notes
    -----
    A run whose family is a lambda or a local function goes on when the same callable is given again. Nothing else finds
    it: `evaluate` and the command line need a function at the top level of a module.
    """
    setup = _setup(recipe, Path(run), device, resume)
    try:
        _fit(setup, stop_after, callback)
    finally:
        if setup.world > 1:
            dist.destroy_process_group()
    return setup.network.eval()


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to ``final`` times the rate."""
    t = recipe.train
    if step < t.warmup:
        return t.learning_rate * (step + 1) / t.warmup
    along = min(1.0, (step - t.warmup) / max(t.steps - t.warmup, 1))
    return t.learning_rate * (t.final + (1 - t.final) * 0.5 * (1 + math.cos(math.pi * along)))


def make_optimizers(network: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """AdamW, or Muon for the matrices between hidden layers and AdamW for everything else."""
    t = recipe.train
    named = [(k, p) for k, p in network.named_parameters() if p.requires_grad]
    inner = t.optimizer == "muon"
    hidden = [k for k, p in named if inner and p.ndim == 2 and k.startswith(("blocks.", "cells."))]
    rest = [p for k, p in named if k not in hidden]
    out: list[torch.optim.Optimizer] = []
    if hidden:
        matrices = [p for k, p in named if k in hidden]
        out.append(torch.optim.Muon(matrices, lr=t.learning_rate, weight_decay=t.weight_decay,
                                    adjust_lr_fn="match_rms_adamw"))  # fmt: skip
    if rest:
        out.append(
            torch.optim.AdamW(rest, lr=t.learning_rate, betas=(0.9, 0.98), weight_decay=t.weight_decay)
        )
    return out


def autocast_dtype(precision: str, device: str) -> torch.dtype | None:
    """bfloat16 where it is asked for, or where the hardware multiplies it natively; None for float32."""
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    return torch.bfloat16 if _cpu_has_bf16() else None


@dataclass
class _Setup:
    recipe: Recipe
    objective: Objective
    network: nn.Module
    wrapped: nn.Module
    optimizers: list[torch.optim.Optimizer]
    run: Path
    device: str
    step: int
    seconds: float
    rank: int
    world: int
    rows: list[list[Any]]


def _setup(recipe: Recipe, run: Path, device: str, resume: bool) -> _Setup:
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    _check_device(device)
    if recipe.train.batch % world:
        raise ValueError(f"train.batch: {recipe.train.batch} cannot be shared by {world} processes")
    if recipe.data.objective not in WITHOUT_FAMILY:
        for n in sorted(set(recipe.data.n)):
            data.check_family(recipe.data.family, n, recipe.seed, recipe.data.rows)
    if world > 1:
        if device == "cuda":
            device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    torch.manual_seed(recipe.seed)
    recipe = in_units_of_weights(recipe)
    objective = make_objective(recipe)
    network = build(recipe.model)
    if recipe.weights:
        network.load_state_dict(load_state(recipe.weights, recipe.model))
    network.to(device).train()
    optimizers = make_optimizers(network, recipe)
    path = run / "checkpoint.safetensors"
    step, seconds, rows = 0, 0.0, []
    if path.exists():
        if not resume:
            raise checkpoint.CheckpointError(f"{path}: already there; resume, or name another run directory.")
        tensors, meta = checkpoint.read(path)
        _check_same(meta["recipe"], json.loads(json.dumps(recipe.to_dict())), path)
        network.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("network.")})
        checkpoint.unpack_optimizers(optimizers, tensors, meta["optimizers"])
        step, seconds, rows = meta["step"], meta["seconds"], meta["log"]
        if rank == 0:  # rows past the checkpoint are of steps that will be taken again
            _write_log(run / "log.csv", rows)
    elif rank == 0:
        run.mkdir(parents=True, exist_ok=True)
        (run / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=1) + "\n", encoding="utf-8")
    wrapped = DistributedDataParallel(network) if world > 1 else network
    return _Setup(
        recipe, objective, network, wrapped, optimizers, run, device, step, seconds, rank, world, rows
    )


def _fit(s: _Setup, stop_after: int | None, callback: Callable[[Progress], None] | None) -> None:
    t = s.recipe.train
    dtype = autocast_dtype(t.precision, s.device)
    stop = t.steps if stop_after is None else min(t.steps, s.step + stop_after)
    began, bad = time.perf_counter() - s.seconds, 0
    data_seconds = float(s.rows[-1][COLUMNS.index("data_seconds")]) if s.rows else 0.0
    batches = _batches(s, stop)
    while s.step < stop:
        before = time.perf_counter()
        batch = next(batches)
        data_seconds += time.perf_counter() - before
        rate = learning_rate(s.step, s.recipe)
        for optimizer in s.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.autocast(s.device.split(":")[0], dtype or torch.bfloat16, enabled=dtype is not None):
            loss = s.objective.loss(s.wrapped, batch)
        for optimizer in s.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(s.network.parameters(), t.clip)
        if torch.isfinite(norm):
            for optimizer in s.optimizers:
                optimizer.step()
        else:
            bad += 1
            if bad > MAX_BAD_STEPS:
                raise RuntimeError(
                    f"step {s.step}: the loss is not finite, and has not been in more than {MAX_BAD_STEPS} steps; lower "
                    "train.learning_rate, or look for singular systems in data.family"
                )
        s.step += 1
        validate = s.step % t.validate_every == 0 or s.step == t.steps
        if s.rank == 0 and (s.step % t.log_every == 0 or validate):
            s.seconds = time.perf_counter() - began
            measured = _validate(s, dtype) if validate else {"error": math.nan, "mse": math.nan}
            _log(s, float(loss.detach()), rate, float(norm), measured, data_seconds)
            if callback is not None:
                callback(Progress(s.step, t.steps, float(loss.detach()), rate, measured["error"], s.seconds))
        if s.rank == 0 and (s.step % t.checkpoint_every == 0 or s.step == stop):
            s.seconds = time.perf_counter() - began
            _save(s)
    if s.rank == 0:
        _figure(s)


def _batches(s: _Setup, stop: int) -> Iterator[Batch]:
    """Training batches from the present step on; beside a GPU, the next is made while the present one is used."""
    steps = range(s.step, stop)
    if not _makes_ahead(s.device):
        yield from (_batch(s, "train", step) for step in steps)
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(_batch, s, "train", steps.start)
        for step in steps:
            batch = ahead.result()
            if step + 1 < stop:
                ahead = pool.submit(_batch, s, "train", step + 1)
            yield batch


def _makes_ahead(device: str) -> bool:
    """On a CPU the same cores do both: nothing is gained."""
    return not device.startswith("cpu")


def _batch(s: _Setup, split: str, step: int) -> Batch:
    """This process's share of the batch of a step."""
    sizes = s.recipe.data.n
    share = s.recipe.train.batch // s.world
    start = step * s.recipe.train.batch + s.rank * share
    try:
        batch = s.objective.batch(split, start, share, sizes[step % len(sizes)])
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"data: a system of step {step} of the {split} stream is singular ({error})"
        ) from error
    return {k: v.to(s.device) for k, v in batch.items()}


def _validate(s: _Setup, dtype: torch.dtype | None) -> dict[str, float]:
    """Measures at the middle size, on the first samples of the validation stream, in float32."""
    sizes = s.recipe.data.n
    batch = s.objective.batch("validation", 0, s.recipe.train.validation, sizes[len(sizes) // 2])
    s.network.eval()
    measured = s.objective.measures(
        s.network, {k: v.to(s.device) for k, v in batch.items()}, s.recipe.train.loops
    )
    s.network.train()
    return measured


def _log(s: _Setup, loss: float, rate: float, norm: float, measured: dict[str, float], data_s: float) -> None:
    row = [
        s.step,
        loss,
        rate,
        norm,
        measured["error"],
        measured["mse"],
        round(s.seconds, 2),
        round(data_s, 2),
    ]
    s.rows.append([None if isinstance(v, float) and math.isnan(v) else v for v in row])
    if len(s.rows) == 1:
        _write_log(s.run / "log.csv", s.rows)
        return
    with open(s.run / "log.csv", "a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(s.rows[-1])


def _write_log(path: Path, rows: list[list[Any]]) -> None:
    """The whole log, replaced at once."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    os.replace(temporary, path)


def _save(s: _Setup) -> None:
    tensors = {f"network.{k}": v for k, v in s.network.state_dict().items()}
    states, rest = checkpoint.pack_optimizers(s.optimizers)
    meta = {
        "recipe": s.recipe.to_dict(),
        "step": s.step,
        "seconds": s.seconds,
        "optimizers": rest,
        "log": s.rows,
        "parameters": count_parameters(s.network),
    }
    checkpoint.write(s.run / "checkpoint.safetensors", tensors | states, meta)


def _check_device(device: str) -> None:
    """ValueError for a device that torch does not know or that is not there."""
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device: {device!r} is no device; expected 'cpu', 'cuda' or 'cuda:0'") from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {device!r} was asked for, but torch sees no CUDA device; use device='cpu'")
    check_device(device)
    if wanted.type == "cuda" and (wanted.index or 0) >= (count := torch.cuda.device_count()):
        raise ValueError(
            f"device: {device!r} was asked for, but torch sees {count} CUDA devices, from cuda:0"
        )


def _check_same(saved: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    saved = load_recipe(saved).to_dict()  # settings that are younger than the file have their defaults
    saved = json.loads(json.dumps(saved))
    for key in ("name", "seed", "data", "model", "train"):
        if saved.get(key) != wanted.get(key):
            raise checkpoint.CheckpointError(
                f"{path}: of another recipe ({key} is {saved.get(key)!r} there, {wanted.get(key)!r} here); "
                "name another run directory."
            )


def _figure(s: _Setup) -> None:
    try:
        from .figures import learning_curve
    except ImportError:  # no matplotlib: the log is enough
        return
    learning_curve(s.rows, s.recipe.name, s.run / "curve.png")


def _cpu_has_bf16() -> bool:
    try:
        return bool(torch.cpu._is_avx512_bf16_supported())
    except AttributeError:
        return False
