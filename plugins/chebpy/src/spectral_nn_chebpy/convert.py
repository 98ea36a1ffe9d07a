"""Chebyshev coefficients in, Chebyshev coefficients out: conversion is exact, piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np
from chebpy.bndfun import Bndfun
from chebpy.chebfun import Chebfun
from chebpy.chebtech import Chebtech
from chebpy.utilities import Interval

from spectral_nn import ChebSeries


def to_chebfun(solution: Any) -> Any:
    """Turn what spectral_nn returns into Chebfuns.

    Parameters
    ----------
    solution : ChebSeries, BVPResult, EigResult, spectral_nn.integrate result, or a list or tuple of those

    Returns
    -------
    Chebfun, or tuple of them
        One Chebfun for a ChebSeries and for a result with one unknown; a tuple (one per unknown) for a
        system; a tuple of either (one per eigenvalue) for an EigResult. Pieces and coefficients are those of
        the series.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import solve_bvp
    >>> from spectral_nn_chebpy import to_chebfun
    >>> u = to_chebfun(solve_bvp(lambda x, u: u.diff(2) + u, (0, np.pi / 2), lbc=0, rbc=1))
    >>> round(float(u.sum()), 12)  # ∫ sin
    1.0
    """
    if isinstance(solution, ChebSeries):
        return Chebfun([
            Bndfun(Chebtech(np.array(c)), Interval(a, b))
            for c, a, b in zip(
                solution.coefficients, solution.breakpoints[:-1], solution.breakpoints[1:], strict=True
            )
        ])  # fmt: skip
    for field in ("u", "eigenfunctions"):
        if isinstance(getattr(solution, field, None), tuple):
            functions = tuple(to_chebfun(s) for s in getattr(solution, field))
            return functions[0] if field == "u" and len(functions) == 1 else functions
    series = getattr(getattr(solution, "sol", solution), "series", None)
    if isinstance(series, tuple):
        return tuple(to_chebfun(s) for s in series)
    if isinstance(solution, list | tuple):
        return tuple(to_chebfun(s) for s in solution)
    raise TypeError(
        f"solution: expected a ChebSeries or a result of spectral_nn, got {type(solution).__name__}"
    )


def from_chebfun(f: Chebfun) -> ChebSeries:
    """Turn a Chebfun into a ChebSeries: callable, differentiable, fast to evaluate.

    Parameters
    ----------
    f : Chebfun
        On a bounded domain. Polynomial pieces are taken over coefficient by coefficient; trigonometric and
        singular ones are sampled.

    Returns
    -------
    ChebSeries

    Raises
    ------
    TypeError
        If f is no Chebfun.
    ValueError
        If f is empty, its domain is unbounded, or a singular piece is no polynomial to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from chebpy import chebfun
    >>> from spectral_nn_chebpy import from_chebfun
    >>> s = from_chebfun(chebfun(np.exp, [0, 2]))
    >>> bool(abs(s(1.0) - np.e) < 1e-14), bool(abs(s(1.0, 1) - np.e) < 1e-12)
    (True, True)
    """
    if not isinstance(f, Chebfun):
        raise TypeError(f"f: expected a Chebfun, got {type(f).__name__}")
    if f.isempty:
        raise ValueError("f: expected a function, got an empty Chebfun")
    ends = np.array([float(f.funs[0].support[0]), *(float(piece.support[1]) for piece in f.funs)])
    if not np.isfinite(ends).all():
        raise ValueError(f"f: expected a bounded domain, got [{ends[0]}, {ends[-1]}]; use f.restrict([a, b])")
    pieces = [_coefficients(piece, a, b) for piece, a, b in zip(f.funs, ends[:-1], ends[1:], strict=True)]
    return ChebSeries(ends, pieces)


def breakpoints(*functions: Chebfun) -> tuple[float, ...]:
    """Inner break points of all the Chebfuns, ascending: what `breakpoints=` of spectral_nn wants to know.

    Examples
    --------
    >>> import numpy as np
    >>> from chebpy import chebfun
    >>> from spectral_nn_chebpy import breakpoints
    >>> breakpoints(chebfun(np.abs, [-1, 0, 1]), chebfun(np.sin, [-1, 1]))
    (0.0,)
    """
    inner = [np.asarray(f.breakpoints, dtype=float)[1:-1] for f in functions]
    return tuple(np.unique(np.concatenate([np.zeros(0), *inner])).tolist())


def _coefficients(piece: Any, a: float, b: float) -> np.ndarray:
    if isinstance(piece, Bndfun) and isinstance(piece.onefun, Chebtech):
        return np.array(piece.coeffs) if piece.size else np.zeros(1)
    return ChebSeries.from_function(piece, (a, b)).coefficients[0]
