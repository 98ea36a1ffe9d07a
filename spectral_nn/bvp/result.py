"""What a solve returns: the solution, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chebyshev.series import ChebSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Status(IntEnum):
    """How a solve ended; ``.sentence`` says it in words and ends in what to try."""

    SOLVED = 0
    ROUNDING = 1
    NOT_RESOLVED = 2
    NOT_CONVERGED = 3
    SINGULAR = 4
    NOT_FINITE = 5
    ITERATION_LIMIT = 6
    ILL_CONDITIONED = 7
    CONDITIONS_NOT_MET = 8

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Status.SOLVED: "The residual between the nodes and the conditions are within tol.",
    Status.ROUNDING: (
        "Rounding, not resolution, limits the residual: refining the mesh no longer lowers it. Take a tol above "
        "the residual reported, or scale the problem."
    ),
    Status.NOT_RESOLVED: (
        "The resolution limit was reached before the residual fell to tol: the solution may not be smooth, or may "
        "not exist. Raise max_n, name breakpoints=, or take a larger tol."
    ),
    Status.NOT_CONVERGED: (
        "Newton's method found no step that brings it closer: there may be no solution near the guess, or none. "
        "Give guess= (an earlier result will do), or follow a parameter with continuation()."
    ),
    Status.SINGULAR: (
        "The linearized problem is singular: its conditions do not determine the solution (a free constant, an "
        "eigenvalue, a fold), or contradict each other. Change or add a condition, or give another guess=."
    ),
    Status.NOT_FINITE: (
        "The equation is not finite at the guess. Give a guess= for which every term is defined, or multiply "
        "the equation through by what vanishes."
    ),
    Status.ITERATION_LIMIT: (
        "Newton's method did not converge within max_iter iterations. Raise max_iter, or give a better guess=."
    ),
    Status.ILL_CONDITIONED: (
        "The problem amplifies residuals and rounding so much that the solution may be wrong beyond tol. See condition; "
        "fix what is free to shift by a condition, restate the conditions, or take a smaller tol."
    ),
    Status.CONDITIONS_NOT_MET: (
        "The equations are satisfied, but the conditions are not within bc_tol: they may contradict each "
        "other. Check lbc, rbc and bc."
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class BVPResult:
    """The solution of a boundary value problem with its certificate.

    Calling it evaluates: ``result(x)`` has the shape of x for one unknown and (m, *x.shape) for m unknowns;
    ``result(x, k)`` is the k-th derivative.

    Attributes
    ----------
    success : bool
        Whether `residual` is within tol at both sets of points and `bc_residual` within bc_tol.
    status : Status
    message : str
        What happened and, if it did not succeed, what to try.
    u : tuple of ChebSeries
        One piecewise Chebyshev series per unknown.
    params : dict
        Values found for the unknown scalars.
    residual : float
        Largest relative residual of the equations between the nodes (see `spectral_nn.solve_bvp` for the norm).
    residuals : tuple of two floats
        The same on each of the two sets of points.
    bc_residual : float
        Largest residual of a condition, relative to its terms.
    error_estimate : float
        Estimate of max |error| / (1 + max |u|): the residual times `condition`.
    condition : float
        How much the problem amplifies a relative residual, estimated with the final factors.
    nit : int
        Newton iterations, on all meshes.
    n : int
        Points in all.
    mesh : ndarray
        Breakpoints of the elements, (E + 1,).
    linear_solver : str
        Who solved the linear systems, how often it was refined, how often another one took over, and why it did so
        for the first time.
    linear_stats : dict
        The same as numbers: ``solver, solves, refinements, fell_back`` and, if it fell back, ``cause``.
    method : str
        The discretization.
    time : float
        Seconds.
    history : tuple
        One record for each Newton step: iteration, step norm, damping, contraction, n.
    """

    success: bool
    status: Status
    message: str
    u: tuple[ChebSeries, ...]
    params: dict[str, Any]
    residual: float
    bc_residual: float
    nit: int
    n: int
    mesh: np.ndarray
    residuals: tuple[float, float] = (float("nan"), float("nan"))
    error_estimate: float = float("nan")
    condition: float = float("nan")
    linear_solver: str = ""
    linear_stats: dict[str, Any] = field(default_factory=dict)
    method: str = "mesh"
    time: float = 0.0
    names: tuple[str, ...] = ()
    history: tuple = field(default=())
    state: Any = None

    @property
    def domain(self) -> tuple[float, float]:
        """The interval."""
        return float(self.mesh[0]), float(self.mesh[-1])

    def __call__(self, x: Any, k: int = 0) -> Any:
        x = np.asarray(x)
        if x.dtype.kind not in "biuf":
            raise TypeError(f"x: expected real numbers, got dtype {x.dtype}")
        values = [s(x, k) for s in self.u]
        return values[0] if len(values) == 1 else np.stack(values)

    def __len__(self) -> int:
        return len(self.u)

    def plot(self, ax: Axes | None = None, k: int = 0, **kwargs: Any) -> Axes:
        """Plot every unknown (or its k-th derivative) over the domain; returns the Axes."""
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        x = self._sample()
        for name, series in zip(self.names, self.u, strict=True):
            y = series(x, k)
            label = name + "'" * k
            if np.iscomplexobj(y):
                ax.plot(x, y.real, **{"label": f"Re {label}", **kwargs})
                ax.plot(x, y.imag, **{"label": f"Im {label}", "linestyle": "--", **kwargs})
            else:
                ax.plot(x, y, **{"label": label, **kwargs})
        ax.set_xlabel("x")
        ax.legend()
        return ax

    def plot_coefficients(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Plot the decay of the Chebyshev coefficients of every unknown; returns the Axes."""
        for series in self.u:
            ax = series.plot_coefficients(ax=ax, **kwargs)
        assert ax is not None
        return ax

    def _sample(self) -> np.ndarray:
        """Points for plots: as dense as the elements."""
        s = np.linspace(0.0, 1.0, max(8, 1200 // (self.mesh.size - 1)), endpoint=False)
        return np.append((self.mesh[:-1, None] + np.diff(self.mesh)[:, None] * s).ravel(), self.mesh[-1])

    def __repr__(self) -> str:
        params = ", ".join(f"{k} = {v:.15g}" for k, v in self.params.items())
        rows = [
            ("success", f"{self.success}  ({self.status.name})"),
            ("message", self.message),
            ("residual", f"{self.residual:.1e}  (equations, between the nodes)"),
            ("bc_residual", f"{self.bc_residual:.1e}"),
            ("error_estimate", f"{self.error_estimate:.1e}" if np.isfinite(self.error_estimate) else ""),
            ("params", params),
            ("n", f"{self.n} points, {self.mesh.size - 1} elements"),
            ("nit", f"{self.nit}"),
            ("linear_solver", self.linear_solver),
            ("time", f"{1e3 * self.time:.2f} ms"),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:>{width}}: {text}" for name, text in rows if text)
