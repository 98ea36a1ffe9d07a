"""How much the problem amplifies what is left of the residual: an error estimate from the final factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .newton import NewtonOutcome
from .resolve import Residuals, scales
from .system import Evaluation, unpack

ROUNDING = 4e-16
TRIALS, SAFETY = 1, 2.0
"""Random perturbations solved for, and the factor by which the worst one may be unlucky."""


@dataclass
class Amplification:
    """``condition``: largest |δu| / (1 + max|u|) for a perturbation of the equations of relative size one.

    ``error``: that times the residual reached. ``singularity``: the same for unit perturbations of the scaled rows of the
    linear system, which is infinite where the conditions do not determine the solution.
    """

    condition: float = float("nan")
    error: float = float("nan")
    singularity: float = float("nan")


def amplification(out: NewtonOutcome, residual: Residuals | None) -> Amplification:
    """Solve the last linearized problem for perturbed right-hand sides and see how far the solution moves."""
    ev, (step, factors) = out.evaluation, out.kept
    mesh = ev.state.mesh
    E, mp, p = mesh.E, mesh.m * mesh.p, mesh.p
    q, S = step.q, step.S
    rng = np.random.default_rng(0)
    sizes = 1.0 + np.abs(ev.fields[mesh.slot[:-1]]).max(axis=1)
    equations = np.repeat(scales(ev).T, p, axis=1).reshape(E, mp) * step.row_scale
    condition = singularity = 0.0
    for _ in range(TRIALS):
        inner = np.zeros((E, mp + S), dtype=step.b.dtype)
        signs = rng.choice([-1.0, 1.0], (E, mp))  # the residual changes sign from node to node, too
        inner[:, :mp] = signs * equations
        b = np.zeros_like(step.b)
        b[q : b.size - (S - q)] = inner.ravel()
        condition = max(condition, _size(factors.rough(b), ev, S, sizes))
        inner[:, :mp] = signs
        b[q : b.size - (S - q)] = inner.ravel()
        b[:q], b[b.size - (S - q) :] = rng.choice([-1.0, 1.0], q), rng.choice([-1.0, 1.0], S - q)
        singularity = max(singularity, _size(factors.rough(b), ev, S, np.ones(mesh.m)))
    condition *= SAFETY
    reached = ROUNDING + (residual.worst if residual is not None else np.nan)
    return Amplification(condition, condition * reached, singularity)


def _size(x: np.ndarray, ev: Evaluation, S: int, sizes: np.ndarray) -> float:
    if not np.isfinite(x).all():
        return np.inf
    moved = unpack(np.ascontiguousarray(x), ev.state.mesh, ev.state.lam.size, S).fields()[
        ev.state.mesh.slot[:-1]
    ]
    return float((np.abs(moved).max(axis=1) / sizes).max())
