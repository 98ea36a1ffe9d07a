"""Tikhonov regularization for systems whose data carry noise of a stated level.

x minimizes ‖b − A x‖² + α ‖x‖² with rows weighed by their noise, and α such that the residual is what the
noise explains (Morozov's discrepancy principle): the classical answer that a noise-aware learned solver has
to beat.

What regularization damps is lost, and nothing in the data says how much that was: its bias is as large as the
solution where the smallest singular values carry it, as those of differential operators do. The error band
therefore is that of the unregularized solution, which has no bias to first order, plus the distance between
the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .interface import LinearSolution, Traits, matrix_of

#: Bisections of log α; each gains a bit of 52 decades.
BISECTIONS = 40
#: Half-width of the band, in standard deviations: 95 % of a normal variable, for a band that has to hold 90 % although
#: it is computed with the noisy A, to first order.
DEVIATIONS = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Tikhonov:
    """Regularized least squares by the singular value decomposition, α from the discrepancy principle.

    Without a noise level it assumes `default_noise`. `x_error` bounds noise and bias in 90 % of the entries at
    least, cautiously; where it is as large as x itself, the data do not determine x, and the slot says so.
    """

    default_noise: float = 1e-8
    name: ClassVar[str] = "tikhonov"
    traits: ClassVar[Traits] = Traits(
        summary="Tikhonov regularization, parameter by the discrepancy principle", noise=True
    )

    def factor(self, A: Any, noise: Any = None) -> Any:
        if isinstance(noise, str):
            raise ValueError(f"noise: {self.name} cannot infer the noise level from A; state it as a number")
        A = np.asarray(matrix_of(A))
        size = np.sqrt((np.abs(A) ** 2).mean(axis=1))
        weight = 1 / np.where(size > 0, size, 1.0)
        U, s, Vh = np.linalg.svd(A * weight[:, None])
        return A, weight, U, s, Vh, self.default_noise if noise is None else float(noise)

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        if b.ndim == 2:
            parts = [self.solve(state, column) for column in b.T]
            bands = np.array([part.x_error for part in parts]).T
            return LinearSolution(np.array([p.x for p in parts]).T, x_error=bands, solver=self.name)
        A, weight, U, s, Vh, sigma = state
        c = U.conj().T @ (weight * b)
        x = Vh.conj().T @ (c / np.maximum(s, s[0] * 1e-16))
        spread = np.ones_like(weight)
        low, high = np.log(s[0] ** 2) - 2 * 36.0, np.log(s[0] ** 2) + 6.0
        for _ in range(2):  # the noise of A depends on x: once from a damped guess, once more
            x = Vh.conj().T @ (s * c / (s**2 + (sigma * s[0]) ** 2)) if _ == 0 else x
            spread = weight * sigma * np.sqrt(np.abs(A) ** 2 @ np.abs(x) ** 2 + np.abs(b).max() ** 2)
            target = float((spread**2).sum())
            a, z = low, high
            for _ in range(BISECTIONS):
                alpha = np.exp(0.5 * (a + z))
                misfit = float((np.abs(alpha / (s**2 + alpha) * c) ** 2).sum())
                a, z = (0.5 * (a + z), z) if misfit < target else (a, 0.5 * (a + z))
            x = Vh.conj().T @ (s / (s**2 + alpha) * c)
        divisor = np.maximum(s, s[0] * 1e-16)
        plain = Vh.conj().T @ (c / divisor)
        larger = plain if np.abs(plain).max() > np.abs(x).max() else x
        spread = weight * sigma * np.sqrt(np.abs(A) ** 2 @ np.abs(larger) ** 2 + np.abs(b).max() ** 2)
        inverse = (Vh.conj().T / divisor) @ U.conj().T
        band = np.abs(plain - x) + DEVIATIONS * np.sqrt(np.abs(inverse) ** 2 @ spread**2)
        return LinearSolution(x, x_error=band, solver=self.name, noise=sigma)
