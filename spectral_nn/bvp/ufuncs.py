"""Derivatives of the NumPy functions that an operator may apply to an unknown: one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Derivative = Callable[[Any, Any], Any]
"""f'(v) from the argument v and the value f(v), which often makes it cheaper."""

_TWO_OVER_SQRT_PI = 2.0 / np.sqrt(np.pi)

UNARY: dict[np.ufunc, Derivative] = {
    np.exp: lambda v, f: f,
    np.exp2: lambda v, f: f * np.log(2.0),
    np.expm1: lambda v, f: f + 1.0,
    np.log: lambda v, f: 1.0 / v,
    np.log2: lambda v, f: 1.0 / (v * np.log(2.0)),
    np.log10: lambda v, f: 1.0 / (v * np.log(10.0)),
    np.log1p: lambda v, f: 1.0 / (1.0 + v),
    np.sqrt: lambda v, f: 0.5 / f,
    np.cbrt: lambda v, f: 1.0 / (3.0 * f * f),
    np.square: lambda v, f: 2.0 * v,
    np.reciprocal: lambda v, f: -f * f,
    np.sin: lambda v, f: np.cos(v),
    np.cos: lambda v, f: -np.sin(v),
    np.tan: lambda v, f: 1.0 + f * f,
    np.arcsin: lambda v, f: 1.0 / np.sqrt(1.0 - v * v),
    np.arccos: lambda v, f: -1.0 / np.sqrt(1.0 - v * v),
    np.arctan: lambda v, f: 1.0 / (1.0 + v * v),
    np.sinh: lambda v, f: np.cosh(v),
    np.cosh: lambda v, f: np.sinh(v),
    np.tanh: lambda v, f: 1.0 - f * f,
    np.arcsinh: lambda v, f: 1.0 / np.sqrt(1.0 + v * v),
    np.arccosh: lambda v, f: 1.0 / np.sqrt(v * v - 1.0),
    np.arctanh: lambda v, f: 1.0 / (1.0 - v * v),
    np.absolute: lambda v, f: np.sign(v),
    np.fabs: lambda v, f: np.sign(v),
    np.sign: lambda v, f: 0.0 * v,
    np.floor: lambda v, f: 0.0 * v,
    np.ceil: lambda v, f: 0.0 * v,
    np.deg2rad: lambda v, f: np.pi / 180.0,
    np.rad2deg: lambda v, f: 180.0 / np.pi,
}

KINKED: frozenset[np.ufunc] = frozenset({np.absolute, np.fabs, np.sign})
"""Those that are not differentiable at 0, where Newton sees one side only."""


def special_unary() -> dict[Any, Derivative]:
    """Derivatives for ``scipy.special``, looked up only when such a function meets an unknown."""
    from scipy import special as sp

    return {
        sp.erf: lambda v, f: _TWO_OVER_SQRT_PI * np.exp(-v * v),
        sp.erfc: lambda v, f: -_TWO_OVER_SQRT_PI * np.exp(-v * v),
        sp.expit: lambda v, f: f * (1.0 - f),
        sp.log_expit: lambda v, f: sp.expit(-v),
        sp.gamma: lambda v, f: f * sp.psi(v),
        sp.gammaln: lambda v, f: sp.psi(v),
        sp.j0: lambda v, f: -sp.j1(v),
        sp.j1: lambda v, f: sp.j0(v) - f / v,
        sp.cosm1: lambda v, f: -np.sin(v),
    }
