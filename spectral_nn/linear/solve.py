"""The slot by itself: `solve_linear`."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from .certify import Certified
from .interface import LinearSolution, LinearSolver, LinearSystem, structure_of
from .registry import linear_solvers, resolve


def solve_linear(
    A: Any,
    b: Any = None,
    solver: str | LinearSolver = "auto",
    rtol: float = 1e-12,
    refine: bool = True,
    fallback: bool = True,
    noise: Any = None,
) -> LinearSolution:
    """Solve A x = b by any linear solver, built in or a plugin, and certify the answer.

    Parameters
    ----------
    A : array_like (n, n) or (B, n, n), scipy.sparse array, LinearOperator, structured matrix or LinearSystem
        One system or a batch of B systems. Real and complex; computed in float64 or complex128.
    b : array_like (n,), (n, k) or (B, n)
        One right-hand side, k of them, or one per system of a batch. May be left out with a LinearSystem.
    solver : str or LinearSolver
        A name that `spectral_nn.linear_solvers` lists, or an object. "auto" picks by structure and says what.
    rtol : float
        Bound on the backward error, normwise and of each row, see `spectral_nn.linear.residual`.
    refine : bool
        Whether to improve an answer that misses rtol, by iterative refinement and flexible GMRES.
    fallback : bool
        Whether a direct solver takes over where that does not help. With ``refine=False, fallback=False`` the
        solver's raw answer comes back, marked as UNCERTIFIED.
    noise : float, array_like (B,) or "estimate", optional
        Relative noise σ of the data: entries of A times 1 + σξ, b plus σ max|b| ξ, ξ standard normal. Only
        for solvers with the trait `noise`; with "auto" it picks "tikhonov". The answer is then an estimate of
        the noise-free solution, judged by whether its residual is what the noise explains and whether its error
        band is narrower than itself, and not refined. "estimate": the solver infers σ from A and reports it as
        ``noise`` of the result; not every solver can ("tikhonov" cannot).

    Returns
    -------
    LinearSolution
        ``x, success, status, message, backward_error, refinements, solver, fell_back, time, …``

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, an unknown solver, a bad rtol. A system that cannot be solved is not an
        error: look at `success` and `message`.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import solve_linear
    >>> answer = solve_linear([[2.0, 1.0], [1.0, 3.0]], [3.0, 4.0])
    >>> answer.x
    array([1., 1.])
    >>> answer.success, answer.solver
    (True, 'cholesky')
    """
    started = perf_counter()
    system = _checked_system(A, b)
    if not (isinstance(rtol, (int, float, np.floating)) and 0 < rtol < 1):
        raise ValueError(f"rtol: expected a number in (0, 1), got {rtol!r}")
    if noise is not None:
        noise = _checked_noise(noise, system, solver)
        if solver == "auto":
            solver = "tikhonov"
    chosen = resolve(solver)
    if noise is not None and not chosen.traits.noise:
        able = [e.name for e in linear_solvers().values() if e.traits and e.traits.noise]
        raise ValueError(
            f"noise: solver {chosen.name!r} does not take a noise level; {', '.join(able)} do. "
            "Choose one of them or leave out noise="
        )
    certified = Certified(chosen, system, rtol=rtol, refine=refine, fallback=fallback, noise=noise)
    assert system.b is not None
    answer = certified.solve(system.b)
    return replace(answer, time=perf_counter() - started)


def _checked_system(A: Any, b: Any) -> LinearSystem:
    meta: dict[str, Any] = {}
    if isinstance(A, LinearSystem):
        b = A.b if b is None else b
        meta, A = A.meta, A.A
    if b is None:
        raise ValueError("b: expected a right-hand side, got None")
    A, b = _checked_matrix(A), _numeric(b, "b")
    shape = A.shape
    n = shape[-1]
    if len(shape) == 3:
        if b.shape != (shape[0], n):
            raise ValueError(
                f"b: expected shape (B, n) = ({shape[0]}, {n}) for A of shape {shape}, got {b.shape}"
            )
    elif b.ndim not in (1, 2) or b.shape[0] != n:
        raise ValueError(f"b: expected shape (n,) or (n, k) with n = {n}, got {b.shape}")
    return LinearSystem(A, b, meta)


def _checked_matrix(A: Any) -> Any:
    if isinstance(A, (list, tuple, np.ndarray)):
        A = _numeric(A, "A")
    structure_of(A)  # raises TypeError for what is no matrix
    shape = A.shape
    if not (len(shape) == 2 or (len(shape) == 3 and isinstance(A, np.ndarray))) or shape[-1] != shape[-2]:
        raise ValueError(f"A: expected shape (n, n) or (B, n, n), got {tuple(shape)}")
    if 0 in shape:
        raise ValueError(f"A: expected at least one unknown, got shape {tuple(shape)}")
    return A


def _numeric(value: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array of numbers, got a ragged sequence ({error})") from None
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name}: expected an array of numbers, got dtype {array.dtype}")
    return array.astype(np.result_type(array.dtype, np.float64), copy=False)


def _checked_noise(noise: Any, system: LinearSystem, solver: Any) -> Any:
    expected = "expected a relative noise level > 0, one for each system of a batch, or 'estimate'"
    if isinstance(noise, str):
        if noise != "estimate":
            raise ValueError(f"noise: {expected}, got {noise!r}")
        if isinstance(solver, str) and solver in ("auto", "tikhonov"):
            raise ValueError(
                f"noise: solver={solver!r} cannot infer the noise level from A; state it as a number, "
                "or choose a solver that can, such as 'algebraformer'"
            )
        return noise
    try:
        values = np.asarray(noise)
    except ValueError:
        raise ValueError(f"noise: {expected}, got a ragged sequence") from None
    if values.dtype.kind not in "iuf":
        raise TypeError(f"noise: {expected}, got {noise!r}")
    values = values.astype(float)
    if values.ndim and values.shape != (system.batch,):
        raise ValueError(
            f"noise: expected a number, or shape (B,) = ({system.batch},) for a batch, got {values.shape}"
        )
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"noise: expected a relative noise level > 0, got {noise!r}")
    return float(values) if values.ndim == 0 else values
