"""Checks of what the user gives: the argument, what was expected, what came."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from .trace import is_number


def rhs_values(rhs: Any, x: np.ndarray, m: int) -> list[Any]:
    """Right-hand sides at x as a list of m numbers or arrays."""
    parts = list(rhs) if isinstance(rhs, list | tuple) else [rhs] * (m if is_number(rhs) else 1)
    if len(parts) != m:
        raise ValueError(f"rhs: expected one right-hand side for each of the {m} equations, got {len(parts)}")
    out: list[Any] = []
    for part in parts:
        value = part(x) if callable(part) else part
        if not is_number(value) and not callable(part) and np.shape(part) != x.shape:
            raise TypeError(
                f"rhs: expected a number or a callable of x, got {type(part).__name__}; wrap values as "
                "lambda s: np.interp(s, x, values)"
            )
        if not is_number(value):
            value = np.asarray(value)
            if value.dtype.kind not in "bifc":
                raise TypeError(f"rhs: expected a number or a callable of x, got {type(part).__name__}")
            if value.shape and value.shape[-1] != x.size:
                raise ValueError(
                    f"rhs: expected a number or a callable that returns shape {x.shape}, got shape {value.shape}"
                )
        out.append(value)
    return out


def check_domain(domain: Any) -> tuple[float, float]:
    try:
        if isinstance(domain, str):
            raise TypeError
        a, b = (float(v) for v in domain)
    except (TypeError, ValueError):
        raise ValueError(f"domain: expected a pair of numbers (a, b), got {domain!r:.60}") from None
    if not (np.isfinite(a) and np.isfinite(b)):
        raise ValueError(
            f"domain: expected a finite interval, got ({a}, {b}); truncate it, or map it with a new variable"
        )
    if not a < b:
        raise ValueError(f"domain: expected a < b, got ({a:g}, {b:g})")
    return a, b


def check_params(params: Any) -> dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise TypeError(
            f"params: expected a dict of name to guess, such as {{'lam': 1.0}}, got {type(params).__name__}"
        )
    for name, value in params.items():
        if not is_number(value) or not np.isfinite(value):
            raise ValueError(f"params: expected a finite number as the guess of {name!r}, got {value!r:.40}")
    return dict(params)


def check_breakpoints(breakpoints: Any, domain: tuple[float, float]) -> tuple[float, ...]:
    try:
        points = np.unique(np.asarray(list(breakpoints), dtype=float))
    except (TypeError, ValueError):
        raise ValueError(
            f"breakpoints: expected numbers inside the domain, got {breakpoints!r:.60}"
        ) from None
    if points.size and not (np.isfinite(points).all() and domain[0] < points[0] and points[-1] < domain[1]):
        raise ValueError(
            f"breakpoints: expected points inside the domain ({domain[0]:g}, {domain[1]:g}), got {breakpoints}"
        )
    return tuple(points.tolist())


def n_positional(function: Callable) -> int:
    found = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return -1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in found)


def unknown_names(
    op: Callable, params: tuple[str, ...], unknowns: int | None
) -> tuple[tuple[str, ...], bool]:
    """Names of the unknown functions from the operator's signature, and whether it takes them as one tuple."""
    code = op.__code__ if type(op) is FunctionType else None
    defaults = getattr(op, "__defaults__", None)
    if code and not (params or unknowns or defaults or code.co_flags & 0x0C or code.co_kwonlyargcount):
        if code.co_argcount > 1:  # the common case: reading a signature is slow
            return code.co_varnames[1 : code.co_argcount], False
    try:
        signature = inspect.signature(op)
    except (TypeError, ValueError):
        raise TypeError(
            "op: its signature cannot be read; wrap it in a lambda: lambda x, u: op(x, u)"
        ) from None
    positional, starred = [], False
    for p in signature.parameters.values():
        starred |= p.kind is p.VAR_POSITIONAL
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty:
            positional.append(p.name)
    absent = [n for n in params if n not in signature.parameters]
    if absent:
        raise ValueError(
            f"params: {absent[0]!r} is not an argument of op{signature}; expected it after the unknown functions"
        )
    names = [n for n in positional[1:] if n not in params]
    if not positional or (not names and not starred):
        raise ValueError(f"op: expected op(x, u, …) with x first and at least one unknown, got op{signature}")
    if unknowns is None:
        if starred:
            raise ValueError(
                "unknowns: op takes *args, so the number of unknown functions must be given: unknowns=m"
            )
        return tuple(names), False
    if not isinstance(unknowns, int) or unknowns < 1:
        raise ValueError(f"unknowns: expected a positive integer, got {unknowns!r}")
    if starred or (len(names) == 1 and unknowns >= 1 and len(names) != unknowns):
        return tuple(f"u{i}" for i in range(unknowns)), not starred
    if len(names) != unknowns:
        raise ValueError(f"unknowns: got {unknowns}, but op has the {len(names)} unknowns {', '.join(names)}")
    return tuple(names), False
