"""The true residual of a linear system and the backward errors that an answer is judged by.

Everything here works on *items*: one system is one item, k right-hand sides are k items with the same A, a
batch is B items; vectors are kept as rows (items, n).

    normwise       η = ‖b − A x‖ / (‖A‖ ‖x‖ + ‖b‖), max norms                     (Rigal & Gaches 1967)
    row by row     ω = max_i |b − A x|_i / (‖A_i‖₁ ‖x‖ + |b_i|)  ≥  η

The second one is what a collocation matrix needs: its rows of size n⁴ would hide a boundary row of size 1
that is not met at all. An answer is accepted when both are within rtol.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .interface import structure_of

TINY = float(np.finfo(float).tiny)
#: Norms of operators are bounded from below by products with this many random vectors (and with the answers).
PROBES = 4


class TrueResidual:
    """A, its row sums and norms, computed once; residuals and backward errors of any answers.

    Attributes
    ----------
    row_sums : ndarray (1 or B, n) or None
        Σ_j |A_ij|; None for an operator.
    norms : ndarray (1 or B,)
        Max norms; for an operator a lower bound, which makes the backward error an upper bound.
    finite : ndarray (1 or B,) of bool
    """

    __slots__ = ("A", "structure", "is_batch", "row_sums", "norms", "finite", "all_finite")

    def __init__(self, A: Any) -> None:
        self.A = A
        self.structure = structure_of(A)
        self.is_batch = len(A.shape) == 3
        with np.errstate(all="ignore"):
            sums = _row_sums(A, self.structure)
            if sums is None:
                self.row_sums = None
                self.norms = np.array([_probe_norm(A)])
            else:
                self.row_sums = sums if self.is_batch else sums[None, :]
                self.norms = np.maximum.reduce(self.row_sums, axis=1, initial=0.0)
        self.finite = np.isfinite(self.norms)
        self.all_finite = bool(self.finite.all())
        if not self.all_finite and self.structure == "dense":  # an overflow of the sum is no fault of A
            self.finite = np.isfinite(A).all(axis=(-2, -1)).reshape(-1)
            self.all_finite = bool(self.finite.all())

    def product(self, X: np.ndarray, items: np.ndarray | slice = slice(None)) -> np.ndarray:
        """A_i x_i for the rows of X, which belong to `items`."""
        if self.is_batch:
            A = self.A if len(X) == len(self.A) else self.A[items]  # items are sorted: all, without a copy
            return np.matmul(A, X[:, :, None])[:, :, 0]
        if len(X) == 1:
            return np.asarray(self.A @ X[0]).reshape(1, -1)
        if self.structure in ("dense", "sparse", "banded"):
            return np.asarray(self.A @ X.T).T
        return np.array([self.A @ x for x in X])

    def judge(
        self, b: np.ndarray, X: np.ndarray, items: np.ndarray | slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals (m, n), normwise η (m,) and rowwise ω (m,); infinite where x is not finite."""
        with np.errstate(all="ignore"):
            R = b - self.product(X, items)
            size, x_size = np.abs(R), np.abs(X).max(axis=1, initial=0.0)
            norms = self.norms[items] if self.is_batch else self.norms
            if self.row_sums is None:
                norms = np.maximum(norms, _ratio(np.abs(b - R).max(axis=1, initial=0.0), x_size))
            b_size = np.abs(b)
            eta = size.max(axis=1, initial=0.0) / (norms * x_size + b_size.max(axis=1, initial=0.0) + TINY)
            if self.row_sums is None:
                omega = eta
            else:
                sums = self.row_sums[items] if self.is_batch else self.row_sums
                omega = (size / (sums * x_size[:, None] + b_size + TINY)).max(axis=1, initial=0.0)
        bad = ~(np.isfinite(x_size) & np.isfinite(omega))
        return R, np.where(bad, np.inf, eta), np.where(bad, np.inf, omega)

    def growth(self, b: np.ndarray, X: np.ndarray, items: np.ndarray | slice = slice(None)) -> np.ndarray:
        """‖x‖ / max_i |b_i| / ‖A_i‖₁ (m,): a lower bound of the condition of A, rows scaled; 0 if x is."""
        sums = self.row_sums if self.row_sums is not None else self.norms[:, None]
        sums = sums[items] if self.is_batch else sums
        with np.errstate(all="ignore"):
            data = np.where(sums > 0, np.abs(b) / sums, 0.0).max(axis=1, initial=0.0)
            size = np.abs(X).max(axis=1, initial=0.0)
            return np.where(size > 0, size / data, 0.0)

    def row_scale(self, items: np.ndarray | slice = slice(None)) -> np.ndarray | None:
        """1 / row sums (m or 1, n): brings all rows to one size; None for an operator."""
        if self.row_sums is None:
            return None
        sums = self.row_sums[items] if self.is_batch else self.row_sums
        return 1.0 / np.where(sums > 0, sums, 1.0)

    def where_not_finite(self, item: int = 0) -> str:
        """Words for the first entry of A that is not finite."""
        A = self.A[item] if self.is_batch else self.A
        of_item = f" of system {item}" if self.is_batch else ""
        if self.structure == "dense":
            bad = np.argwhere(~np.isfinite(A))
            i, j = (int(v) for v in bad[0])
            return f"A[{i}, {j}]{of_item} is {A[i, j]} ({len(bad)} such entries in A)"
        if self.row_sums is not None:
            rows = np.flatnonzero(~np.isfinite(self.row_sums[0]))
            return f"row {int(rows[0])} of A holds NaN or infinity ({len(rows)} such rows)"
        return "the products of A with finite vectors are not finite"


