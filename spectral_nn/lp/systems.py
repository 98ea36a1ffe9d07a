"""The Newton matrix ``H = A' diag(d) A + Q + G' diag(w) G - U'U``: formed, factored, solved.

The default solver is LAPACK's Cholesky called directly, because at 50 x 10 any layer between costs more than the
factorization. Where a pivot is small it gives way to a column-pivoted QR factorization of the square root of H. Any
other solver goes through `spectral_nn.linear.certify`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import get_blas_funcs, get_lapack_funcs, qr, solve_triangular
from scipy.sparse.linalg import splu

from . import kernels
from .program import Program

SMALL_PIVOT = 1e-13  # a pivot this much below its diagonal entry has lost all its digits but three
BLOCK_BYTES = 2**18  # a scaled block of A of this size stays in the level-2 cache while syrk reads it
DENSE_FILL = 0.05  # of the Gram matrix: above it a sparse factor fills up, and dense Cholesky is faster ...
DENSE_UNKNOWNS = 4000  # ... up to here
ALWAYS_DENSE = 300
FULL_FACTOR = 0.1  # entries of a sparse factor, of n^2, above which it has no point
QUASIDEFINITE = 1e-9
FEW = 30  # norms whose rank-one parts go into a sparse factorization by Woodbury's formula
SMALL_CAPACITANCE = 1e-5
PROXIMAL = 1e-12  # times the diagonal: keeps sparse factorizations of singular H alive

_syrk = get_blas_funcs("syrk", dtype=np.float64)
_potrf, _potrs = get_lapack_funcs(("potrf", "potrs"), dtype=np.float64)


class System:
    """Forms, factors and solves; counts what it did."""

    def __init__(self, program: Program, linear_solver: Any = None) -> None:
        self.program = program
        self.solver = linear_solver  # None: Cholesky
        self.factorizations = 0
        self.solves = 0
        self.refinements = 0
        self.fell_back = 0
        self.cause = ""  # of the first time
        self._own = 0  # answers of the solver asked for
        self.smallest_pivot = 1.0  # of the last dense factorization, relative to its diagonal entry
        self._n = program.A.shape[1]
        rows = program.inequalities
        self._G = None if rows is None else rows.rows()
        self._solve: Any = None
        self.pull: Any = 0.0  # E'nu of the last solve: what E x = 0 takes of the right-hand side
        self._gram: Any = _SparseGram(program, self._G) if program.sparse else _DenseGram(program, self._G)

    def factor(self, d: np.ndarray, w: np.ndarray | None, U: np.ndarray | None = None) -> bool:
        """Factor H for row weights d (m,) of A, w of the inequalities, and rank-one parts U (k, n).

        False where U had to be left out: the rest is an upper bound of H, whose steps still descend.
        """
        self.factorizations += 1
        H = self._gram(d, w)
        few = None
        if U is not None and sp.issparse(H) and U.shape[0] <= FEW:
            few, U = U, None
        if U is not None:
            H = _minus(H, U)
        if self.solver is not None:
            self._solve = self._foreign(H)
        elif sp.issparse(H):
            self._solve = self._sparse(H)
        else:
            return self._dense(H, d, w, U)
        return few is None or self._update(few)

    @property
    def factored(self) -> bool:
        """Whether there is a factorization to solve with."""
        return self._solve is not None

    def solve(self, rhs: np.ndarray) -> np.ndarray:
        """H^-1 rhs."""
        self.solves += 1
        return self._solve(rhs)

    def rescale(self, program: Program) -> None:
        """Go on with the same program in other units."""
        self.program = program
        self._gram.rescale(program)

    def report(self) -> dict[str, Any]:
        """Who solved, how often, with what help."""
        name = "cholesky" if self.solver is None else self.solver.name
        report: dict[str, Any] = {
            "solver": name,
            "solves": self.solves,
            "refinements": self.refinements,
            "fell_back": self.fell_back,
        }
        return {**report, "cause": self.cause} if self.cause else report

    def helpless(self) -> str:
        """A sentence where the solver that was asked for gave no answer at all."""
        if self.solver is None or self._own or not self.fell_back:
            return ""
        return f" {self.solver.name!r} solved none of the Newton systems, another solver did: {self.cause}."

    def _dense(self, H: np.ndarray, d: np.ndarray, w: np.ndarray | None, U: np.ndarray | None) -> bool:
        diagonal = H.diagonal().copy()
        L, info = _potrf(H, lower=1, overwrite_a=1, clean=0)
        if info == 0:
            pivots = L.diagonal()
            self.smallest_pivot = float((pivots * pivots / diagonal).min(initial=1.0))
            if self.smallest_pivot > SMALL_PIVOT:
                self._solve = lambda rhs: _potrs(L, rhs, lower=1)[0]
                return True
        self.smallest_pivot = 0.0
        self.fell_back += 1
        if U is not None:
            self._dense(self._gram(d, w), d, w, None)
            return False
        self._solve = self._pivoted_qr(d, w)
        return True

    def _pivoted_qr(self, d: np.ndarray, w: np.ndarray | None) -> Any:
        """Solve with the R of sqrt(H) P = Q R, leaving out what is dependent to rounding."""
        root = self._gram.square_root(d, w)
        scale = np.sqrt(np.einsum("ij,ij->j", root, root))
        scale[scale == 0.0] = 1.0
        R, order = qr(root / scale, mode="r", pivoting=True)
        k = min(R.shape)
        size = np.abs(R.diagonal())
        rank = int(np.sum(size > 1e-14 * max(size.max(initial=0.0), 1e-300))) if k else 0
        R, keep, out = R[:rank, :rank], order[:rank], scale[order[:rank]]

        def solve(rhs: np.ndarray) -> np.ndarray:
            x = np.zeros(self._n)
            z = solve_triangular(R, rhs[keep] / out, trans="T", check_finite=False)
            x[keep] = solve_triangular(R, z, check_finite=False) / out
            return x

        return solve

    def _sparse(self, H: Any) -> Any:
        full = (H + sp.tril(H, -1).T).tocsc()
        diagonal = full.diagonal()
        top = max(float(diagonal.max(initial=0.0)), 1e-300)
        full = full + sp.diags_array(PROXIMAL * np.where(diagonal > 0, diagonal, top), format="csc")
        E, n = self.program.E, self._n
        matrix = full
        if E is not None:
            # quasidefinite: any symmetric order of elimination exists (Vanderbei 1995)
            full = sp.block_array([[full / top, E.T], [E, None]], format="csc")
            matrix = full - sp.diags_array(np.repeat([0.0, QUASIDEFINITE], [n, E.shape[0]]), format="csc")
        lu = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        if E is None and n <= DENSE_UNKNOWNS and lu.L.nnz > FULL_FACTOR * n * n:
            self._gram.dense = True  # the factor is nearly full: dense Cholesky from now on

        def solve(rhs: np.ndarray) -> np.ndarray:
            if E is not None:
                rhs = np.concatenate([rhs / top, np.zeros(E.shape[0])])
            x = lu.solve(rhs)
            for _ in range(1 if E is None else 3):
                x += lu.solve(rhs - full @ x)
            self.pull = 0.0 if E is None else top * (E.T @ x[n:])
            return x[:n]

        return solve

    def _update(self, U: Any) -> bool:
        """From H^-1 to (H - U'U)^-1 by the Sherman-Morrison-Woodbury formula; False where H - U'U is not definite."""
        solve, U = self._solve, U.toarray()
        V = np.stack([solve(u) for u in U])
        L, info = _potrf(np.asfortranarray(np.eye(len(U)) - U @ V.T), lower=1)
        if info or (L.diagonal() < SMALL_CAPACITANCE).any():
            return False

        def updated(rhs: np.ndarray) -> np.ndarray:
            x = solve(rhs)
            return x + V.T @ _potrs(L, U @ x, lower=1)[0]

        self._solve = updated
        return True

    def _foreign(self, H: Any) -> Any:
        from spectral_nn.linear import factor

        full = (H + sp.tril(H, -1).T).tocsc() if sp.issparse(H) else np.tril(H) + np.tril(H, -1).T
        # Unit diagonal: solvers, learned ones above all, see numbers of order one.
        diagonal = full.diagonal()
        unit = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        scaled = full * unit[:, None] * unit[None, :] if not sp.issparse(full) else None
        if scaled is None:
            scaled = (sp.diags_array(unit) @ full @ sp.diags_array(unit)).tocsc()
        certified = factor(self.solver, scaled)

        def solve(rhs: np.ndarray) -> np.ndarray:
            answer = certified.solve(unit * rhs)
            self.refinements += answer.refinements
            self.fell_back += bool(answer.fell_back)
            self._own += answer.success and not answer.fell_back
            self.cause = self.cause or answer.cause
            return unit * answer.x

        return solve


class _DenseGram:
    """H (n, n), lower triangle in Fortran order, by syrk over blocks of scaled rows that stay in cache."""

    def __init__(self, program: Program, G: Any) -> None:
        m, n = program.A.shape
        self.program = program
        self.G = G
        self.block = min(max(m, 1), max(64, BLOCK_BYTES // (8 * max(n, 1))))
        self.buffer = np.empty((self.block, n))

    def __call__(self, d: np.ndarray, w: np.ndarray | None) -> np.ndarray:
        n = self.buffer.shape[1]
        H = np.zeros((n, n), order="F")
        if n == 0:
            return H
        self._add(H, self.program.A, np.sqrt(d))
        if w is not None:
            self._add(H, self.G, np.sqrt(w))
        if self.program.Q is not None:
            H += self.program.Q
        return H

    def rescale(self, program: Program) -> None:
        self.program = program

    def _add(self, H: np.ndarray, A: np.ndarray, root: np.ndarray) -> None:
        block = self.block
        for lo in range(0, len(root), block):
            hi = min(lo + block, len(root))
            rows = self.buffer[: hi - lo]
            kernels.scale_rows(A, root, lo, hi, rows)
            _syrk(1.0, rows.T, beta=1.0, c=H, trans=0, lower=1, overwrite_c=1)

    def square_root(self, d: np.ndarray, w: np.ndarray | None) -> np.ndarray:
        """A matrix whose Gram matrix is H."""
        parts = [np.sqrt(d)[:, None] * self.program.A]
        if w is not None:
            parts.append(np.sqrt(w)[:, None] * self.G)
        if self.program.Q is not None:
            parts.append(semidefinite_root(self.program.Q))
        return np.vstack(parts)


class _SparseGram:
    """H by Gustavson's product on a pattern found once; dense where it fills up."""

    def __init__(self, program: Program, G: Any) -> None:
        rows = program.A if G is None else sp.vstack([program.A, G], format="csr")
        self.n = n = rows.shape[1]
        self.by_rows = rows
        self.by_columns = columns = rows.tocsc()
        self.lists = [
            np.ascontiguousarray(a, dtype=t)
            for a, t in (
                (rows.indptr, np.int64),
                (rows.indices, np.int64),
                (rows.data, np.float64),
                (columns.indptr, np.int64),
                (columns.indices, np.int64),
                (columns.data, np.float64),
            )
        ]
        indptr, indices, _, colptr, rowind, _ = self.lists
        self.ptr, self.pattern = kernels.gram_pattern(indptr, indices, colptr, rowind, n)
        self.values = np.empty(len(self.pattern))
        self.Q = None if program.Q is None else sp.tril(program.Q).tocsc()
        filled = len(self.pattern) > DENSE_FILL * n * (n + 1) / 2
        self.dense = program.E is None and (n <= ALWAYS_DENSE or (filled and n <= DENSE_UNKNOWNS))

    def __call__(self, d: np.ndarray, w: np.ndarray | None) -> Any:
        weights = d if w is None else np.concatenate([d, w])
        indptr, indices, data, colptr, rows, coldata = self.lists
        kernels.gram_values(
            indptr, indices, data, colptr, rows, coldata, weights, self.n, self.ptr, self.pattern, self.values
        )
        H = sp.csc_array((self.values.copy(), self.pattern, self.ptr), shape=(self.n, self.n))
        if self.Q is not None:
            H = H + self.Q
        return H.toarray(order="F") if self.dense else H

    def rescale(self, program: Program) -> None:
        self.Q = None if program.Q is None else sp.tril(program.Q).tocsc()

    def square_root(self, d: np.ndarray, w: np.ndarray | None) -> np.ndarray:
        """A matrix whose Gram matrix is H (dense: the fallback is for n where that is bearable)."""
        weights = d if w is None else np.concatenate([d, w])
        root = (sp.diags_array(np.sqrt(weights)) @ self.by_rows).toarray()
        if self.Q is None:
            return root
        Q = (self.Q + sp.tril(self.Q, -1).T).toarray()
        return np.vstack([root, semidefinite_root(Q)])


def _minus(H: Any, U: Any) -> Any:
    """H - U'U, both as lower triangles."""
    if sp.issparse(H):
        return (H - sp.tril(U.T @ U)).tocsc()
    product = U.T @ U
    return np.asfortranarray(H - np.tril(product.toarray() if sp.issparse(product) else product))


def semidefinite_root(Q: Any) -> np.ndarray:
    """A matrix whose Gram matrix is Q; eigenvalues that are negative by rounding count as 0."""
    Q = Q.toarray() if sp.issparse(Q) else Q
    values, vectors = np.linalg.eigh(Q)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
