"""What a minimization returns: the minimizer, its certificate, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np


class LpStatus(IntEnum):
    """How a minimization ended. ``status.sentence`` says it in words and names the remedy."""

    CONVERGED = 0
    MAX_ITER = 1
    STALLED = 2
    INFEASIBLE = 3
    UNBOUNDED = 4
    STOPPED = 5

    @property
    def sentence(self) -> str:
        """One sentence for people; failures end in what to try."""
        return _SENTENCES[self]


_SENTENCES = {
    LpStatus.CONVERGED: "The relative duality gap is below tol.",
    LpStatus.MAX_ITER: "The iteration limit was reached before the duality gap fell below tol; "
    "raise max_iter, or continue from this result with x0=result.x.",
    LpStatus.STALLED: "The duality gap stopped falling above tol: rounding limits it on these data; "
    "raise tol, or rescale the columns of A and remove nearly dependent ones.",
    LpStatus.INFEASIBLE: "The constraints contradict one another; result.certificate combines them into 0 <= -1. "
    "Relax the constraints it weights most.",
    LpStatus.UNBOUNDED: "The objective falls without end along result.certificate['direction']; "
    "add a ridge, bounds, or the missing term.",
    LpStatus.STOPPED: "The callback stopped the iteration; continue with x0=result.x.",
}


@dataclass(frozen=True, repr=False)
class LpResult:
    """The outcome of :func:`minimize_lp` or :meth:`LpProblem.solve`.

    Attributes
    ----------
    x : ndarray (n,)
        The best point found.
    fun : float
        The objective at `x`.
    success : bool
        Whether `gap` is at most the tolerance (and the constraints hold).
    status : LpStatus
    message : str
        The sentence of `status`, with particulars: also where the solver or start asked for was of no use, and why.
    nit : int
        Newton iterations; the least-squares start is not counted.
    gap : float
        Certified relative duality gap: ``fun - dual_fun`` over ``max(|fun|, |dual_fun|)`` (over a millionth of the
        terms at the start, where fun tends to 0). Up to the rounding of ``kkt["stationarity"]`` no point that meets
        the constraints has an objective below ``fun * (1 - gap)``.
    dual_fun : float
        The dual objective, a lower bound of the optimum.
    dual : list of ndarray (m_t,)
        One vector y_t per term with ``sum A_t' y_t + (2 ridge I + Q) dual_x + q + E' eq_dual + G' ineq_dual -
        lb_dual + ub_dual = 0``; y_t is the gradient of the term with respect to its residual ``A_t x - b_t`` (row
        weights included in y_t).
    dual_x : ndarray (n,)
        The dual's own x, in its quadratic part; it tends to `x` as the gap closes.
    eq_dual, ineq_dual, lb_dual, ub_dual : ndarray
        Multipliers of ``E x = e``, ``G x <= h``, ``x >= lb``, ``x <= ub`` in the Lagrangian
        ``f + eq_dual'(E x - e) + ineq_dual'(G x - h) + lb_dual'(lb - x) + ub_dual'(x - ub)``; the last three are
        nonnegative. Empty where there is no such constraint.
    kkt : dict
        Residuals recomputed from `x` and the multipliers, all relative: ``stationarity``, ``equality``,
        ``inequality``, ``complementarity``.
    factorizations : int
        Matrices factored, the start included.
    time : float
        Seconds.
    linear_solver : dict
        ``solver`` (who solved the Newton systems), ``solves``, ``refinements``, ``fell_back`` (how often another
        solver had to step in) and, where one did, ``cause``: why it did so for the first time.
    history : list of dict
        Per iteration ``nit, fun, gap, step``.
    certificate : dict or None
        For INFEASIBLE the multipliers ``eq, ineq, lb, ub`` that contradict; for UNBOUNDED ``direction`` (n,).
    """

    x: np.ndarray
    fun: float
    success: bool
    status: LpStatus
    message: str
    nit: int
    gap: float
    dual_fun: float
    dual: list[np.ndarray]
    eq_dual: np.ndarray
    ineq_dual: np.ndarray
    lb_dual: np.ndarray
    ub_dual: np.ndarray
    kkt: dict[str, float]
    factorizations: int
    time: float
    linear_solver: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    certificate: dict[str, np.ndarray] | None = None
    dual_x: np.ndarray | None = None

    def __repr__(self) -> str:
        x = np.array2string(self.x, precision=6, threshold=8, edgeitems=3)
        rows = [
            ("message", self.message),
            ("success", self.success),
            ("status", f"{int(self.status)} ({self.status.name})"),
            ("fun", f"{self.fun:.12g}"),
            ("gap", f"{self.gap:.2e}"),
            ("nit", self.nit),
            ("factorizations", self.factorizations),
            ("time", f"{self.time:.3g} s"),
            ("linear_solver", ", ".join(f"{k} {v}" for k, v in self.linear_solver.items())),
            ("kkt", ", ".join(f"{k} {v:.1e}" for k, v in self.kkt.items())),
            ("x", f"{x} shape {self.x.shape}"),
        ]
        return "\n".join(f"{name:>14}: {value}" for name, value in rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw the duality gap by iteration (logarithmic); returns the matplotlib axes."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        gaps = np.array([h["gap"] for h in self.history])
        ax.semilogy([h["nit"] for h in self.history], np.maximum(gaps, 1e-17), "o-")
        ax.set_xlabel("Newton iteration")
        ax.set_ylabel("relative duality gap")
        return ax


@dataclass(frozen=True, repr=False)
class LpBatchResult:
    """The outcome of :func:`minimize_lp_batch`: the fields of :class:`LpResult`, one entry per problem.

    Attributes
    ----------
    x : ndarray (B, n)
    fun, gap : ndarray (B,)
    success : ndarray (B,) of bool
    status, nit : ndarray (B,) of int
    dual : ndarray (B, m)
    time : float
        Seconds for the whole batch.
    """

    x: np.ndarray
    fun: np.ndarray
    success: np.ndarray
    status: np.ndarray
    nit: np.ndarray
    gap: np.ndarray
    dual: np.ndarray
    time: float

    def __repr__(self) -> str:
        size = len(self.fun)
        worst = float(np.max(self.gap)) if size else 0.0
        most = int(np.max(self.nit)) if size else 0
        rows = [
            ("problems", size),
            ("converged", int(np.sum(self.success))),
            ("largest gap", f"{worst:.2e}"),
            ("most nit", most),
            ("time", f"{self.time:.3g} s"),
        ]
        return "\n".join(f"{name:>14}: {value}" for name, value in rows)
