"""x = shift + T z: equality constraints and ill-conditioned columns are removed before Newton begins.

Equalities: with ``E' P = [Q1 Q2] [R; 0]`` (column-pivoted Householder QR) every solution is a particular one plus Q2 z.
No normal equations are formed, so it is stable at condition numbers of 1e8 and takes redundant rows in its stride
(Golub & Van Loan, sec. 6.2.3). Columns: where a pivot of A'A is small, ``A P = Q R`` and Newton works in z = R x with
orthonormal columns; dependent columns drop out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import qr, solve_triangular
from scipy.sparse.linalg import splu

from .program import Inequalities, Program
from .systems import PROXIMAL, semidefinite_root

RANK_TOL = 1e-13  # relative to the largest pivot of a matrix with unit rows (columns)
DENSE_NULL_SPACE = 1000  # unknowns up to which a basis of E's null space may be dense in a sparse problem
CONSISTENCY_TOL = 1e-9  # of E x = e, relative to |E| |x| + |e|


@dataclass(slots=True)
class Reduction:
    """``x = shift + T z``; T is None for the identity."""

    program: Program
    shift: np.ndarray | None = None
    T: np.ndarray | None = None
    null: np.ndarray | None = None  # orthonormal directions that change nothing in the program
    contradiction: np.ndarray | None = None  # nu with E'nu = 0, nu'e = -1: no x satisfies E x = e

    def x(self, z: np.ndarray) -> np.ndarray:
        """z in the user's unknowns."""
        x = z if self.T is None else self.T @ z
        return x if self.shift is None else x + self.shift

    def z(self, x: np.ndarray) -> np.ndarray:
        """The z whose x comes closest to the given one."""
        if self.shift is not None:
            x = x - self.shift
        if self.T is None:
            return x
        if sp.issparse(self.T):  # a selection of unknowns
            return self.T.T @ x
        return np.linalg.lstsq(self.T, x, rcond=None)[0]


def eliminate(program: Program, E: Any, e: np.ndarray) -> Reduction:
    """The program on the solutions of E x = e."""
    E = E.toarray() if sp.issparse(E) else E
    size = np.sqrt(np.einsum("ij,ij->i", E, E))
    size[size == 0.0] = 1.0
    unit, right = E / size[:, None], e / size
    n = E.shape[1]
    Q, R, order = qr(unit.T, pivoting=True)
    pivots = np.abs(R.diagonal())
    rank = int(np.sum(pivots > RANK_TOL * max(n, len(e)) * pivots.max(initial=0.0))) if len(pivots) else 0
    z = solve_triangular(R[:rank, :rank], right[order[:rank]], trans="T", check_finite=False)
    shift = Q[:, :rank] @ z
    residual = right - unit @ shift
    if np.max(np.abs(residual)) > CONSISTENCY_TOL * (np.abs(unit) @ np.abs(shift) + np.abs(right)).max():
        nu = residual - unit @ np.linalg.lstsq(unit, residual, rcond=None)[0]
        nu = -nu / size / float(nu @ right)
        return Reduction(program, contradiction=nu)
    return change_variables(program, shift, np.ascontiguousarray(Q[:, rank:]))


