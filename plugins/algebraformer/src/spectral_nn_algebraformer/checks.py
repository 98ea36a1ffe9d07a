"""Settings from outside (recipe, config.json, command line) checked by annotations; words for what is refused."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np


def check_known(key: str, known: list[str], where: str) -> None:
    """ValueError naming the nearest known key, unless `key` is one."""
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
        raise ValueError(f"{where}{key}: unknown{hint}")


def check_keys(raw: Iterable[str], known: list[str], where: str) -> None:
    """`check_known` for every key."""
    for key in raw:
        check_known(key, known, where)


def check_table(value: Any, name: str) -> Mapping[str, Any]:
    """The value, which must be a mapping."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected a table of settings, as in {name}.key = value; got {value!r}")
    return value


def check_types(config: Any, where: str) -> None:
    """ValueError naming the first field of a dataclass whose value is not of its annotated type."""
    hints = get_type_hints(type(config))
    for f in fields(config):
        value = getattr(config, f.name)
        if not _fits(value, hints[f.name]):
            raise ValueError(f"{where}{f.name}: expected {_in_words(hints[f.name])}, got {value!r}")


def check_at_least(config: Any, where: str, lowest: Mapping[str, float]) -> None:
    """ValueError naming the first of these fields that is below its bound."""
    for name, bound in lowest.items():
        value = getattr(config, name)
        if not value >= bound:
            raise ValueError(f"{where}{name}: expected at least {bound}, got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; whole numbers are floats too, truth values are no numbers."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is Callable:
        return callable(value)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, inner[0]) for v in value)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and value == value
    return isinstance(value, origin or hint)


def _in_words(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(option) for option in inner)
    if origin is tuple:
        return "a list of whole numbers" if inner[0] is int else "a list of numbers"
    return words.get(hint, "a function" if origin is Callable else str(hint))


def refused_words(known: np.ndarray) -> str:
    """How many of a batch (B,) are refused, and which is the first."""
    refused = np.flatnonzero(~known)
    return f"{len(refused)} system{'s' * (len(refused) != 1)} refused, the first (item {refused[0]})"
