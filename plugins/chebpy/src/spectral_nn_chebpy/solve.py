"""`solve_bvp` for those who think in Chebfuns: domain and break points come from the functions themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chebpy.chebfun import Chebfun

import spectral_nn

from .convert import breakpoints as breaks_of
from .convert import from_chebfun


def solve_bvp(
    op: Callable,
    domain: Sequence[float] | None = None,
    lbc: Any = None,
    rbc: Any = None,
    bc: Any = None,
    *,
    coefficients: dict[str, Chebfun] | None = None,
    rhs: Any = 0.0,
    guess: Any = None,
    breakpoints: Sequence[float] = (),
    **options: Any,
) -> spectral_nn.BVPResult:
    """`spectral_nn.solve_bvp` with Chebfuns wherever functions of x are taken.

    Parameters
    ----------
    op : callable
        ``op(x, u, …)``; coefficient functions follow the unknowns by name, with their values at x: write ``K
        * u``.
    domain : pair of float, optional
        Default: the domain of the first Chebfun among coefficients, rhs and guess.
    lbc, rbc, bc, options
        As for `spectral_nn.solve_bvp`.
    coefficients : dict of str to Chebfun, optional
        Extra arguments of op.
    rhs, guess : Chebfun, list of those, or what `spectral_nn.solve_bvp` takes
    breakpoints : sequence of float
        More break points; those of all the Chebfuns are added.

    Returns
    -------
    spectral_nn.BVPResult
        `to_chebfun` turns it into Chebfuns.

    Examples
    --------
    A rod whose conductivity jumps: (K u')' = 0 with K = 1 left of 0 and 2 right of it.

    >>> from chebpy import pwc
    >>> from spectral_nn_chebpy import solve_bvp, to_chebfun
    >>> K = pwc([-1, 0, 1], [1, 2])
    >>> sol = solve_bvp(lambda x, u, K: (K * u.diff()).diff(), lbc=0, rbc=3, coefficients={"K": K})
    >>> sol.success, round(float(to_chebfun(sol)(0.0)), 12)
    (True, 2.0)
    """
    coefficients = dict(coefficients or {})
    for name, f in coefficients.items():
        if not isinstance(f, Chebfun):
            raise TypeError(f"coefficients: expected Chebfuns, got {type(f).__name__} for {name!r}")
    chebfuns = [*coefficients.values(), *_chebfuns(rhs), *_chebfuns(guess)]
    if domain is None:
        if not chebfuns:
            raise ValueError("domain: expected a pair (a, b), as there is no Chebfun to take it from")
        domain = tuple(float(e) for e in chebfuns[0].support)
    inner = [b for b in breaks_of(*chebfuns) if domain[0] < b < domain[1]]
    return spectral_nn.solve_bvp(
        _with_coefficients(op, {name: from_chebfun(f) for name, f in coefficients.items()}),
        domain, lbc, rbc, bc, rhs=_converted(rhs), guess=_converted(guess),
        breakpoints=sorted({*breakpoints, *inner}), **options,
    )  # fmt: skip


def _chebfuns(argument: Any) -> list[Chebfun]:
    parts = argument if isinstance(argument, list | tuple) else [argument]
    return [part for part in parts if isinstance(part, Chebfun)]


def _converted(argument: Any) -> Any:
    if isinstance(argument, Chebfun):
        return from_chebfun(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(_converted(part) for part in argument)
    return argument


def _with_coefficients(op: Callable, functions: dict[str, Any]) -> Callable:
    """op with its coefficient arguments filled in; the signature that remains is what spectral_nn reads."""
    if not functions:
        return op
    import inspect

    signature = inspect.signature(op)
    missing = [name for name in functions if name not in signature.parameters]
    if missing:
        raise ValueError(f"coefficients: {missing[0]!r} is not an argument of op{signature}")

    def filled(x: Any, *args: Any, **kwargs: Any) -> Any:
        return op(x, *args, **kwargs, **{name: f(x) for name, f in functions.items()})

    rest = [p for p in signature.parameters.values() if p.name not in functions]
    filled.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
    return filled
