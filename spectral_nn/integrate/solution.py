"""What SciPy's users get back: `sol`, a piecewise polynomial that is called like SciPy's, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ..chebyshev.series import ChebSeries


class Solution:
    """n functions as piecewise Chebyshev series, with the methods of `scipy.interpolate.PPoly` that matter.

    Parameters
    ----------
    series : sequence of n ChebSeries

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.chebyshev import ChebSeries
    >>> from spectral_nn.integrate import Solution
    >>> sol = Solution([ChebSeries.from_function(np.sin, (0, 1)), ChebSeries.from_function(np.cos, (0, 1))])
    >>> sol(np.linspace(0, 1, 5)).shape, bool(abs(sol(0.5, 1)[0] - np.cos(0.5)) < 1e-12)
    ((2, 5), True)
    """

    def __init__(self, series: Sequence[ChebSeries]):
        self.series = tuple(series)

    @property
    def x(self) -> np.ndarray:
        """Break points of the pieces."""
        return self.series[0].breakpoints

    def __call__(self, x: Any, nu: int = 0, extrapolate: bool = True) -> np.ndarray:
        """Values, or derivatives of order nu, at x: shape (n, *x.shape). As SciPy's, it extrapolates."""
        x = np.asarray(x, dtype=float)
        return np.stack([np.asarray(s.diff(nu)(x, extrapolate=extrapolate)) for s in self.series])

    def derivative(self, nu: int = 1) -> Solution:
        """The derivative of order nu."""
        return Solution([s.diff(nu) for s in self.series])

    def antiderivative(self, nu: int = 1) -> Solution:
        """The antiderivative of order nu that vanishes at the left end."""
        series = list(self.series)
        for _ in range(nu):
            series = [s.cumsum() for s in series]
        return Solution(series)

    def integrate(self, a: float, b: float) -> np.ndarray:
        """Integrals from a to b, shape (n,)."""
        return np.array([s.integrate(a, b) for s in self.series])


class BVPResult(OptimizeResult):
    """The fields of SciPy's result; see `spectral_nn.integrate.solve_bvp`."""