def eliminate_sparse(program: Program, E: Any, e: np.ndarray) -> Reduction:
    """The same for a sparse program: rows ``a x_j = e`` fix x_j, and what is left is kept as E z = 0 if it is large."""
    n = E.shape[1]
    E = sp.csr_array(E, copy=True)
    E.eliminate_zeros()
    counts = np.diff(E.indptr)
    single = np.flatnonzero(counts == 1)
    columns, values = E.indices[E.indptr[single]], E.data[E.indptr[single]]
    shift = np.zeros(n)
    shift[columns] = e[single] / values
    apart = values * shift[columns] - e[single]
    size = np.abs(values * shift[columns]) + np.abs(e[single])
    if (np.abs(apart) > CONSISTENCY_TOL * size).any():
        k = int(np.argmax(np.abs(apart)))
        return Reduction(program, contradiction=_clash(E, e, single, columns, values, k))
    free = np.setdiff1d(np.arange(n), columns)
    T = sp.csr_array((np.ones(len(free)), (free, np.arange(len(free)))), shape=(n, len(free)))
    fixed = change_variables(program, shift, T)
    rest = np.setdiff1d(np.arange(E.shape[0]), single)
    if not len(rest):
        return fixed
    left, right = E[rest] @ T, e[rest] - E[rest] @ shift
    if len(free) <= DENSE_NULL_SPACE:
        inner = eliminate(_dense(fixed.program), left, right)
    else:
        inner = _keep(fixed.program, left, right)
    if inner.contradiction is not None:
        nu = np.zeros(E.shape[0])
        nu[rest] = inner.contradiction
        back = E.T @ nu  # rows that fix x_j cancel what is left in column j
        order = np.argsort(columns, kind="stable")
        first = order[np.unique(columns[order], return_index=True)[1]]
        nu[single[first]] = -back[columns[first]] / values[first]
        return Reduction(program, contradiction=-nu / float(nu @ e) * 1.0)
    return compose(fixed, inner)


def orthonormalize(program: Program) -> Reduction:
    """The program in unknowns for which the rows of [A; sqrt(Q); G] have orthonormal columns; rank found on the way."""
    rows = program.inequalities
    parts = [program.A.toarray() if program.sparse else program.A]
    heights = [parts[0].shape[0]]
    if program.Q is not None:
        parts.append(semidefinite_root(program.Q))
    heights.append(sum(part.shape[0] for part in parts[1:]))
    if rows is not None:
        G = rows.rows()
        parts.append(G.toarray() if sp.issparse(G) else G)
    S = np.vstack(parts)
    n = S.shape[1]
    # Blocks of unlike size (data times 1e8, bounds of size 1) would make rank a matter of units.
    ends = np.cumsum([0, *heights, S.shape[0] - sum(heights)])
    block_scale = np.ones(S.shape[0])
    for lo, hi in zip(ends[:-1], ends[1:], strict=True):
        top = np.abs(S[lo:hi]).max(initial=0.0)
        block_scale[lo:hi] = top if top > 0 else 1.0
    S = S / block_scale[:, None]
    scale = np.sqrt(np.einsum("ij,ij->j", S, S))
    scale[scale == 0.0] = 1.0
    Q, R, order = qr(S / scale, mode="economic", pivoting=True)
    pivots = np.abs(R.diagonal())
    rank = int(np.sum(pivots > RANK_TOL * max(pivots.max(initial=0.0), 1e-300)))
    T = np.zeros((n, rank))
    T[order[:rank]] = solve_triangular(R[:rank, :rank], np.eye(rank), check_finite=False)
    T /= scale[:, None]
    basis = np.ascontiguousarray(Q[:, :rank] * block_scale[:, None])
    null = None
    if rank < n:
        null = np.zeros((n, n - rank))
        null[order[:rank]] = -solve_triangular(R[:rank, :rank], R[:rank, rank:], check_finite=False)
        null[order[rank:]] = np.eye(n - rank)
        null = np.linalg.qr(null / scale[:, None])[0]
    low, high = ends[1], ends[2]
    reduced = replace(
        program,
        A=basis[:low],
        Q=None if program.Q is None else basis[low:high].T @ basis[low:high],
        q=None if program.q is None else program.q @ T,
        inequalities=None if rows is None else _plain(basis[high:], rows.h),
    )
    return Reduction(reduced, T=T, null=null)


