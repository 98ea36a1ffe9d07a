"""Almost banded matrices: K dense rows above a band, and their QR factorization in O(n).

    [ x x x x x x x x x ]   K dense rows: the conditions
    [ x x x x x x x x x ]
    [ x x x x           ]   band: `lower` diagonals below the main one, `upper` above
    [   x x x x         ]
    [     x x x x       ]

Householder reflections fill the rows of R to their full length, but what lies right of the band is a
combination of the K dense rows, so that K numbers per row hold it.  Source: Olver & Townsend, A fast and
well-conditioned spectral method, SIAM Review 55 (2013), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .interface import LinearSolution, LinearStatus, Traits, matrix_of

EPS = float(np.finfo(float).eps)
# The answer to a right-hand side of the size of the rows may not be larger than this: rounding in A alone
# then changes it by some percent.
LARGEST_GROWTH = 0.02 / EPS
RANDOM = np.random.default_rng(0).uniform(-1.0, 1.0, 4999)


@dataclass(frozen=True, slots=True)
class AlmostBanded:
    """A square matrix of K dense rows above a band.

    Parameters
    ----------
    top : ndarray (K, n)
        The dense rows; K may be 0.
    band : ndarray (n - K, lower + upper + 1)
        Row r of the matrix, r >= K, by its entries: ``band[r - K, t] = A[r, r - lower + t]``.  What falls
        outside the matrix is not looked at.
    lower : int
        Number of diagonals below the main one.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.linear.almost_banded import AlmostBanded
    >>> AlmostBanded(np.ones((1, 4)), np.tile([1.0, 5.0], (3, 1)), 1).toarray()
    array([[1., 1., 1., 1.],
           [1., 5., 0., 0.],
           [0., 1., 5., 0.],
           [0., 0., 1., 5.]])
    """

    top: np.ndarray
    band: np.ndarray
    lower: int
    structure: ClassVar[str] = "almost_banded"

    def __post_init__(self) -> None:
        if self.top.ndim != 2 or self.band.ndim != 2 or len(self.top) + len(self.band) != self.top.shape[1]:
            raise ValueError(
                f"band: expected n - K = {self.top.shape[-1] - len(self.top)} rows beside a top of shape "
                f"{self.top.shape}, got shape {self.band.shape}"
            )
        if not 0 <= self.lower < self.band.shape[1]:
            raise ValueError(
                f"lower: expected 0 to {self.band.shape[1] - 1} (the band's width), got {self.lower}"
            )
        dtype = np.result_type(self.top, self.band, float)
        for name in ("top", "band"):  # the kernels take one dtype, row by row
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))

    @property
    def upper(self) -> int:
        """Number of diagonals above the main one."""
        return self.band.shape[1] - 1 - self.lower

    @property
    def shape(self) -> tuple[int, int]:
        n = self.top.shape[1]
        return n, n

    @property
    def dtype(self) -> np.dtype:
        return self.band.dtype

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        """A x for x (n,) or (n, k)."""
        from .almost_banded_kernels import multiply

        x = np.asarray(x)
        if x.shape[:1] != self.shape[:1]:
            raise ValueError(f"x: expected {self.shape[0]} rows, got shape {x.shape}")
        columns = np.atleast_2d(x.T).astype(np.result_type(self.dtype, x), order="C", copy=False)
        out = np.empty_like(columns)
        for column, y in zip(columns, out, strict=True):
            multiply(self.top, self.band, self.lower, column, y)
        return out.T.reshape(x.shape)

    def row_sums(self) -> np.ndarray:
        """Σ_j |A_ij|, (n,)."""
        from .almost_banded_kernels import row_sums

        out = np.empty(self.shape[0])
        row_sums(self.top, self.band, self.lower, out)
        return out

    def norm(self) -> float:
        """The infinity norm: the largest row sum."""
        return float(self.row_sums().max())

    def toarray(self) -> np.ndarray:
        """The matrix with its zeros, (n, n)."""
        dense, n = self.top.shape
        A = np.zeros((n, n), self.dtype)
        A[:dense] = self.top
        row, t = np.meshgrid(np.arange(dense, n), np.arange(self.band.shape[1]), indexing="ij")
        column = row - self.lower + t
        inside = (column >= 0) & (column < n)
        A[row[inside], column[inside]] = self.band[inside]
        return A


@dataclass(frozen=True, slots=True)
class AlmostBandedQR:
    """QR of an `AlmostBanded` matrix by Householder reflections, O(n (lower + K)(lower + upper + K)).

    A singular matrix gives status SINGULAR (an exactly zero pivot: LinAlgError).
    """

    name: ClassVar[str] = "almost_banded"
    traits: ClassVar[Traits] = Traits(
        summary="QR of a band below dense rows, O(n)", structures=("almost_banded",), exact=True
    )

    def factor(self, A: Any) -> Any:
        """A is an `AlmostBanded` (or a LinearSystem of one)."""
        matrix = matrix_of(A)
        if not isinstance(matrix, AlmostBanded):
            raise ValueError(f"A: almost_banded takes an AlmostBanded matrix, got {type(matrix).__name__}")
        return AlmostBandedFactors(matrix)

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        x = state.solve(b)
        if state.warning:
            return LinearSolution(x, status=LinearStatus.SINGULAR, message=state.warning, solver=self.name)
        return LinearSolution(x, solver=self.name)


def random_side(n: int) -> np.ndarray:
    """A right-hand side without a pattern, entries in [-1, 1], the same at every call."""
    return RANDOM[:n] if n <= RANDOM.size else np.resize(RANDOM, n)


class AlmostBandedFactors:
    """R by window and fill, Q by its reflections; see the kernels for the layout."""

    __slots__ = ("work", "fill", "tau", "top", "l", "u", "warning")

    def __init__(self, A: AlmostBanded) -> None:
        from . import almost_banded_kernels as kernels

        dense, n = A.top.shape
        self.top = A.top
        # the dense rows, too, are to be eliminated below the diagonal
        self.l, self.u = max(A.lower, dense - 1), A.upper
        self.work = np.empty((n, 2 * self.l + self.u + 1), A.dtype)
        self.fill = np.empty((n, dense), A.dtype)
        self.tau = np.empty(n)
        kernels.load_rows(A.top, A.band, dense, A.lower, self.work, self.fill, self.l, 0, n)
        zero = kernels.eliminate(self.work, self.fill, self.top, self.tau, self.l, self.u, 0, n)
        if zero >= 0:
            raise np.linalg.LinAlgError(f"A is singular: column {zero} depends on the columns before it")
        self.warning = self._condition_warning(A)

    def solve(self, b: np.ndarray) -> np.ndarray:
        """x of the shape of b, (n,) or (n, k)."""
        from . import almost_banded_kernels as kernels

        b = np.asarray(b)
        dtype = self.work.dtype
        if b.dtype.kind == "c" and dtype.kind != "c":
            return self.solve(b.real) + 1j * self.solve(b.imag)
        columns = np.array(b.T, dtype=dtype, order="C", ndmin=2)
        for x in columns:
            kernels.rotate(self.work, self.tau, x, self.l, 0, x.size)
            kernels.back_substitute(self.work, self.fill, self.top, x, self.l, self.u, x.size)
        return columns.T.reshape(b.shape)

    def _condition_warning(self, A: AlmostBanded) -> str:
        """Words if A is singular to working precision.

        No pivot need be small for that: what two dense rows have in common fades away along the band.  One
        more solve with a random right-hand side finds out.
        """
        # dense rows of derivatives grow along the row: they are weighed by their beginning
        size = A.row_sums()
        if len(self.top):
            size[: len(self.top)] = np.abs(self.top[:, : 2 * A.band.shape[1]]).max(axis=1)
        size *= random_side(size.size)
        growth = float(np.abs(self.solve(size)).max(initial=0.0))
        if growth < LARGEST_GROWTH:
            return ""
        return f"A is singular to working precision (reciprocal condition {1 / growth:.1e}, rows scaled)."
