"""What an eigenvalue computation returns, and how far each eigenpair can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class EigStatus(IntEnum):
    """How an eigenvalue computation ended; ``.sentence`` says it in words and ends in what to try."""

    CONVERGED = 0
    ROUNDING = 1
    NOT_RESOLVED = 2
    TOO_FEW = 3

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    EigStatus.CONVERGED: "All eigenvalues have settled and their residuals are within tol.",
    EigStatus.ROUNDING: (
        "Some eigenvalues are so ill-conditioned that rounding, not resolution, limits them: errors says how "
        "far to trust each. For success take a larger tol, or fewer eigenvalues."
    ),
    EigStatus.NOT_RESOLVED: (
        "Some eigenvalues had not settled at the resolution limit. Raise max_n, name breakpoints=, take a "
        "smaller k, or another sigma or which (only a compact operator has a largest eigenvalue)."
    ),
    EigStatus.TOO_FEW: (
        "Fewer eigenvalues settled than were asked for: there may be no more. "
        "Take a smaller k, or raise max_n."
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class EigResult:
    """Eigenvalues and eigenfunctions, with how far each can be trusted.

    Attributes
    ----------
    eigenvalues : ndarray (k,)
        Best first in the sense of `which`; real if the computation says so.
    eigenfunctions : tuple of k ChebSeries, or of k tuples of m for a system
        Scaled so that ``∫ Σ |u_j|² dx = 1`` and positive (real part) where they first reach a tenth of their
        maximum.
    residuals : ndarray (k,)
        ``max |op(u) − λ B(u)|`` between the nodes, over the largest sum of the sizes of its terms.
    bc_residuals : ndarray (k,)
        Residual of the conditions, relative to the terms in them.
    errors : ndarray (k,)
        Change of each eigenvalue from the last discretization but one to the last.
    success : bool
        Whether k eigenvalues settled, with residuals within tol. Where rounding limits the eigenvalues
        (status ROUNDING), a relative change up to 100 tol is accepted.
    status : EigStatus
    message : str
        What happened and, if it did not succeed, what to try.
    n : int
        Points of the last discretization.
    names : tuple of str
        Names of the unknowns.
    """

    eigenvalues: np.ndarray
    eigenfunctions: tuple
    residuals: np.ndarray
    bc_residuals: np.ndarray
    errors: np.ndarray
    success: bool
    status: EigStatus
    message: str
    n: int
    mesh: np.ndarray
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.eigenvalues)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """The spectrum in the complex plane, or for real eigenvalues the eigenfunctions at their height.

        Keywords go to `Axes.plot`. Returns the Axes, shows nothing.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        values = self.eigenvalues
        if np.iscomplexobj(values):
            ax.plot(values.real, values.imag, **{"marker": "o", "linestyle": "none", **kwargs})
            ax.set(xlabel="Re λ", ylabel="Im λ")
            return ax
        x = np.linspace(self.mesh[0], self.mesh[-1], 800)
        gap = np.diff(np.sort(values)).mean() if values.size > 1 else 1.0
        for value, u in zip(values, self.eigenfunctions, strict=True):
            y = np.real((u[0] if isinstance(u, tuple) else u)(x))
            ax.plot(x, value + 0.5 * gap * y / (np.abs(y).max() or 1.0), **kwargs)
        ax.set(xlabel="x", ylabel="λ")
        return ax

    def __repr__(self) -> str:
        rows = [("success", f"{self.success}  ({self.status.name})"), ("message", self.message),
                ("n", f"{self.n} points, {self.mesh.size - 1} elements")]  # fmt: skip
        lines = [f"{name:>9}: {text}" for name, text in rows]
        lines.append(f"{'eigenvalue':>26}   {'change':>8}   {'residual':>8}")
        for value, error, residual in zip(self.eigenvalues, self.errors, self.residuals, strict=True):
            lines.append(f"{value:>26.14g}   {error:8.1e}   {residual:8.1e}")
        return "\n".join(lines)