def change_variables(program: Program, shift: np.ndarray, T: np.ndarray) -> Reduction:
    """The program in z, x = shift + T z."""
    rows = program.inequalities
    A = program.A
    q = program.smooth_gradient(shift)
    constant = program.smooth_part(shift)
    sparse = sp.issparse(T)
    AT = (A @ T).tocsr() if sparse else np.ascontiguousarray(A @ T)
    if not sparse and not program.sparse:
        # T is orthonormal: below this an entry is what rounding left of a zero
        noise = 4 * np.finfo(float).eps * np.sqrt(np.einsum("ij,ij->i", A, A))
        AT[np.abs(AT) <= noise[:, None]] = 0.0
    b, size = program.b - A @ shift, np.abs(program.b) + abs(A) @ np.abs(shift)
    b[np.abs(b) <= 4 * np.finfo(float).eps * size] = 0.0
    reduced = replace(
        program,
        A=AT,
        b=b,
        cancelled=max(program.cancelled, float(size.max(initial=0.0))),
        Q=None if program.Q is None else T.T @ (program.Q @ T),
        q=None if np.ndim(q) == 0 else q @ T,
        inequalities=None if rows is None else _plain(rows.rows() @ T, rows.h - rows.times(shift)),
        constant=program.constant + constant,
    )
    return Reduction(reduced, shift=shift, T=T)


def _keep(program: Program, E: Any, e: np.ndarray) -> Reduction:
    """Shift to a solution of E x = e and keep E z = 0 in the program."""
    shift = sparse_lstsq(E, e)
    residual = E @ shift - e
    if np.abs(residual).max() > CONSISTENCY_TOL * (abs(E) @ np.abs(shift) + np.abs(e)).max():
        return Reduction(program, contradiction=-residual / float(residual @ e))
    reduced = change_variables(program, shift, sp.eye_array(E.shape[1], format="csr"))
    reduced.program.E = sp.csr_array(E)
    return reduced


def sparse_lstsq(E: Any, e: np.ndarray) -> np.ndarray:
    """A least-squares solution of E x = e, E sparse (k, n), by the augmented system [I E'; E -delta I]."""
    k, n = E.shape
    matrix = sp.block_array([[sp.eye_array(n), E.T], [E, -PROXIMAL * sp.eye_array(k)]], format="csc")
    lu = splu(matrix)
    x, right = np.zeros(n), e
    for _ in range(3):
        x = x + lu.solve(np.concatenate([np.zeros(n), right]))[:n]
        right = e - E @ x
    return x


def _clash(E: Any, e: np.ndarray, single: Any, columns: Any, values: Any, k: int) -> np.ndarray:
    """Multipliers of two rows that fix the same unknown to different values."""
    twins = np.flatnonzero(columns == columns[k])
    other = twins[np.argmax(np.abs(e[single[twins]] / values[twins] - e[single[k]] / values[k]))]
    nu = np.zeros(E.shape[0])
    nu[single[k]], nu[single[other]] = 1 / values[k], -1 / values[other]
    return -nu / float(nu @ e)


def _dense(program: Program) -> Program:
    rows = program.inequalities
    return replace(
        program,
        A=np.ascontiguousarray(program.A.toarray()),
        Q=None if program.Q is None else program.Q.toarray(),
        inequalities=None if rows is None else replace(rows, G=np.ascontiguousarray(rows.G.toarray())),
    )


def compose(outer: Reduction, inner: Reduction) -> Reduction:
    """First `outer`, then `inner` on its unknowns."""
    if outer.T is None and outer.shift is None:
        return inner

    def lift(z: Any) -> Any:
        return z if outer.T is None else outer.T @ z

    shift = outer.shift
    if inner.shift is not None:
        shift = lift(inner.shift) if shift is None else shift + lift(inner.shift)
    T = outer.T if inner.T is None else lift(inner.T)
    null = None if inner.null is None else lift(inner.null)
    return Reduction(inner.program, shift, T, null, inner.contradiction)


def _plain(G: Any, h: np.ndarray) -> Inequalities:
    return Inequalities(
        G.tocsr() if sp.issparse(G) else np.ascontiguousarray(G), h, np.zeros(0, np.int64), np.zeros(0)
    )
