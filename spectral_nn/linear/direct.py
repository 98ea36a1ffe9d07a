"""Direct solvers on LAPACK: LU, column-pivoted QR, Cholesky, substitution; LU also of sparse matrices and of
batches.

LU is taken of the transpose, Aᵀ = P L U with row interchanges of Aᵀ, that is column interchanges of A. LAPACK
then reads NumPy's row-major array without a transposing copy, and the elimination does not depend on how the
rows are scaled: a collocation matrix has rows of size n⁴ beside boundary rows of size 1, and the small ones
must not drown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from .banded import Banded, BandedLU
from .interface import ItemReports, LinearSolution, LinearStatus, Traits, matrix_of, structure_of

EPS = float(np.finfo(float).eps)
#: A pivot this small against its row makes LU look closer (at a cost of n²) whether A is singular.
SUSPICIOUS_PIVOT = 1e-11
#: Below this n a batch is factored by our own kernel, in parallel; above, LAPACK's blocking wins per matrix.
BATCH_KERNEL_MAX_SIZE = 80
#: Multiplications in a batch (B n³) from which waking threads, some 20 µs, pays.
THREADS_FROM = 500_000


@dataclass(frozen=True, slots=True)
class LU:
    """Gaussian elimination with partial pivoting; O(n³) once, O(n²) per right-hand side.

    Dense, sparse (SuperLU) and banded (LAPACK) matrices, and batches (B, n, n). A matrix that is singular to
    working precision, whatever its row scaling, gives status SINGULAR (an exactly zero pivot: LinAlgError).
    """

    name: ClassVar[str] = "lu"
    traits: ClassVar[Traits] = Traits(
        summary="LU with partial pivoting: dense, sparse, banded, batched",
        structures=("dense", "sparse", "banded"),
        batched=True,
        exact=True,
    )

    def factor(self, A: Any) -> Any:
        A = matrix_of(A)
        structure = structure_of(A)
        if structure == "sparse":
            return _SparseLU(A)
        if structure == "banded":
            return _BandedState(A)
        if structure != "dense":
            A = A.toarray()
        return _DenseLU(A) if A.ndim == 2 else _BatchLU(A)

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        return state.solve(b)


@dataclass(frozen=True, slots=True)
class QR:
    """Column-pivoted QR of the row-equilibrated matrix; finds the numerical rank r.

    If r < n the answer is the minimum-norm least-squares solution, in the norm that weighs each row by its
    largest entry; the message says so. About three times the work of LU.
    """

    rank_tolerance: float | None = None
    name: ClassVar[str] = "qr"
    traits: ClassVar[Traits] = Traits(
        summary="rank-revealing QR; minimum-norm least squares if A is singular", exact=True
    )

    def factor(self, A: Any) -> Any:
        A = np.asarray(matrix_of(A))
        n = A.shape[-1]
        scale = _row_scale(A)
        Q, R, columns = linalg.qr(A * scale[:, None], pivoting=True, check_finite=False)
        diagonal = np.abs(np.diagonal(R))
        tolerance = n * EPS if self.rank_tolerance is None else self.rank_tolerance
        rank = int(np.count_nonzero(diagonal > tolerance * diagonal[0])) if n else 0
        Z = None
        if rank < n:  # R[:r] = Tᴴ Zᴴ: the complete orthogonal decomposition
            Z, T = linalg.qr(R[:rank].conj().T, mode="economic", check_finite=False)
            R = T.conj().T
        return Q[:, :rank], R, Z, columns, scale, rank

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        Q, R, Z, columns, scale, rank = state
        c = Q.conj().T @ (b * (scale if b.ndim == 1 else scale[:, None]))
        y = linalg.solve_triangular(R, c, lower=Z is not None, check_finite=False)
        if Z is not None:
            y = Z @ y
        x = np.empty_like(y)
        x[columns] = y
        if Z is None:
            return LinearSolution(x, solver=self.name)
        message = (
            f"A has numerical rank {rank} of {len(columns)}; x is the minimum-norm least-squares solution."
        )
        return LinearSolution(x, message=message, solver=self.name)


@dataclass(frozen=True, slots=True)
class Cholesky:
    """Cholesky factorization, for symmetric (Hermitian) positive definite A: half the work of LU.

    The lower triangle is read. A matrix that is not positive definite raises LinAlgError.
    """

    name: ClassVar[str] = "cholesky"
    traits: ClassVar[Traits] = Traits(
        summary="Cholesky, for symmetric positive definite A", exact=True, needs_spd=True
    )

    def factor(self, A: Any) -> Any:
        A = np.asarray(matrix_of(A))
        is_complex = np.iscomplexobj(A)
        trf = lapack.zpotrf if is_complex else lapack.dpotrf
        # The upper triangle of Aᵀ is the lower one of A, read without a transposing copy.
        c, info = trf(A.T, lower=0, clean=0)
        if info > 0:
            raise np.linalg.LinAlgError(
                f"A is not positive definite: the leading minor of order {info} is not"
            )
        return c, is_complex

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        c, is_complex = state
        if is_complex:  # c factors Aᵀ = conj(A)
            x = np.conj(lapack.zpotrs(c, np.conj(b), lower=0)[0])
        elif np.iscomplexobj(b):
            x = self.solve(state, b.real).x + 1j * self.solve(state, b.imag).x
        else:
            x, _ = lapack.dpotrs(c, b, lower=0)
        return LinearSolution(x, solver=self.name)


@dataclass(frozen=True, slots=True)
class Triangular:
    """Substitution for a triangular A, upper or lower, whichever it is; O(n²)."""

    name: ClassVar[str] = "triangular"
    traits: ClassVar[Traits] = Traits(summary="substitution, for triangular A", exact=True)

    def factor(self, A: Any) -> Any:
        A = np.asarray(matrix_of(A))
        lower = not np.triu(A, 1).any()
        if not lower and np.tril(A, -1).any():
            raise ValueError("A: expected a triangular matrix, got entries on both sides of the diagonal")
        zeros = np.flatnonzero(A.diagonal() == 0)
        if zeros.size:
            raise np.linalg.LinAlgError(f"A is singular: A[{zeros[0]}, {zeros[0]}] is zero")
        return A, lower

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        A, lower = state
        return LinearSolution(
            linalg.solve_triangular(A, b, lower=lower, check_finite=False), solver=self.name
        )


class _DenseLU:
    """Factors of one dense matrix."""

    __slots__ = ("lu", "pivots", "trs", "is_complex", "warning")

    def __init__(self, A: np.ndarray) -> None:
        self.is_complex = A.dtype.kind == "c"
        trf, self.trs = (lapack.zgetrf, lapack.zgetrs) if self.is_complex else (lapack.dgetrf, lapack.dgetrs)
        self.lu, self.pivots, info = trf(A.T)
        if info > 0:
            raise np.linalg.LinAlgError(
                f"A is singular: row {info - 1} depends on the rows above it (exactly zero pivot)"
            )
        self.warning = ""
        rows = np.maximum.reduce(np.abs(A), axis=1)
        if (np.abs(self.lu.diagonal()) <= SUSPICIOUS_PIVOT * rows).any():
            rcond = 1 / _inverse_norm(self._solve, rows, self.is_complex)
            if not rcond > EPS:
                self.warning = (
                    f"A is singular to working precision (reciprocal condition {rcond:.1e}, rows scaled)."
                )

    def solve(self, b: np.ndarray) -> LinearSolution:
        x = self._solve(b)
        if self.warning:
            return LinearSolution(x, status=LinearStatus.SINGULAR, message=self.warning, solver="lu")
        return LinearSolution(x, solver="lu")

    def _solve(self, b: np.ndarray, adjoint: bool = False) -> np.ndarray:
        if b.dtype.kind == "c" and not self.is_complex:
            return self._solve(b.real, adjoint) + 1j * self._solve(b.imag, adjoint)
        if adjoint:  # Aᴴ x = b, and lu factors Aᵀ
            x, _ = self.trs(self.lu, self.pivots, b.conj(), trans=0)
            return x.conj()
        return self.trs(self.lu, self.pivots, b, trans=1)[0]


class _BandedState:
    """Factors of a banded matrix under the name "lu"."""

    def __init__(self, A: Banded) -> None:
        self.factors = BandedLU().factor(A)

    def solve(self, b: np.ndarray) -> LinearSolution:
        return LinearSolution(BandedLU().solve(self.factors, b).x, solver="lu")


class _SparseLU:
    """Factors of a sparse matrix by SuperLU, columns ordered by COLAMD."""

    def __init__(self, A: Any) -> None:
        from scipy.sparse.linalg import splu

        try:
            self.factors = splu(A.tocsc())
        except RuntimeError as error:  # SuperLU's word for a zero pivot
            raise np.linalg.LinAlgError(f"A is singular: {error}") from None
        self.is_complex = np.iscomplexobj(A)

    def solve(self, b: np.ndarray) -> LinearSolution:
        return LinearSolution(self._solve(b), solver="lu")

    def _solve(self, b: np.ndarray) -> np.ndarray:
        if self.is_complex:
            return self.factors.solve(b.astype(np.complex128, copy=False))
        if np.iscomplexobj(b):
            return self._solve(b.real) + 1j * self._solve(b.imag)
        return self.factors.solve(np.ascontiguousarray(b))


class _BatchLU:
    """Factors of a batch (B, n, n)."""

    def __init__(self, A: np.ndarray) -> None:
        self.is_complex = A.dtype.kind == "c"
        self.by_kernel = A.shape[-1] <= BATCH_KERNEL_MAX_SIZE
        if self.by_kernel:
            from . import dense_kernels as kernels

            self.parallel = _worth_threads(A)
            lu_factor = kernels.lu_factor_batch if self.parallel else kernels.lu_factor_batch_serial
            self.lu = np.array(A, order="C")
            self.pivots, smallest = lu_factor(self.lu)
            self.singular = ~(smallest > SUSPICIOUS_PIVOT)
            for k in map(int, np.flatnonzero(self.singular)):
                self.singular[k] = _is_singular(A[k])
        else:
            self.parts: list[tuple[np.ndarray, np.ndarray]] = []
            self.singular = np.zeros(len(A), bool)
            trf = lapack.zgetrf if self.is_complex else lapack.dgetrf
            for k, matrix in enumerate(A):
                lu, pivots, info = trf(matrix.T)
                rows = np.maximum.reduce(np.abs(matrix), axis=1)
                suspicious = (np.abs(lu.diagonal()) <= SUSPICIOUS_PIVOT * rows).any()
                self.singular[k] = info > 0 or (suspicious and _is_singular(matrix))
                self.parts.append((lu, pivots))

    def solve(self, b: np.ndarray) -> LinearSolution:
        x = self._solve(b)
        if not self.singular.any():
            return LinearSolution(x, solver="lu")
        status = np.where(self.singular, int(LinearStatus.SINGULAR), int(LinearStatus.UNCERTIFIED))
        zeros = np.zeros(len(status), int)
        return LinearSolution(
            x,
            status=LinearStatus.SINGULAR,
            message=f"{int(self.singular.sum())} of {len(status)} matrices are singular.",
            solver="lu",
            items=ItemReports(status, zeros, zeros.astype(bool)),
        )

    def _solve(self, b: np.ndarray) -> np.ndarray:
        if self.is_complex:
            b = b.astype(np.complex128, copy=False)
        elif np.iscomplexobj(b):
            return self._solve(np.ascontiguousarray(b.real)) + 1j * self._solve(np.ascontiguousarray(b.imag))
        if not self.by_kernel:
            trs = lapack.zgetrs if self.is_complex else lapack.dgetrs
            return np.array([trs(lu, p, r, trans=1)[0] for (lu, p), r in zip(self.parts, b, strict=True)])
        from . import dense_kernels as kernels

        lu_solve = kernels.lu_solve_batch if self.parallel else kernels.lu_solve_batch_serial
        return lu_solve(self.lu, self.pivots, np.ascontiguousarray(b))


def _worth_threads(A: np.ndarray) -> bool:
    from .._numba import may_run_parallel

    return A.size * A.shape[-1] > THREADS_FROM and may_run_parallel()


def _is_singular(A: np.ndarray) -> bool:
    try:
        return bool(_DenseLU(A).warning)
    except np.linalg.LinAlgError:
        return True


def _row_scale(A: np.ndarray) -> np.ndarray:
    """Powers of two that bring every row's largest entry into [1, 2); 1 for a zero row."""
    largest = np.abs(A).max(axis=1, initial=0.0)
    return np.exp2(-np.floor(np.log2(np.where(largest > 0, largest, 1.0))))


def _inverse_norm(solve: Any, rows: np.ndarray, is_complex: bool) -> float:
    """A lower bound, as a rule sharp, of the max norm of the inverse of A with its rows scaled to 1.

    Hager's method on (D⁻¹A)⁻ᴴ in the 1-norm, D = diag(rows): four solves at most.
    """
    n = len(rows)
    x = np.full(n, 1 / n, np.complex128 if is_complex else np.float64)
    estimate = 0.0
    with np.errstate(all="ignore"):
        for _ in range(2):
            y = rows * solve(x, True)
            new = float(np.abs(y).sum())
            if not new > estimate:
                return new if new != new else estimate
            estimate = new
            z = np.abs(solve(rows * np.where(y == 0, 1.0, y / np.abs(np.where(y == 0, 1.0, y)))))
            x = np.zeros_like(x)
            x[int(z.argmax())] = 1.0
    return estimate
