"""Functions on an interval: Chebyshev grids, transforms, matrices, piecewise series.  Knows no equations."""

from __future__ import annotations

from . import grid, matrices, transform, ultraspherical
from .series import ChebSeries

__all__ = ["ChebSeries", "grid", "matrices", "transform", "ultraspherical"]
