"""Recipes: a TOML file says what is trained on what, for how long; nothing else decides the outcome.

name = "diffusion-64"
seed = 1

[data]                      # see DataConfig
family = "diffusion"
n = [64]

[model]                     # kind: a key of models.KINDS; the rest are the fields of its config
kind = "green"
width = 96

[train]                     # see TrainConfig
steps = 10000
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class DataConfig:
    """What is sampled.

    Parameters
    ----------
    objective : str
        A key of `objectives.OBJECTIVES`: what the network gets and what it is judged by.
    family : str
        A key of `data.FAMILIES`, or "package.module:function" for a family of your own.
    n : tuple of int
        Sizes; step s trains at ``n[s % len(n)]``.
    rhs : int
        Right-hand sides per matrix.
    samples : int
        Size of the training set, cycled through; 0 streams fresh samples for ever.
    rows : str
        Collocation rows, "rectangular" or "interior".
    scaling : str
        Of the tokens of networks that see A itself: "rows", "preconditioned" or "global".
    units : tuple of float
        Deviations of A, b and x that those networks work in; empty for those of the training stream, or, where training
        starts from weights, for those of the weights.
    noise : tuple of float
        Range of the relative noise σ (log-uniform); empty for none.
    kappa : tuple of float
        Range of the condition number, for symmetric positive definite systems.
    p : tuple of float
        Exponents, for l_p systems.
    """

    objective: str = "operator"
    family: str = "diffusion"
    n: tuple[int, ...] = (64,)
    rhs: int = 4
    samples: int = 0
    rows: str = "rectangular"
    scaling: str = "rows"
    units: tuple[float, ...] = ()
    noise: tuple[float, ...] = ()
    kappa: tuple[float, ...] = ()
    p: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("n", "units", "noise", "kappa", "p"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.n or min(self.n) < 2:
            raise ValueError(f"data.n: expected sizes of at least 2, got {self.n}")
        if len(self.units) not in (0, 3):
            raise ValueError(f"data.units: expected the deviations of A, b and x, got {self.units}")


@dataclass(frozen=True)
class TrainConfig:
    """How long, and how.

    Parameters
    ----------
    steps, batch : int
        Optimizer steps, and matrices per step (over all processes together).
    learning_rate, weight_decay : float
    warmup : int
        Steps of linear warm-up; a cosine to `final` times the rate follows.
    final : float
    optimizer : str
        "adamw", or "muon" (torch.optim.Muon for hidden matrices, AdamW for the rest).
    clip : float
        Largest gradient norm.
    loops : int
        Residual loops that are trained.
    power : float
        Exponent of the power mean over a batch in the loss; 1 is the mean square.
    precision : str
        "float32", "bfloat16", or "auto": bfloat16 where the processor multiplies it natively.
    checkpoint_every, log_every, validate_every : int
        In steps.
    validation : int
        Matrices of the validation stream.
    """

    steps: int = 1000
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    warmup: int = 100
    final: float = 0.01
    optimizer: str = "adamw"
    clip: float = 1.0
    loops: int = 4
    power: float = 0.25
    precision: str = "auto"
    checkpoint_every: int = 200
    log_every: int = 20
    validate_every: int = 500
    validation: int = 256

    def __post_init__(self) -> None:
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"train.optimizer: expected 'adamw' or 'muon', got {self.optimizer!r}")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"train.precision: expected auto, float32 or bfloat16, got {self.precision!r}")
        if self.steps < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ValueError("train: steps, batch and learning_rate must be positive")


@dataclass(frozen=True)
class Recipe:
    """A whole run. `weights` names shipped weights or a folder to start from (fine-tuning)."""

    name: str
    seed: int = 1
    description: str = ""
    weights: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    model: dict[str, Any] = field(default_factory=lambda: {"kind": "green"})
    train: TrainConfig = field(default_factory=TrainConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the TOML file."""
        return asdict(self)


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from a shipped name, a TOML file, or a mapping.

    Parameters
    ----------
    source : str, Path or mapping
    overrides : mapping, optional
        Dotted keys to values: ``{"train.steps": 100}``.

    Raises
    ------
    ValueError
        For an unknown key (naming the nearest known one) or a value out of range.
    """
    raw = dict(source) if isinstance(source, Mapping) else _read(source)
    for key, value in (overrides or {}).items():
        *path, last = key.split(".")
        target = raw
        for part in path:
            target[part] = dict(target.get(part, {}))
            target = target[part]
        target[last] = value
    _check_keys(raw, [f.name for f in fields(Recipe)], "")
    if "name" not in raw:
        raise ValueError("name: a recipe needs a name")
    model = dict(raw.get("model", {"kind": "green"}))
    from .models import check_options

    check_options(model)
    return Recipe(
        **{k: raw[k] for k in ("name", "seed", "description", "weights") if k in raw},
        data=_section(DataConfig, raw.get("data", {}), "data"),
        model=model,
        train=_section(TrainConfig, raw.get("train", {}), "train"),
    )


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def check_known(key: str, known: list[str], where: str) -> None:
    """ValueError naming the nearest known key, unless `key` is one."""
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
        raise ValueError(f"{where}{key}: unknown{hint}")


def _read(source: str | Path) -> dict[str, Any]:
    path = Path(source)
    if not path.exists():
        shipped = RECIPES / f"{source}.toml"
        if not shipped.exists():
            raise ValueError(f"recipe: no file {str(source)!r} and no shipped recipe of that name; "
                             f"shipped are {', '.join(shipped_recipes())}")  # fmt: skip
        path = shipped
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"recipe {path}: not valid TOML: {error}") from error


def _section(cls: type, raw: Mapping[str, Any], name: str) -> Any:
    _check_keys(raw, [f.name for f in fields(cls)], f"{name}.")
    return cls(**raw)


def _check_keys(raw: Mapping[str, Any], known: list[str], where: str) -> None:
    for key in raw:
        check_known(key, known, where)
