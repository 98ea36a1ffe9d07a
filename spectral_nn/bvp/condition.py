"""How much the problem amplifies what is left of the residual: an error estimate from the final factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .resolve import Residuals, scales
from .system import Evaluation, assemble, unpack

ROUNDING = 4e-16


@dataclass
class Amplification:
    """``condition``: largest |δu| / (1 + max|u|) for a perturbation of the equations of relative size one.

    ``error``: that times the residual reached. ``singularity``: the same for unit perturbations of the scaled rows of the
    linear system, which is infinite where the conditions do not determine the solution.
    """

    condition: float = float("nan")
    error: float = float("nan")
    singularity: float = float("nan")


def amplification(ev: Evaluation, slot: Any, residual: Residuals | None) -> Amplification:
    """Solve the linearized problem for perturbed right-hand sides and see how far the solution moves."""
    step = assemble(ev)
    factors = slot.factor(step.A)
    mesh = ev.state.mesh
    E, mp, p = mesh.E, mesh.m * mesh.p, mesh.p
    q, S = step.q, step.S
    rng = np.random.default_rng(0)
    sizes = 1.0 + np.abs(ev.fields[mesh.slot[:-1]]).max(axis=1)
    equations = np.repeat(scales(ev).T, p, axis=1).reshape(E, mp) * step.row_scale
    condition = singularity = 0.0
    for trial in range(2):
        signs = np.ones((E, mp)) if trial == 0 else np.repeat(rng.choice([-1.0, 1.0], (E, mesh.m)), p, axis=1)
        inner = np.zeros((E, mp + S), dtype=step.b.dtype)
        inner[:, :mp] = signs * equations
        b = np.zeros_like(step.b)
        b[q : b.size - (S - q)] = inner.ravel()
        condition = max(condition, _size(factors.solve(b)[0], ev, S, sizes))
        unit = np.zeros_like(b)
        unit[:q], unit[b.size - (S - q) :] = rng.choice([-1.0, 1.0], q), rng.choice([-1.0, 1.0], S - q)
        inner[:, :mp] = signs
        unit[q : b.size - (S - q)] = inner.ravel()
        singularity = max(singularity, _size(factors.solve(unit)[0], ev, S, np.ones(mesh.m)))
    # Between the nodes the residual changes sign about p times in an element, so that it acts as a random one would.
    reached = (ROUNDING + (residual.worst if residual is not None else np.nan)) / np.sqrt(p)
    return Amplification(condition, condition * reached, singularity)


def _size(x: np.ndarray, ev: Evaluation, S: int, sizes: np.ndarray) -> float:
    if not np.isfinite(x).all():
        return np.inf
    moved = unpack(np.ascontiguousarray(x), ev.state.mesh, ev.state.lam.size, S).fields()[ev.state.mesh.slot[:-1]]
    return float((np.abs(moved).max(axis=1) / sizes).max())
