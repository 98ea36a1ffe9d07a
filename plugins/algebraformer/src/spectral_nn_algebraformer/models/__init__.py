"""The networks, one file each, and how to build one by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..checks import check_at_least, check_keys, check_known, check_types

if TYPE_CHECKING:
    from torch import nn

#: kind -> (module, class, config class)
KINDS: dict[str, tuple[str, str, str]] = {
    "green": ("green", "GreenAlgebraformer", "GreenConfig"),
    "residual": ("residual", "ResidualAlgebraformer", "ResidualConfig"),
    "algebraformer": ("algebraformer", "Algebraformer", "AlgebraformerConfig"),
    "recurrent": ("recurrent", "Recurrent", "RecurrentConfig"),
    "flattened": ("flattened", "Flattened", "FlattenedConfig"),
    "denoiser": ("denoiser", "Denoiser", "DenoiserConfig"),
    "reweighting": ("reweighting", "Reweighting", "ReweightingConfig"),
    "linear_transformer": ("linear_transformer", "LinearTransformer", "LinearTransformerConfig"),
}
#: kind -> the objective (a key of `objectives.OBJECTIVES`) whose batches it takes
TASKS = {
    "green": "operator",
    "residual": "iterate",
    "algebraformer": "solution",
    "recurrent": "solution",
    "flattened": "solution",
    "denoiser": "noise",
    "reweighting": "start",
    "linear_transformer": "spd",
}


def build(model: Mapping[str, Any]) -> nn.Module:
    """The network of a recipe's ``[model]`` table, freshly initialized from torch's random state."""
    check_options(model)
    module, cls, _ = KINDS[model["kind"]]
    options = {k: v for k, v in model.items() if k != "kind"}
    return getattr(importlib.import_module(f".{module}", __name__), cls)(
        _config_class(model["kind"])(**options)
    )


def check_options(model: Mapping[str, Any]) -> None:
    """ValueError for an unknown kind, an unknown option, or a value that no network can have."""
    kind = model.get("kind")
    check_known(str(kind), list(KINDS), "model.kind: ")
    config_cls = _config_class(str(kind))
    options = {k: v for k, v in model.items() if k != "kind"}
    check_keys(options, [f.name for f in fields(config_cls)], "model.")
    config = config_cls(**options)
    check_types(config, "model.")
    sizes = [f.name for f in fields(config) if type(getattr(config, f.name)) is int]
    check_at_least(config, "model.", {name: 0 if name == "band_depth" else 1 for name in sizes})
    width, heads = getattr(config, "width", 0), getattr(config, "heads", 1)
    if width % heads:
        raise ValueError(f"model.heads: width {width} cannot be divided into {heads} heads")
    if not getattr(config, "attention", True) and not getattr(config, "integration", True):
        raise ValueError(
            "model.attention: without attention and without integration nothing mixes the tokens"
        )


def check_task(model: Mapping[str, Any], objective: str, sizes: tuple[int, ...]) -> None:
    """ValueError if a network cannot be trained by an objective, or not at these sizes."""
    kind = model["kind"]
    if objective in TASKS.values() and TASKS[kind] != objective:
        raise ValueError(
            f"data.objective: a network of kind {kind!r} is trained by {TASKS[kind]!r}, got {objective!r}"
        )
    config = _config_class(kind)(**{k: v for k, v in model.items() if k != "kind"})
    fixed = getattr(config, "weights", "full") == "full"  # block weights serve every size
    n = getattr(config, "n", None) if fixed else None
    if n is not None and set(sizes) != {n}:
        raise ValueError(f"data.n: this {kind} is for systems of size model.n = {n} alone, got {list(sizes)}")


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _config_class(kind: str) -> Any:
    module, _, config_cls = KINDS[kind]
    return getattr(importlib.import_module(f".{module}", __name__), config_cls)
