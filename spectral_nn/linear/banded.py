"""Banded matrices in LAPACK's storage, and their LU with partial pivoting (gbtrf, gbtrs), O(n l (l + u))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import lapack

from .interface import LinearSolution, Traits, matrix_of


@dataclass(frozen=True, slots=True, eq=False)
class Banded:
    """A square banded matrix by its diagonals.

    Parameters
    ----------
    ab : ndarray (l + u + 1, n)
        ``ab[u + i - j, j] = A[i, j]``, as in `scipy.linalg.solve_banded`.
    lower, upper : int
        Numbers l and u of diagonals below and above the main one.

    Examples
    --------
    >>> import numpy as np
    >>> A = Banded(np.array([[0.0, 1, 1], [2, 2, 2], [1, 1, 0]]), 1, 1)
    >>> A @ np.ones(3)
    array([3., 4., 3.])
    """

    ab: np.ndarray
    lower: int
    upper: int
    structure: ClassVar[str] = "banded"

    def __post_init__(self) -> None:
        if self.ab.ndim != 2 or self.ab.shape[0] != self.lower + self.upper + 1:
            raise ValueError(
                f"ab: expected shape (lower + upper + 1, n) = ({self.lower + self.upper + 1}, n), "
                f"got {self.ab.shape}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        return self.ab.shape[1], self.ab.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.ab.dtype

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        """A x for x (n,) or (n, k)."""
        n = self.ab.shape[1]
        y = np.zeros(x.shape, np.result_type(self.ab, x))
        for d in range(-self.lower, self.upper + 1):  # d = column - row; few diagonals, long vectors
            rows, columns = slice(max(0, -d), min(n, n - d)), slice(max(0, d), min(n, n + d))
            diagonal = self.ab[self.upper - d, columns]
            y[rows] += diagonal * x[columns] if x.ndim == 1 else diagonal[:, None] * x[columns]
        return y

    def row_sums(self) -> np.ndarray:
        """Σ_j |A_ij|, (n,)."""
        return Banded(np.abs(self.ab), self.lower, self.upper) @ np.ones(self.ab.shape[1])

    def toarray(self) -> np.ndarray:
        n = self.ab.shape[1]
        A = np.zeros((n, n), self.ab.dtype)
        for d in range(-self.lower, self.upper + 1):
            i = np.arange(max(0, -d), min(n, n - d))
            A[i, i + d] = self.ab[self.upper - d, i + d]
        return A

    @classmethod
    def from_matrix(cls, A: Any) -> Banded:
        """The band of a dense or scipy.sparse matrix: as wide as its non-zeros."""
        if isinstance(A, cls):
            return A
        if isinstance(A, np.ndarray):
            i, j = np.nonzero(A)
            values = A[i, j]
        else:
            coo = A.tocoo(copy=False) if hasattr(A, "tocoo") else None
            if coo is None:
                return cls.from_matrix(A.toarray())
            coo.sum_duplicates()
            i, j, values = coo.row, coo.col, coo.data
        lower = int(max(0, (i - j).max(initial=0)))
        upper = int(max(0, (j - i).max(initial=0)))
        ab = np.zeros((lower + upper + 1, A.shape[0]), np.result_type(A.dtype, np.float64))
        ab[upper + i - j, j] = values
        return cls(ab, lower, upper)


@dataclass(frozen=True, slots=True)
class BandedLU:
    """LU of a banded matrix with row interchanges; the factors are kept for further right-hand sides.

    Dense and sparse matrices are taken too: their band is found first.
    """

    name: ClassVar[str] = "banded"
    traits: ClassVar[Traits] = Traits(
        summary="LAPACK banded LU with partial pivoting",
        structures=("banded", "dense", "sparse"),
        exact=True,
    )

    def factor(self, A: Any) -> Any:
        """A is a `Banded`, or a dense or sparse matrix; a singular one raises LinAlgError."""
        band = Banded.from_matrix(matrix_of(A))
        lower, n = band.lower, band.shape[0]
        is_complex = np.iscomplexobj(band.ab)
        work = np.zeros(
            (2 * lower + band.upper + 1, n), np.complex128 if is_complex else np.float64, order="F"
        )
        work[lower:] = band.ab
        trf = lapack.zgbtrf if is_complex else lapack.dgbtrf
        lu, pivots, info = trf(work, lower, band.upper, overwrite_ab=True)
        if info > 0:
            raise np.linalg.LinAlgError(f"A is singular: pivot {info} of {n} is zero")
        return lu, lower, band.upper, pivots, is_complex

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        lu, lower, upper, pivots, is_complex = state
        if np.iscomplexobj(b) and not is_complex:
            x = self.solve(state, b.real).x + 1j * self.solve(state, b.imag).x
        else:
            trs = lapack.zgbtrs if is_complex else lapack.dgbtrs
            x, _ = trs(lu, lower, upper, b, pivots)
        return LinearSolution(x, solver=self.name)
