"""One linearization on a mesh: trace, conditions, and the almost block diagonal system of a Newton step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..linear.block import AlmostBlockDiagonal
from .checks import rhs_values
from .conditions import Condition, Surroundings
from .expression import ORDERS
from .mesh import Mesh, State
from .nonlocal_terms import nonlocal_rows, pack
from .problem import Problem
from .trace import Linearization


class NonFinite(ArithmeticError):
    """The operator (or a condition) is NaN or infinite around a state; says which equation, and where."""


@dataclass
class Evaluation:
    """The problem linearized around a state: numbers only, in the shapes of the mesh."""

    problem: Problem
    state: State
    residual: np.ndarray
    """(m, E, p)"""
    index: tuple[np.ndarray, ...]
    """i, j, k of each entry."""
    coef: np.ndarray
    """(n, E, p) partial derivatives."""
    param_index: tuple[np.ndarray, ...]
    param_coef: np.ndarray
    conditions: list[Condition]
    fields: np.ndarray
    """(Σ(d_j + 1), E p)"""
    lin: Linearization
    distant: list[tuple[int, np.ndarray]]
    """(i, rows (E p, n)): what equation i takes from distant points, subtracted from it."""
    floor: Any = 0.0
    """(m, 1): rounding level of the terms at the start of the solve, for solutions that vanish."""
    scales: np.ndarray | None = None
    """Sizes of the terms, once `resolve.scales` has been asked."""


@dataclass
class StepSystem:
    """The system of one Newton step, A δ = b, with the scaling of its rows; dense if distant points are coupled."""

    A: AlmostBlockDiagonal | np.ndarray
    b: np.ndarray
    q: int
    """Rows on the first state."""
    S: int
    """States in all."""
    row_scale: np.ndarray
    """(E, m p)"""
    left: list[tuple[Condition | None, float]]
    right: list[tuple[Condition | None, float]]


def evaluate(problem: Problem, state: State, rhs: Any, dtype: Any) -> Evaluation:
    """Trace operator and conditions around a state.

    Raises
    ------
    NonFinite
        With the equation and the place of the first NaN or infinity.
    """
    mesh = state.mesh
    E, p, m = mesh.E, mesh.p, mesh.m
    x, fields = mesh.x, state.fields()
    slot = mesh.slot
    zero = problem.linear and not state.W.any() and not state.Z.any()

    def pick(j: int, k: int) -> Any:
        return 0.0 if zero else fields[slot[j] + k]

    with np.errstate(all="ignore"):
        lin = problem.trace(x, pick, state.lam, rhs)
        around = Surroundings(x, mesh.weights, lambda j, k: fields[slot[j] + k], state.at, state.lam)
        conditions = problem.conditions(around) + _own_conditions(problem, state, lin, around)
        n = len(lin.entries)
        residual = np.empty((m, E * p), dtype)
        coef = np.empty((n, E * p), dtype)
        param_coef = np.empty((len(lin.param_entries), E * p), dtype)
        for i, r in enumerate(lin.residual):
            residual[i] = r
        for i, entry in enumerate(lin.entries):
            coef[i] = entry[3]
        for i, param in enumerate(lin.param_entries):
            param_coef[i] = param[2]
    distant = distant_rows(problem, mesh, _n_states(conditions, mesh, state.lam.size), lin)
    for i, rows in distant:
        residual[i] -= rows @ pack(state, _n_states(conditions, mesh, state.lam.size))
    _check_finite(problem, x, rhs, residual, coef, lin, conditions)
    index = np.array([e[:3] for e in lin.entries], dtype=np.int64).reshape(-1, 3)
    params = np.array([e[:2] for e in lin.param_entries], dtype=np.int64).reshape(-1, 2)
    columns = tuple(np.ascontiguousarray(c) for c in index.T)
    shape = (-1, E, p)
    return Evaluation(
        problem,
        state,
        residual.reshape(shape),
        columns,
        coef.reshape(shape),
        (np.ascontiguousarray(params[:, 0]), np.ascontiguousarray(params[:, 1])),
        param_coef.reshape(shape),
        conditions,
        fields,
        lin,
        distant,
    )


def assemble(ev: Evaluation) -> StepSystem:
    """The Newton system of an evaluation."""
    from . import mesh_kernels

    state, mesh, dtype = ev.state, ev.state.mesh, ev.coef.dtype
    left, right, inner = _sort_conditions(ev.conditions, mesh)
    D, P, G, mp = mesh.D, state.lam.size, len(inner), mesh.m * mesh.p
    S = D + P + G
    F = np.zeros((G, mesh.E, D + mp), dtype)
    L, R = np.zeros((len(left) + G, S), dtype), np.zeros((len(right) + G, S), dtype)
    rows_left: list[tuple[Condition | None, float]] = [(c, _fill(L[n], c, mesh)) for n, c in enumerate(left)]
    rows_right: list[tuple[Condition | None, float]] = [
        (c, _fill(R[n], c, mesh)) for n, c in enumerate(right)
    ]
    for g, c in enumerate(inner):
        scale = _accumulate(c, mesh, F[g], L[len(left) + g], R[len(right) + g])
        L[len(left) + g, D + P + g] += 1.0
        R[len(right) + g, D + P + g] += 1.0
        rows_left.append((None, 1.0))
        rows_right.append((c, scale))
    blocks = np.empty((mesh.E, mp + S, mp + 2 * S), dtype)
    b_inner = np.empty((mesh.E, mp + S), dtype)
    row_scale = np.empty((mesh.E, mp))
    ref = mesh.ref
    mesh_kernels.assemble(  # type: ignore[call-arg]
        mesh.t,
        mesh.half,
        mesh.orders,
        mesh.zoff,
        ref.V,
        ref.right,
        ref.nodes + 1.0,
        *ev.index,
        ev.coef,
        *ev.param_index,
        ev.param_coef,
        ev.residual,
        _jump_table(ev, mesh),
        F,
        state.Z,
        state.W,
        state.lam,
        blocks,
        b_inner,
        row_scale,
    )
    b = np.concatenate([_values(rows_left, dtype), b_inner.ravel(), _values(rows_right, dtype)])
    A: Any = AlmostBlockDiagonal(L, blocks, R)
    if ev.distant:
        A = A.toarray()
        inner_rows = A[L.shape[0] : A.shape[0] - R.shape[0]].reshape(mesh.E, mp + S, -1)
        for i, rows in ev.distant:
            at = slice(i * mesh.p, (i + 1) * mesh.p)
            inner_rows[:, at] -= rows.reshape(mesh.E, mesh.p, -1) * row_scale[:, at, None]
    return StepSystem(A, b, L.shape[0], S, row_scale, rows_left, rows_right)


def same_scaling(step: StepSystem, trial: Evaluation, matched: float) -> np.ndarray:
    """Right-hand side of `step`'s rows at a trial state whose matching defects are ``matched`` times the old ones.

    For the simplified Newton correction, which solves with the old matrix.
    """
    E, mp = step.row_scale.shape
    b_old = step.b[step.q : step.b.size - (step.S - step.q)].reshape(E, -1)
    b_inner = b_old * matched
    b_inner[:, :mp] = -trial.residual.transpose(1, 0, 2).reshape(E, mp) * step.row_scale
    left, right, inner = _sort_conditions(trial.conditions, trial.state.mesh)
    rows_left = [(c, s) for c, (_, s) in zip([*left, *([None] * len(inner))], step.left, strict=True)]
    rows_right = [(c, s) for c, (_, s) in zip([*right, *inner], step.right, strict=True)]
    dtype = step.b.dtype
    return np.concatenate([_values(rows_left, dtype), b_inner.ravel(), _values(rows_right, dtype)])


def unpack(x: np.ndarray, mesh: Mesh, n_scalars: int, S: int) -> State:
    """A solution of the block system as a state."""
    from . import mesh_kernels

    state = State.zeros(mesh, n_scalars, x.dtype)
    mesh_kernels.unpack(x, state.Z, state.W, state.lam, mesh.D, S)
    return state


def distant_rows(
    problem: Problem, mesh: Mesh, S: int, lin: Linearization, between: bool = False
) -> list[tuple[int, np.ndarray]]:
    """Rows of the compositions and kernels, kept with the mesh: they do not change from one Newton step to the next."""
    out = []
    xi = mesh.ref.between if between else mesh.ref.nodes
    for i, term in problem.structure.nonlocal_terms:
        key = (i, between, S)
        if key not in mesh.kept:
            mesh.kept[key] = nonlocal_rows(term, mesh, S, xi, lin.points.get(i))
        out.append((i, mesh.kept[key]))
    return out


def _n_states(conditions: list[Condition], mesh: Mesh, n_scalars: int) -> int:
    return mesh.D + n_scalars + len(_sort_conditions(conditions, mesh)[2])


def _jump_table(ev: Evaluation, mesh: Mesh) -> np.ndarray:
    """(E, D): 1 + index of the scalar that is the jump of a state at the right end of an element, else 0."""
    table = np.zeros((mesh.E, mesh.D), dtype=np.int64)
    structure = ev.problem.structure
    for i, term in enumerate(structure.scalars):
        if term.kind == "jump" and term.key is not None:
            j, k, x0 = term.key
            table[int(np.argmin(np.abs(mesh.t - x0))) - 1, mesh.zoff[j] + k] = structure.n_params + i + 1
    return table


def _own_conditions(
    problem: Problem, state: State, lin: Linearization, around: Surroundings
) -> list[Condition]:
    """Conditions of the unknowns that the trace made: values, integrals, starts of antiderivatives, consistency."""
    s, out, sums = problem.structure, [], iter(lin.sums)
    a = problem.domain[0]
    for i, term in enumerate(s.scalars):
        index = s.n_params + i
        value = state.lam[index]
        if term.kind == "point":
            assert term.key is not None
            j, k, x0 = term.key
            at = state.at(j, k, x0)
            out.append(
                Condition(
                    value - at, "u(x0) in op", True, [(x0, j, k, -1.0)], [], [(index, 1.0)], 1.0 + abs(at)
                )
            )
        elif term.kind == "sum":
            integrand, w = next(sums), around.weights
            total = np.sum(w * integrand.value)
            c = Condition(value - total, "u.sum() in op", True, [], [], [(index, 1.0)], 1.0 + abs(total))
            for key, d in integrand.partials.items():
                if key < 0:
                    c.params.append((-1 - key, -np.sum(w * d)))
                else:
                    c.integrals.append((key // ORDERS, key % ORDERS, -w * d))
            out.append(c)
    for i, function in enumerate(s.functions):
        if function.kind == "cumsum":
            j = s.n_unknowns + i
            out.append(Condition(state.at(j, 0, a), "u.cumsum() in op", True, [(a, j, 0, 1.0)]))
    if problem.consistent:
        start = problem.trace(np.array([a]), lambda j, k: np.atleast_1d(state.at(j, k, a)), state.lam)
        for j in problem.consistent:
            c = Condition(np.sum(start.residual[j]), "consistency of a derivative in op", True)
            c.points = [(a, jj, kk, np.sum(d)) for i, jj, kk, d in start.entries if i == j]
            c.params = [(n, np.sum(d)) for i, n, d in start.param_entries if i == j]
            out.append(c)
    return out


def _sort_conditions(
    conditions: list[Condition], mesh: Mesh
) -> tuple[list[Condition], list[Condition], list[Condition]]:
    """Conditions on the first state only, on the last state only, and all others."""
    left, right, inner = [], [], []
    a, b = mesh.t[0], mesh.t[-1]
    for c in conditions:
        at_states = not c.integrals and all(k < mesh.orders[j] for _, j, k, _ in c.points)
        if at_states and all(x0 == a for x0, *_ in c.points):
            left.append(c)
        elif at_states and all(x0 == b for x0, *_ in c.points):
            right.append(c)
        else:
            inner.append(c)
    return left, right, inner


def _fill(row: np.ndarray, c: Condition, mesh: Mesh) -> float:
    """Write a condition at one end into its row, scaled; return the scale."""
    for _, j, k, coef in c.points:
        row[mesh.zoff[j] + k] += coef
    for n, coef in c.params:
        row[mesh.D + n] += coef
    size = np.abs(row).max()
    scale = 1.0 / size if size > 0 else 1.0
    row *= scale
    return float(scale)


def _accumulate(c: Condition, mesh: Mesh, F: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    """A condition that reaches inside: F (E, D + m p) is summed along the mesh by a state of its own."""
    a, b = mesh.t[0], mesh.t[-1]
    for j, k, weights in c.integrals:
        F += mesh.integral_row(j, k, weights)
    for x0, j, k, coef in c.points:
        state = k < mesh.orders[j]
        if state and x0 == a:
            left[mesh.zoff[j] + k] -= coef
        elif state and x0 == b:
            right[mesh.zoff[j] + k] += coef
        else:
            e, row = mesh.row(j, k, x0)
            F[e] += coef * row
    for n, coef in c.params:
        right[mesh.D + n] += coef
    scale = 1.0 / max(np.abs(F).sum(axis=1).max(initial=0.0), np.abs(left).max(), np.abs(right).max(), 1e-300)
    F *= scale
    left *= scale
    right *= scale
    return float(scale)


def _values(rows: Sequence[tuple[Condition | None, float]], dtype: Any) -> np.ndarray:
    return np.array([0.0 if c is None else -c.value * s for c, s in rows], dtype=dtype)


def _check_finite(
    problem: Problem,
    x: np.ndarray,
    rhs: Any,
    residual: np.ndarray,
    coef: np.ndarray,
    lin: Linearization,
    conditions: list[Condition],
) -> None:
    for what, rows, equation in (
        ("", residual, range(len(residual))),
        ("a coefficient of ", coef, [e[0] for e in lin.entries]),
    ):
        finite = np.isfinite(rows)
        if not finite.all():
            n, q = np.argwhere(~finite)[0]
            value = "NaN" if np.isnan(rows[n, q]) else "infinite"
            own = rhs_values(problem.rhs if rhs is None else rhs, x, len(problem.names))
            if n < len(own) and not what and not np.isfinite(np.broadcast_to(own[n], x.shape)[q]):
                raise NonFinite(f"rhs: of equation {n + 1} is {value} at x = {x[q]:.6g}")
            raise NonFinite(f"op: {what}equation {equation[n] + 1} is {value} at x = {x[q]:.6g}")
    for c in conditions:
        if not np.isfinite(c.value):
            raise NonFinite(f"{c.label}: the condition is not finite")
