"""The networks, one file each, and how to build one by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

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


def build(model: Mapping[str, Any]) -> nn.Module:
    """The network of a recipe's ``[model]`` table, freshly initialized from torch's random state."""
    check_options(model)
    module, cls, config_cls = KINDS[model["kind"]]
    home = importlib.import_module(f".{module}", __name__)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in model.items() if k != "kind"}
    return getattr(home, cls)(getattr(home, config_cls)(**options))


def check_options(model: Mapping[str, Any]) -> None:
    """ValueError for an unknown kind or option."""
    from ..recipe import check_known

    kind = model.get("kind")
    check_known(str(kind), list(KINDS), "model.kind: ")
    module, _, config_cls = KINDS[str(kind)]
    known = [f.name for f in fields(getattr(importlib.import_module(f".{module}", __name__), config_cls))]
    for key in model:
        if key != "kind":
            check_known(key, known, "model.")


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
