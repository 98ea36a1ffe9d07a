"""Checkpoints and weights: safetensors, written whole or not at all, checked when read. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

#: Marks a file as ours; the number changes when the layout does.
FORMAT = "spectral-nn-algebraformer/1"


class CheckpointError(ValueError):
    """A file that is not what it should be; the message says what is wrong and what to do."""


def write(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors and JSON-able `meta` so that `path` holds the old content or the new, at any moment."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    header = {"format": FORMAT, "meta": json.dumps(meta), "sha256": digest(tensors)}
    payload = save(tensors, metadata=header)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and meta of a file of `write`; CheckpointError if it is foreign, cut short or altered."""
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such file; train first, or name another run directory.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); delete it to start afresh."
        ) from error
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: a safetensors file, but not one of {FORMAT}; name a run directory of its own."
        )
    if header.get("sha256") != digest(tensors):
        raise CheckpointError(f"{path}: the checksum does not fit its content; delete it to start afresh.")
    return tensors, json.loads(header["meta"])


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes, dtypes and bytes, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return total.hexdigest()


def pack_optimizers(optimizers: list[torch.optim.Optimizer]) -> tuple[dict[str, Tensor], list[Any]]:
    """Optimizer states as named tensors and the rest as plain data."""
    tensors: dict[str, Tensor] = {}
    rest: list[Any] = []
    for i, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        plain: dict[str, Any] = {}
        for index, values in state["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{i}.{index}.{key}"] = value
                else:
                    plain[f"{index}.{key}"] = value
        rest.append(plain)
    return tensors, rest


def unpack_optimizers(
    optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor], rest: list[Any]
) -> None:
    """The inverse of `pack_optimizers`, into optimizers built by the same recipe."""
    for i, optimizer in enumerate(optimizers):
        states: dict[int, dict[str, Any]] = {}
        prefix = f"optimizer.{i}."
        for name, value in [(k[len(prefix) :], v) for k, v in tensors.items() if k.startswith(prefix)]:
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = value
        for name, value in rest[i].items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
