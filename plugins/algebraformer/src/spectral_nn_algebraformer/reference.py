"""What is the same for every system on n Chebyshev points: the reference operators that systems are divided by.

A collocation matrix A of a2 u'' + a1 u' + a0 u holds entries of size n^4 and 3 (n - 2) numbers of information.
Divided by a2 row by row and multiplied from the left by the inverse of L = u'' - k² u *with the boundary rows of A*,
it becomes M = I + (compact integral operator), with entries of size one and smooth rows and columns: the same
function of the coefficients at every n. Everything here is float64 NumPy, kept per n.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from spectral_nn.bvp.collocation import grid, row_basis
from spectral_nn.chebyshev import matrices
from spectral_nn.chebyshev.grid import quadrature_weights

ROWS = ("rectangular", "interior")
#: Levels of k²: one below (0) for operators without reaction, then powers of four up to where a layer of width 1/k
#: is still resolved by a few dozen points.
LEVELS = (0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
#: The smallest n with room for a reference operator, and the largest one whose n × n tables are worth keeping.
SMALLEST, LARGEST = 8, 512


@dataclass(frozen=True)
class Reference:
    """Tables for n points; make it with `reference`.

    Attributes
    ----------
    n : int
    rows : str
        Where the interior rows are collocated, see `spectral_nn.bvp.collocation`.
    x, weights : ndarray (n,)
        Grid on [-1, 1] and its quadrature weights.
    basis : ndarray (3, n - 2, n)
        Values, first and second derivatives at the row nodes.
    upsample : ndarray (n, n - 2)
        From the row nodes to the grid.
    analysis : ndarray (n, n)
        Values to Chebyshev coefficients.
    integral : ndarray (n, n)
        ``integral @ u`` is the integral of u from -1 to each grid point.
    symbol : ndarray (3, n - 2, n)
        ``sum_j symbol[k, i, j] A[i, j]`` is the coefficient of u^(k) in row i, by weighted least squares.
    ends : ndarray (2, 2, n)
        Rows of u and u' at -1, and at 1.
    inverses : dict
        k² to ``(interior (n, n - 2), homogeneous (n, 2))``, filled by `inverse`.
    """

    n: int
    rows: str
    x: np.ndarray
    weights: np.ndarray
    basis: np.ndarray
    upsample: np.ndarray
    analysis: np.ndarray
    integral: np.ndarray
    symbol: np.ndarray
    ends: np.ndarray
    inverses: dict[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def inverse(self, k2: float) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of u'' - k² u with u(-1), u(1) given: from row nodes (n, n - 2), from the two values (n, 2)."""
        if k2 not in self.inverses:
            operator = np.zeros((self.n, self.n))
            operator[0, 0] = operator[-1, -1] = 1.0
            operator[1:-1] = self.basis[2] - k2 * self.basis[0]
            full = np.linalg.inv(operator)
            self.inverses[k2] = (np.ascontiguousarray(full[:, 1:-1]), np.ascontiguousarray(full[:, [0, -1]]))
        return self.inverses[k2]


@lru_cache(maxsize=16)
def reference(n: int, rows: str = "rectangular") -> Reference:
    """The tables for n points; ValueError for an n or a kind of rows that has none."""
    if rows not in ROWS:
        raise ValueError(f"rows: expected one of {ROWS}, got {rows!r}")
    if not SMALLEST <= n <= LARGEST:
        raise ValueError(f"n: the learned solvers have tables for {SMALLEST} to {LARGEST} points, got {n}")
    basis = row_basis(n, 2, rows=rows)
    if rows == "rectangular":
        upsample = matrices.interpolation(grid(n), n - 2, kind=1)
    else:
        # the inner points of the grid: the two ends by extrapolation of the polynomial through the others
        upsample = _extrapolate_ends(grid(n))
    return Reference(
        n=n,
        rows=rows,
        x=np.asarray(grid(n)),
        weights=np.asarray(quadrature_weights(n, 2)),
        basis=basis,
        upsample=upsample,
        analysis=np.asarray(matrices.coefficients(n, kind=2)),
        integral=np.asarray(matrices.integration(n, kind=2)),
        symbol=_symbol(basis),
        ends=np.stack([[np.eye(n)[i], matrices.differentiation(n, 1, 2)[i]] for i in (0, n - 1)]),
    )


def _symbol(basis: np.ndarray) -> np.ndarray:
    """Least squares per row, each entry weighted by the reciprocal of its size in u''.

    These are the right weights for noise that is relative to the entries: all of them then count alike, and the
    noise of a2 falls with sqrt(n).
    """
    size = np.abs(basis[2])
    weight = 1.0 / (size + 1e-3 * size.max(axis=1, keepdims=True))
    design = np.moveaxis(basis, 0, -1) * weight[:, :, None]  # (n - 2, n, 3)
    scale = np.linalg.norm(design, axis=1, keepdims=True)
    pinv = np.linalg.pinv(design / scale) / np.swapaxes(scale, 1, 2)
    return np.ascontiguousarray(np.moveaxis(pinv * weight[:, None, :], 1, 0))


def _extrapolate_ends(x: np.ndarray) -> np.ndarray:
    n = len(x)
    inner = x[1:-1]
    bary = (-1.0) ** np.arange(n - 2) * (1.0 - inner**2)  # weights of the inner Chebyshev points
    out = np.zeros((n, n - 2))
    out[1:-1] = np.eye(n - 2)
    for row, end in ((0, -1.0), (-1, 1.0)):
        terms = bary / (end - inner)
        out[row] = terms / terms.sum()
    return out