def noise_discrepancy(A: np.ndarray, b: np.ndarray, x: np.ndarray, R: np.ndarray, sigma: Any) -> np.ndarray:
    """How many times its expectation the residual is, if A and b carry relative noise sigma; (m,).

    For a true x the residual of row i is random with variance σ² (Σ_j A_ij² x_j² + max|b|²): every entry of A
    is multiplied by 1 + σξ, and σ max|b| ξ is added to every b_i, ξ standard normal. Root mean square over
    rows.
    """
    A, b, x, R = _to_unit_size(A, b, x, R)
    square = np.abs(A) ** 2
    weight = np.abs(x) ** 2
    spread = (
        (square @ weight.T).T if A.ndim == 2 else np.matmul(square, weight[:, :, None])[:, :, 0]
    ) + np.abs(b).max(axis=1, keepdims=True) ** 2
    sigma = np.broadcast_to(np.asarray(sigma, float), (len(b),))
    return np.sqrt((np.abs(R) ** 2 / (spread + TINY)).mean(axis=1)) / sigma


def _to_unit_size(
    A: np.ndarray, b: np.ndarray, x: np.ndarray, R: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same systems with entries of size one in A and in (A x, b), so that no square overflows."""
    axes = (-2, -1) if A.ndim == 3 else None
    of_A = np.max(np.abs(A), axis=axes, initial=0.0)
    of_A = np.broadcast_to(np.where(of_A > 0, of_A, 1.0), len(b))[:, None]
    of_b = np.maximum(of_A * np.abs(x).max(axis=1, keepdims=True), np.abs(b).max(axis=1, keepdims=True))
    of_b = np.where(of_b > 0, of_b, 1.0)
    of_x = of_b / of_A
    return A / (of_A[:, :, None] if A.ndim == 3 else of_A[0, 0]), b / of_b, x / of_x, R / of_b


def _row_sums(A: Any, structure: str) -> np.ndarray | None:
    if structure == "dense":
        return np.abs(A).sum(axis=-1)
    if structure == "sparse":
        return np.asarray(abs(A).sum(axis=1)).ravel()
    return np.asarray(A.row_sums(), float).ravel() if hasattr(A, "row_sums") else None


def _probe_norm(A: Any) -> float:
    rng = np.random.default_rng(0)  # probes are fixed: the same system is always judged alike
    signs = rng.choice([-1.0, 1.0], size=(PROBES, A.shape[1]))
    return max(float(np.abs(A @ v).max(initial=0.0)) for v in signs)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), 0.0)
