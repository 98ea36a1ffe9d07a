"""Inequalities: slacks s > 0, multipliers mu > 0, mu s = tau, tau by Mehrotra's predictor (SIAM J. Optim. 2, 1992)."""

from __future__ import annotations

import numpy as np

from . import kernels
from .state import State

LEAST_SLACK = 1e-2  # of the largest slack, or of the size of x


def start_barrier(state: State) -> None:
    """Slacks and multipliers inside their cones, of the sizes of the data (Mehrotra 1992)."""
    rows, P = state.rows, state.program
    assert rows is not None
    slack = rows.h - rows.times(state.z)
    size = max(float(np.abs(slack).max(initial=0.0)), state.reach, float(np.abs(state.z).max(initial=0.0)))
    state.s = np.maximum(slack, LEAST_SLACK * (size or 1.0))
    state.primal = rows.times(state.z) + state.s - rows.h
    kernels.values(state.r, P.ptr, P.p, P.c, P.kind, state.values)
    slope = float(np.abs(P.smooth_gradient(state.z)).max()) if P.q is not None or P.Q is not None else 0.0
    level = max(float(state.values.sum()), slope * size, 1e-8)
    state.mu = level / len(slack) / state.s
    state.infeasible = bool(np.abs(state.primal).max(initial=0.0) > state.feasibility())
    state.dual_infeasible = True


def predict_correct(
    state: State, rhs: np.ndarray, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    rows, system = state.rows, state.system
    assert rows is not None
    mean = float(state.s @ state.mu) / len(state.s)

    def solve(target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        t = target / state.s + w * state.primal
        dz = -system.solve(rhs + rows.transpose_times(t))
        change = rows.times(dz)
        return dz, -state.primal - change, t + w * change - state.mu

    dz, ds, dmu = solve(np.zeros(len(state.s)))
    a = kernels.step_to_boundary(state.s, ds)
    b = kernels.step_to_boundary(state.mu, dmu)
    ahead = float((state.s + a * ds) @ (state.mu + b * dmu)) / len(state.s)
    tau = mean * (ahead / mean) ** 3 if mean > 0 else 0.0
    dz, ds, dmu = solve(tau - ds * dmu)
    state.infeasible = bool(np.abs(state.primal).max() > state.feasibility())
    return dz, ds, dmu, tau
