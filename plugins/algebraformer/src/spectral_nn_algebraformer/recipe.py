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

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .checks import check_at_least, check_keys, check_known, check_table, check_types

__all__ = [
    "DataConfig", "Recipe", "TrainConfig", "check_known", "family_name", "load_recipe", "shipped_recipes",
]  # fmt: skip

RECIPES = Path(__file__).parent / "recipes"
#: Streams are keyed by 64 bits, of which the seed has the lower ones.
MAX_SEED = 2**60


@dataclass(frozen=True)
class DataConfig:
    """What is sampled.

    Parameters
    ----------
    objective : str
        A key of `objectives.OBJECTIVES`: what the network gets and what it is judged by.
    family : str or callable
        A key of `data.FAMILIES`; for a family of your own ``f(draw, x) -> Operators`` (see `data.Operators`), or
        "package.module:function".
    n : tuple of int
        Sizes, or one size; step s trains at ``n[s % len(n)]``.
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
        Range (low, high) of the relative noise σ (log-uniform); empty for none.
    kappa : tuple of float
        Range (low, high) of the condition number, for symmetric positive definite systems.
    p : tuple of float
        Exponents above 1, or one, for l_p systems.
    gradients : float
        Share of the l_p Newton systems whose right-hand side is the gradient there; the others have a random solution.
    """

    objective: str = "operator"
    family: str | Callable[..., Any] = "diffusion"
    n: tuple[int, ...] = (64,)
    rhs: int = 4
    samples: int = 0
    rows: str = "rectangular"
    scaling: str = "rows"
    units: tuple[float, ...] = ()
    noise: tuple[float, ...] = ()
    kappa: tuple[float, ...] = ()
    p: tuple[float, ...] = ()
    gradients: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n", "units", "noise", "kappa", "p"):
            value = getattr(self, name)
            # one size or exponent is a list of one; a range is two numbers
            single = name in ("n", "p") and isinstance(value, int | float) and not isinstance(value, bool)
            object.__setattr__(self, name, (value,) if single else _as_tuple(value))
        check_types(self, "data.")
        if not self.n or min(self.n) < 2:
            raise ValueError(f"data.n: expected sizes of at least 2, got {self.n}")
        if len(self.units) not in (0, 3) or any(u <= 0 for u in self.units):
            raise ValueError(f"data.units: expected the deviations of A, b and x, got {self.units}")
        for name, lowest in (("noise", 0.0), ("kappa", 1.0)):
            value = getattr(self, name)
            if value and not (len(value) == 2 and lowest <= value[0] <= value[1] and value[0] > 0):
                raise ValueError(f"data.{name}: expected a range [low, high], got {list(value)}")
        if self.objective == "noise" and not self.noise:
            raise ValueError("data.noise: the objective 'noise' needs a range [low, high] of noise levels")
        if any(p <= 1 for p in self.p):
            raise ValueError(f"data.p: expected exponents above 1, got {list(self.p)}")
        if self.objective == "start" and not self.p:
            raise ValueError("data.p: the objective 'start' needs exponents, as in [1.2, 8.0]")
        if self.gradients and not (self.p and 0 < self.gradients <= 1):
            raise ValueError(
                f"data.gradients: expected a share, at most 1, beside exponents p, got {self.gradients}"
            )
        check_at_least(self, "data.", {"rhs": 1, "samples": 0})


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
        check_types(self, "train.")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"train.optimizer: expected 'adamw' or 'muon', got {self.optimizer!r}")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"train.precision: expected auto, float32 or bfloat16, got {self.precision!r}")
        counts = ("steps", "batch", "loops", "checkpoint_every", "log_every", "validate_every", "validation")
        check_at_least(
            self, "train.", dict.fromkeys(counts, 1) | {"warmup": 0, "weight_decay": 0, "final": 0}
        )
        for name in ("learning_rate", "clip", "power"):
            if not getattr(self, name) > 0:
                raise ValueError(f"train.{name}: expected a positive number, got {getattr(self, name)!r}")


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
        """Plain data, as in the TOML file; a family given as a callable is written as "module:name"."""
        plain = replace(self, data=replace(self.data, family=family_name(self.data.family)))
        return asdict(plain)


def family_name(family: str | Callable[..., Any]) -> str:
    """The name under which a family is recorded: its own, or "module:name" of a callable.

    That of a function at the top level of a module finds it again; that of a lambda or a local function does not.
    """
    if isinstance(family, str):
        return family
    return f"{family.__module__}:{getattr(family, '__qualname__', f'<{type(family).__qualname__} object>')}"


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
        for depth, part in enumerate(path):
            target[part] = dict(check_table(target.get(part, {}), ".".join(path[: depth + 1])))
            target = target[part]
        target[last] = value
    check_keys(raw, [f.name for f in fields(Recipe)], "")
    if not raw.get("name"):
        raise ValueError("name: a recipe needs a name")
    model = dict(check_table(raw.get("model", {"kind": "green"}), "model"))
    from .models import check_options, check_task

    check_options(model)
    recipe = Recipe(
        **{k: raw[k] for k in ("name", "seed", "description", "weights") if k in raw},
        data=_section(DataConfig, raw.get("data", {}), "data"),
        model=model,
        train=_section(TrainConfig, raw.get("train", {}), "train"),
    )
    check_types(recipe, "")
    if not 0 <= recipe.seed < MAX_SEED:
        raise ValueError(f"seed: expected at least 0 and less than 2**60, got {recipe.seed}")
    check_task(model, recipe.data.objective, recipe.data.n)
    return recipe


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def _read(source: str | Path) -> dict[str, Any]:
    if not isinstance(source, str | Path):
        raise ValueError(f"recipe: expected a name, a TOML file or a table of settings, got {source!r}")
    path = Path(source)
    if not path.is_file():
        shipped = RECIPES / f"{source}.toml"
        if not shipped.exists():
            raise ValueError(f"recipe: no file {str(source)!r} and no shipped recipe of that name; "
                             f"shipped are {', '.join(shipped_recipes())}")  # fmt: skip
        path = shipped
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"recipe {path}: not valid TOML: {error}") from error


def _section(cls: type, raw: Any, name: str) -> Any:
    check_keys(check_table(raw, name), [f.name for f in fields(cls)], f"{name}.")
    return cls(**raw)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
