"""Resolved or not: the residual between the nodes, and which elements to refine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .mesh import Mesh, State
from .nonlocal_terms import pack
from .problem import Problem
from .system import Evaluation, distant_rows

MAX_SPLIT = 4
UNRESOLVED = 1e-2
"""Above this worst residual only the worst elements are refined."""
AT_LEAST = 0.4
FEW, SMALL, NEARLY = 4, 64, 1e-3
"""Elements, unknowns of an element and residual up to which raising the degree is tried before elements are split."""
DEGREES = (20, 24, 32)
"""Nodes that a mesh may go up to: beyond, splitting costs less."""
POLLUTED = 1e-4
"""Elements this far below the worst one are left alone for now: an unresolved layer spoils its neighbourhood too."""


@dataclass
class Residuals:
    """The residual of the user's equations between the nodes, relative to the terms that cancel in them.

    On element e of length h, of E on a domain of length L, and for equation i it is
    ``max |F_i| / (max_e Σ|terms| + max(1, L / (E h)) mean Σ|terms|)``: the first part of the scale is that of the element, the
    second that of the whole domain, where an element shorter than the average counts by its share of the integral.
    """

    sets: tuple[float, float]
    """Maximum over each of the two sets of points."""
    per_element: np.ndarray
    worst_x: float

    @property
    def worst(self) -> float:
        return max(self.sets)


def residuals(ev: Evaluation, rhs: Any) -> Residuals:
    """Evaluate the equations at two sets of points that the solution was not computed on."""
    problem, state = ev.problem, ev.state
    mesh = state.mesh
    fields = state.fields(between=True)
    with np.errstate(all="ignore"):
        lin = problem.trace(
            mesh.x_between, lambda j, k: fields[mesh.slot[j] + k], state.lam, rhs, values_only=True
        )
        r = np.empty((mesh.m, mesh.E * mesh.ref.between.size), dtype=state.W.dtype)
        for i, value in enumerate(lin.residual):
            r[i] = value
        if ev.distant:
            S = (ev.distant[0][1].shape[1] - mesh.E * mesh.m * mesh.p) // (mesh.E + 1)
            for i, rows in distant_rows(problem, mesh, S, lin, between=True):
                r[i] -= rows @ pack(state, S)
        r = np.abs(r)
    r = np.nan_to_num(r, nan=np.inf).reshape(mesh.m, mesh.E, -1)
    relative = r / scales(ev)[:, :, None]
    first = mesh.p + 1
    at = np.unravel_index(int(np.argmax(relative.max(axis=0))), relative.shape[1:])
    return Residuals(
        (float(relative[:, :, :first].max()), float(relative[:, :, first:].max())),
        relative.max(axis=(0, 2)),
        float(mesh.x_between.reshape(mesh.E, -1)[at]),
    )


def scales(ev: Evaluation) -> np.ndarray:
    """(m, E): size of the terms of each equation on each element, kept with the evaluation."""
    if ev.scales is not None:
        return ev.scales
    mesh = ev.state.mesh
    i, j, k = ev.index
    terms = np.zeros((mesh.m, mesh.E, mesh.p))
    rest = ev.residual.copy()
    fields = ev.fields.reshape(-1, mesh.E, mesh.p)
    for n in range(i.size):
        term = ev.coef[n] * fields[mesh.slot[j[n]] + k[n]]
        terms[i[n]] += np.abs(term)
        rest[i[n]] -= term
    for n in range(ev.param_index[0].size):
        term = ev.param_coef[n] * ev.state.lam[ev.param_index[1][n]]
        terms[ev.param_index[0][n]] += np.abs(term)
        rest[ev.param_index[0][n]] -= term
    terms += np.abs(rest)  # what does not depend on the unknowns: the right-hand side
    mean = (terms @ mesh.ref.weights) @ mesh.half / (mesh.t[-1] - mesh.t[0])
    share = np.maximum(1.0, (mesh.t[-1] - mesh.t[0]) / (mesh.E * 2.0 * mesh.half))
    ev.scales = np.maximum(terms.max(axis=2) + share * mean[:, None], np.maximum(ev.floor, 1e-300))
    return ev.scales


def refine(state: State, relative: np.ndarray, tol: float) -> Mesh:
    """Raise the degree where the coefficients' decay says that little is missing everywhere, else split elements.

    Those that are not resolved are split into as many parts as their residual asks for.
    """
    mesh = state.mesh
    nodes = _higher_degree(state, relative, tol)
    if nodes is not None:
        return Mesh(mesh.t, nodes, mesh.orders)
    worst = relative.max()
    threshold = POLLUTED * min(worst, 1.0)
    if (
        worst > UNRESOLVED
    ):  # only the worst elements, but enough of them that oscillations are resolved in a few levels
        threshold = min(0.1 * min(worst, 1.0), float(np.quantile(relative, 1.0 - AT_LEAST)))
    marked = relative > max(tol, threshold)
    marked[np.argmax(relative)] = True
    wanted = np.ones(mesh.E, dtype=int)
    with np.errstate(divide="ignore"):
        needed = np.ceil((np.minimum(relative[marked], 1e3) / (0.3 * tol)) ** (1.0 / mesh.p))
    wanted[marked] = np.clip(needed, 2, MAX_SPLIT)
    parts = [mesh.t[e] + (mesh.t[e + 1] - mesh.t[e]) * np.arange(n) / n for e, n in enumerate(wanted)]
    return Mesh(np.concatenate([*parts, mesh.t[-1:]]), mesh.p, mesh.orders)


def _higher_degree(state: State, relative: np.ndarray, tol: float) -> int | None:
    """Nodes with which a mesh of a few elements resolves what it nearly does, by the decay of its coefficients."""
    mesh = state.mesh
    unresolved = relative > tol
    if mesh.E > FEW or mesh.p * mesh.m > SMALL or 2 * unresolved.sum() < mesh.E or relative.max() > NEARLY:
        return None
    coefs = np.abs(state.W @ mesh.ref.to_coefficients.T)[unresolved]
    size = coefs.max(axis=2)
    decay = (coefs[:, :, -2:].max(axis=2) / np.where(size > 0, size, 1.0)) ** (1.0 / (mesh.p - 1))
    rate = min(float(decay.max(initial=0.0)), 0.99)
    if rate <= 0.0:
        return None
    needed = mesh.p + np.log(0.1 * tol / relative.max()) / np.log(rate)
    return next((n for n in DEGREES if mesh.p < n and needed <= n), None)


def condition_residual(ev: Evaluation, problem: Problem) -> float:
    """Largest residual of a condition, relative to its constant and its terms, these as large as they get anywhere."""
    from .conditions import Surroundings

    state, mesh = ev.state, ev.state.mesh
    around = Surroundings(mesh.x, mesh.weights, lambda j, k: ev.fields[mesh.slot[j] + k], state.at, state.lam)
    largest = np.abs(ev.fields).max(axis=1, initial=0.0)
    length = mesh.t[-1] - mesh.t[0]
    for j, d in enumerate(
        mesh.orders
    ):  # where a derivative vanishes, rounding of the function itself is what is left
        for row in range(mesh.slot[j] + 1, mesh.slot[j] + d + 1):
            largest[row] = max(largest[row], largest[row - 1] / length)
    worst = 0.0
    for c in problem.conditions(around):
        size = sum(abs(coef) * largest[mesh.slot[j] + k] for _, j, k, coef in c.points)
        size += sum(float(np.abs(w).sum()) * largest[mesh.slot[j] + k] for j, k, w in c.integrals)
        size += sum(abs(coef * state.lam[n]) for n, coef in c.params) + c.scale
        worst = max(worst, abs(complex(c.value)) / size if size > 0 else 0.0)
    return worst
