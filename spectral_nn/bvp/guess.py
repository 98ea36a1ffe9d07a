"""Where Newton starts: numbers, callables, arrays, earlier results, or a guess that meets the linear conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..chebyshev.grid import points
from ..chebyshev.series import ChebSeries
from ..chebyshev.transform import values_to_coefficients
from .mesh import Mesh, State
from .problem import Problem
from .result import BVPResult
from .trace import is_number

GUESS_DEGREE = 256
"""A callable guess is interpolated piecewise with degree 16 up to this many points: a guess need not be exact."""


def initial_state(problem: Problem, guess: Any, mesh: Mesh) -> State:
    """The guess on a mesh."""
    dtype = complex if problem.complex else float
    if guess is None:
        state = State.zeros(mesh, problem.structure.p, dtype)
        _set_scalars(problem, state, None)
        if not problem.linear:
            _meet_conditions(problem, state)
        _fill_functions(problem, state)
        return state
    if isinstance(guess, BVPResult) and guess.state is not None and _fits(problem, guess, mesh):
        state = guess.state.to_mesh(mesh)
        if problem.complex:
            state = State(mesh, state.Z.astype(complex), state.W.astype(complex), state.lam.astype(complex))
        return state
    series = as_series(guess, problem)
    if any(np.iscomplexobj(s.coefficients[0]) for s in series):
        dtype = complex
        problem.complex = True
    state = State.zeros(mesh, problem.structure.p, dtype)
    for j, s in enumerate(series):
        d = int(mesh.orders[j])
        state.W[:, j] = s(mesh.x, d).reshape(mesh.E, mesh.p)
        for k in range(d):
            state.Z[:, mesh.zoff[j] + k] = s(mesh.t, k)
    _set_scalars(problem, state, guess)
    _fill_functions(problem, state)
    return state


def bumped(state: State, sign: float) -> State:
    """A guess moved off itself by half a sine wave of its own size: another place for Newton's method to start from."""
    mesh = state.mesh
    a, length = mesh.t[0], mesh.t[-1] - mesh.t[0]
    moved = State(mesh, state.Z.copy(), state.W.copy(), state.lam.copy())
    fields = np.abs(state.fields()[mesh.slot[:-1]]).max(axis=1, initial=0.0)
    for j, d in enumerate(mesh.orders):
        size = sign * (1.0 + fields[j])
        for k in range(d + 1):
            rate = (np.pi / length) ** k * size
            if k < d:
                moved.Z[:, mesh.zoff[j] + k] += rate * np.sin(np.pi * ((mesh.t - a) / length + 0.5 * k))
            else:
                moved.W[:, j] += rate * np.sin(np.pi * ((mesh.x - a) / length + 0.5 * k)).reshape(
                    mesh.E, mesh.p
                )
    return moved


def as_series(guess: Any, problem: Problem) -> list[ChebSeries]:
    """A guess in any of its forms as one Chebyshev series per unknown."""
    m, domain = len(problem.names), problem.domain
    if isinstance(guess, BVPResult):
        if len(guess.u) != m:
            raise ValueError(f"guess: the result has {len(guess.u)} unknowns, expected {m}")
        parts: list[Any] = list(guess.u)
    elif isinstance(guess, list | tuple) and not _is_samples(guess):
        parts = list(guess)
    elif isinstance(guess, np.ndarray) and guess.ndim == 2 and guess.shape[0] == m:
        parts = list(guess)
    else:
        parts = [guess] * (m if is_number(guess) else 1)
    if len(parts) != m:
        raise ValueError(
            f"guess: expected one guess for each of the {m} unknowns {', '.join(problem.names)}, got {len(parts)}"
        )
    return [_one(part, domain, problem) for part in parts]


