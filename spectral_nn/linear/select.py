"""Which solver "auto" takes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .interface import LinearSolution, LinearSolver, LinearSystem, Traits, matrix_of, structure_of

#: A sparse matrix is treated as banded if its band holds at most this many times its non-zeros.
BAND_FILL = 4.0
#: Asymmetry, relative to the diagonal, that passes for rounding.
ROUNDING = 1e-13


def select_linear_solver(A: Any) -> tuple[str, str]:
    """The solver that "auto" takes for a system, and the reason.

    Parameters
    ----------
    A : LinearSystem, or a matrix of any kind that `solve_linear` takes

    Returns
    -------
    name : str
    reason : str
        A clause that completes "auto picked … : ".

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import select_linear_solver
    >>> select_linear_solver(np.diag([1.0, 2.0]) + 1)
    ('cholesky', 'dense 2 x 2, symmetric with positive diagonal')
    """
    A = A.A if isinstance(A, LinearSystem) else A if hasattr(A, "shape") else np.asarray(A, float)
    structure = structure_of(A)
    n = A.shape[-1]
    if structure == "banded":
        return "banded", f"banded, {A.lower} diagonals below and {A.upper} above"
    if structure in ("almost_banded", "block"):
        return structure, {"almost_banded": "almost banded", "block": "almost block diagonal"}[structure]
    if structure == "operator":
        return "gmres", f"an operator of size {n}, known by its products alone"
    if structure == "sparse":
        return _select_sparse(A, n)
    if A.ndim == 3:
        return "lu", f"a batch of {A.shape[0]} dense {n} x {n} systems"
    size = f"dense {n} x {n}"
    if n > 1:
        if _is_lower(A) or _is_lower(A.T):
            return "triangular", f"{size}, triangular"
        if _is_hermitian(A) and (A.diagonal().real > 0).all():
            return (
                "cholesky",
                f"{size}, {'Hermitian' if A.dtype.kind == 'c' else 'symmetric'} with positive diagonal",
            )
    return "lu", f"{size}, no structure to use"


@dataclass(frozen=True, slots=True)
class Auto:
    """The solver `select_linear_solver` names; where a Cholesky factorization fails, LU."""

    name: ClassVar[str] = "auto"
    traits: ClassVar[Traits] = Traits(
        summary="picks one of the built-in solvers by the structure of A, and says which",
        structures=("dense", "banded", "almost_banded", "block", "sparse", "operator"),
        batched=True,
        exact=True,
    )

    def factor(self, A: Any) -> tuple[LinearSolver, Any, str]:
        """The solver picked, its state, and the reason."""
        from .registry import resolve

        name, reason = select_linear_solver(matrix_of(A))
        solver = resolve(name)
        try:
            return solver, solver.factor(A), reason
        except np.linalg.LinAlgError:
            if name != "cholesky":
                raise
        solver = resolve("lu")
        return solver, solver.factor(A), f"{reason}, but not positive definite"

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        solver, inner, _ = state
        return solver.solve(inner, b)


def _select_sparse(A: Any, n: int) -> tuple[str, str]:
    coo = A.tocoo()
    offsets = coo.col.astype(np.int64) - coo.row
    lower, upper = max(0, -int(offsets.min(initial=0))), max(0, int(offsets.max(initial=0)))
    if (2 * lower + upper + 1) * n <= BAND_FILL * max(coo.nnz, n):
        return (
            "banded",
            f"sparse, all non-zeros within {lower} diagonals below and {upper} above the main one",
        )
    return "lu", f"sparse, {coo.nnz} non-zeros in {n} x {n}"


def _is_lower(A: np.ndarray) -> bool:
    if A[0, -1] != 0 or A[0, 1] != 0:  # most matrices are told apart here, at no cost
        return False
    return not np.triu(A, 1).any()


def _is_hermitian(A: np.ndarray) -> bool:
    """To rounding, as a product Aᵀ D A comes out of BLAS."""
    if abs(A[0, -1] - np.conj(A[-1, 0])) > ROUNDING * np.sqrt(abs(A[0, 0] * A[-1, -1])):
        return False
    return bool(np.abs(A - A.conj().T).max() <= ROUNDING * np.abs(A.diagonal()).max())
