"""Almost block diagonal matrices: what a mesh of elements makes, and their elimination in one pass.

              z_0   w_0   z_1   w_1   z_2
    left    [  x                           ]      q rows
    block 0 [  x     x     x               ]      R rows
    block 1 [              x     x     x   ]      R rows
    right   [                          x   ]      S - q rows

S states z between the elements, R - S inner unknowns w in each. Pivoting goes over all rows that reach a column, so
growing and decaying solutions of a boundary value problem are both kept in check (as in C. de Boor, R. Weiss,
"SOLVEBLOK", ACM TOMS 6 (1980), 80-87).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from .interface import LinearSolution, Traits

LAPACK_FROM = 160
"""Rows of a block from which LAPACK's blocked elimination beats the plain loop."""


@dataclass(frozen=True)
class AlmostBlockDiagonal:
    """An almost block diagonal matrix.

    Parameters
    ----------
    left : ndarray (q, S)
        Rows on the first state.
    blocks : ndarray (E, R, C), C = R + S
        Rows of each element on its left state, its inner unknowns and its right state.
    right : ndarray (S - q, S)
        Rows on the last state.
    """

    left: np.ndarray
    blocks: np.ndarray
    right: np.ndarray
    structure = "block"

    @property
    def shape(self) -> tuple[int, int]:
        E, R, _ = self.blocks.shape
        n = E * R + self.left.shape[1]
        return n, n

    @property
    def dtype(self) -> np.dtype:
        return self.blocks.dtype

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        from . import block_kernels

        x = np.asarray(x, dtype=np.result_type(self.dtype, x))
        columns = np.ascontiguousarray(x.reshape(x.shape[0], -1))
        y = np.empty_like(columns)
        block_kernels.matvec(self.left, self.blocks, self.right, columns, y)
        return y.reshape(x.shape)

    def row_sums(self) -> np.ndarray:
        """Σ_j |A_ij|, shape (n,)."""
        return np.concatenate([np.abs(p).sum(axis=-1).ravel() for p in (self.left, self.blocks, self.right)])

    def norm(self) -> float:
        """The infinity norm: the largest row sum."""
        return float(self.row_sums().max())

    def toarray(self) -> np.ndarray:
        """The matrix with its zeros, (n, n)."""
        E, R, C = self.blocks.shape
        q, S = self.left.shape
        A = np.zeros(self.shape, dtype=self.dtype)
        A[:q, :S] = self.left
        for e in range(E):
            A[q + e * R : q + (e + 1) * R, e * R : e * R + C] = self.blocks[e]
        A[q + E * R :, E * R :] = self.right
        return A


@dataclass
class _Factors:
    work: np.ndarray
    pivots: np.ndarray
    last: np.ndarray
    last_pivots: np.ndarray
    q: int
    bad: int


class BlockLU:
    """Gaussian elimination with partial pivoting along the blocks: O(E R³) work, for almost block diagonal matrices."""

    name = "block"
    traits = Traits(
        summary="elimination along almost block diagonal matrices, O(n)", structures=("block",), exact=True
    )

    def factor(self, system: Any) -> _Factors:
        """Factor an `AlmostBlockDiagonal` (or a LinearSystem of one)."""
        A = getattr(system, "A", system)
        if not isinstance(A, AlmostBlockDiagonal):
            raise TypeError(f"block: expected an AlmostBlockDiagonal matrix, got {type(A).__name__}")
        (E, R, C), (q, S) = A.blocks.shape, A.left.shape
        f = _Factors(
            np.empty((E, q + R, C), A.dtype),
            np.empty((E, R), np.int64),
            np.empty((S, S), A.dtype),
            np.empty(S, np.int64),
            q,
            -1,
        )
        if R < LAPACK_FROM:
            from . import block_kernels

            f.bad = block_kernels.factor(A.left, A.blocks, A.right, f.work, f.pivots, f.last, f.last_pivots)
        else:
            f.bad = _factor_large(A, f)
        if f.bad >= 0:
            raise np.linalg.LinAlgError(f"zero pivot in block {f.bad} of {E}")
        return f

    def solve(self, state: _Factors, b: np.ndarray) -> LinearSolution:
        """Solve for b (n,) or (n, k)."""
        from . import block_kernels

        b = np.asarray(b, dtype=np.result_type(state.work.dtype, b))
        columns = np.ascontiguousarray(b.reshape(b.shape[0], -1))
        work = state.work if state.work.dtype == b.dtype else state.work.astype(b.dtype)
        last = state.last if state.last.dtype == b.dtype else state.last.astype(b.dtype)
        x = np.empty_like(columns)
        block_kernels.solve(work, state.pivots, last, state.last_pivots, state.q, columns, x)
        return LinearSolution(x.reshape(b.shape), solver=self.name)


def _factor_large(A: AlmostBlockDiagonal, f: _Factors) -> int:
    """The same elimination by LAPACK: a Python loop over elements is nothing beside blocks of this size."""
    (getrf,) = get_lapack_funcs(("getrf",), (A.blocks,))
    (E, R, C), (q, S) = A.blocks.shape, A.left.shape
    carry, bad = A.left, -1
    for e in range(E):
        rows = np.zeros((q + R, C), A.dtype, order="F")
        rows[:q, :S], rows[q:] = carry, A.blocks[e]
        # LAPACK factors the leading columns; the rest follows by a triangular solve and one product.
        lu, pivots, info = getrf(rows[:, :R], overwrite_a=0)
        rest = rows[:, R:]
        for k, at in enumerate(pivots[:R]):
            if at != k:
                rest[[k, at]] = rest[[at, k]]
        (trsm,) = _blas_trsm(A.dtype)
        top = trsm(1.0, lu[:R], rest[:R], lower=1, diag=1)
        carry = rest[R:] - lu[R:] @ top
        f.work[e, :, :R], f.work[e, :R, R:], f.work[e, R:, R:] = lu, top, carry
        f.pivots[e] = pivots[:R]
        bad = e if info != 0 and bad < 0 else bad
    last = np.concatenate([carry, A.right])
    f.last[:], f.last_pivots[:], info = getrf(last)
    return E if info != 0 and bad < 0 else bad


def _blas_trsm(dtype: np.dtype) -> Any:
    from scipy.linalg import get_blas_funcs

    return get_blas_funcs(("trsm",), dtype=dtype)