def _one(part: Any, domain: tuple[float, float], problem: Problem) -> ChebSeries:
    a, b = domain
    if isinstance(part, ChebSeries):
        if part.domain != domain:  # stretch: continuation in the length of the interval needs it
            t = a + (np.asarray(part.breakpoints) - part.domain[0]) * (b - a) / (
                part.domain[1] - part.domain[0]
            )
            return ChebSeries(t, list(part.coefficients))
        return part
    if is_number(part):
        if not np.isfinite(part):
            raise ValueError(f"guess: expected finite numbers, got {part}")
        return ChebSeries((a, b), [np.array([part], dtype=complex if np.iscomplexobj(part) else float)])
    if callable(part):
        t = np.linspace(a, b, GUESS_DEGREE // 16 + 1)
        t = np.unique(np.concatenate([t, problem.breakpoints]))
        x = t[:-1, None] + np.diff(t)[:, None] * (points(16, 1) + 1.0) / 2.0
        values = np.asarray(part(x.ravel()))
        if values.size == 1:
            values = np.full(x.size, values)
        if values.shape != (x.size,):
            raise ValueError(f"guess: the callable returned shape {values.shape} for x of shape {(x.size,)}")
        _finite(values)
        return ChebSeries(t, list(values_to_coefficients(values.reshape(x.shape) * 1.0, 1, 1)))
    if isinstance(part, tuple) and _is_samples(part):
        x, y = (np.asarray(v) for v in part)
        if x.shape != y.shape or x.ndim != 1 or x.size < 2 or not (np.diff(x) > 0).all():
            raise ValueError("guess: (x, y) expected two arrays of one length, x increasing")
        _finite(y)
        from scipy.interpolate import PchipInterpolator

        if np.iscomplexobj(y):
            re, im = PchipInterpolator(x, y.real), PchipInterpolator(x, y.imag)
            return _one(lambda s: re(s) + 1j * im(s), domain, problem)
        return _one(PchipInterpolator(x, y), domain, problem)
    values = np.asarray(part)
    if values.ndim != 1 or values.dtype.kind not in "biufc" or values.size < 2:
        raise TypeError(
            f"guess: expected a number, a callable, an array of values at Chebyshev points, a pair (x, y) or an "
            f"earlier result, got {type(part).__name__}"
        )
    _finite(values)
    return ChebSeries((a, b), [values_to_coefficients(values * 1.0, 2)])


def _finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError("guess: holds NaN or infinity, expected finite values")


def _is_samples(guess: Any) -> bool:
    return (
        isinstance(guess, tuple)
        and len(guess) == 2
        and all(isinstance(v, np.ndarray) and v.ndim == 1 for v in guess)
    )


def _fits(problem: Problem, guess: BVPResult, mesh: Mesh) -> bool:
    state = guess.state
    return (
        state.lam.size == problem.structure.p
        and state.mesh.m == mesh.m
        and (state.mesh.orders == mesh.orders).all()
        and guess.domain == problem.domain
    )


def _set_scalars(problem: Problem, state: State, guess: Any) -> None:
    """Guesses of the scalar unknowns: the user's, or those of an earlier result."""
    for i, (name, value) in enumerate(problem.params.items()):
        state.lam[i] = guess.params.get(name, value) if isinstance(guess, BVPResult) else value


def _fill_functions(problem: Problem, state: State) -> None:
    """Values of the unknowns that the trace made, from the user's functions: expr for v = expr, its integral for v' = expr."""
    s, mesh = problem.structure, state.mesh
    if not s.functions or not state.W.any():
        return
    for _ in range(len(s.functions)):  # one may be built on another
        fields = state.fields()
        with np.errstate(all="ignore"):
            lin = problem.trace(mesh.x, lambda j, k: fields[mesh.slot[j] + k], state.lam)  # noqa: B023
        for i, function in enumerate(s.functions):
            j = s.n_unknowns + i
            d = int(mesh.orders[j])
            if function.kind not in ("diff", "cumsum"):
                continue
            residual = np.broadcast_to(lin.residual[j], mesh.x.shape).reshape(mesh.E, mesh.p)
            if not np.isfinite(residual).all():
                continue
            if function.kind == "cumsum":
                state.W[:, j] -= residual
                state.Z[1:, mesh.zoff[j]] = np.cumsum(mesh.half * (state.W[:, j] @ mesh.ref.weights))
            else:
                values = fields[mesh.slot[j]].reshape(mesh.E, mesh.p) - residual
                series = ChebSeries(mesh.t, list(values_to_coefficients(values, 1, 1)))
                state.W[:, j] = series(mesh.x, d).reshape(mesh.E, mesh.p)
                for k in range(d):
                    state.Z[:, mesh.zoff[j] + k] = series(mesh.t, k)


def _meet_conditions(problem: Problem, state: State) -> None:
    """The smallest polynomials that satisfy the conditions, linearized around zero (Chebfun's fitBCs)."""
    from .conditions import Surroundings

    mesh = state.mesh
    m = problem.structure.n_unknowns
    fields = state.fields()
    with np.errstate(all="ignore"):
        around = Surroundings(
            mesh.x, mesh.weights, lambda j, k: fields[mesh.slot[j] + k], state.at, state.lam
        )
        conditions = problem.conditions(around)
    if not any(c.value for c in conditions):
        return
    degree = [int(mesh.orders[j]) + 1 for j in range(m)]
    a, b = problem.domain
    width = np.cumsum([0, *degree])
    basis = [[ChebSeries((a, b), [np.eye(degree[j])[i]]) for i in range(degree[j])] for j in range(m)]
    rows: Any = []
    values: Any = []
    for c in conditions:
        row = np.zeros(width[-1], dtype=state.W.dtype)
        for x0, j, k, coef in c.points:
            row[width[j] : width[j + 1]] += [coef * s(x0, k) for s in basis[j]] if j < m else 0.0
        for j, k, w in c.integrals:
            row[width[j] : width[j + 1]] += [w @ s(mesh.x, k) for s in basis[j]] if j < m else 0.0
        if np.isfinite(row).all() and np.isfinite(c.value) and row.any():
            rows.append(row)
            values.append(-c.value)
    if not rows or not np.any(values):
        return
    rows, values = np.array(rows), np.array(values)
    # As many coefficients as derivatives if these suffice; else one more, high degrees damped for the plainest fit.
    top = np.concatenate([np.arange(n) == n - 1 for n in degree])
    coefs = np.linalg.lstsq(rows * ~top, values, rcond=1e-10)[0] * ~top
    if np.abs(rows @ coefs - values).max() > 1e-8 * np.abs(values).max():
        damp = np.concatenate([0.3 ** np.arange(n) for n in degree])
        coefs = damp * np.linalg.lstsq(rows * damp, values, rcond=1e-10)[0]
    for j in range(m):
        s = ChebSeries((a, b), [coefs[width[j] : width[j + 1]]])
        d = int(mesh.orders[j])
        state.W[:, j] = s(mesh.x, d).reshape(mesh.E, mesh.p)
        for k in range(d):
            state.Z[:, mesh.zoff[j] + k] = s(mesh.t, k)
