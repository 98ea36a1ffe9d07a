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

from .program import Inequalities, Program
from .systems import semidefinite_root

RANK_TOL = 1e-13  # relative to the largest pivot of a matrix with unit rows (columns)
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
        return x if self.T is None else np.linalg.lstsq(self.T, x, rcond=None)[0]


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
    heights = np.cumsum([0, *heights, S.shape[0] - sum(heights)])
    block_scale = np.ones(S.shape[0])
    for lo, hi in zip(heights[:-1], heights[1:], strict=True):
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
    low, high = heights[1], heights[2]
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
    reduced = replace(
        program,
        A=np.ascontiguousarray(A @ T),
        b=program.b - A @ shift,
        Q=None if program.Q is None else T.T @ (program.Q @ T),
        q=None if np.ndim(q) == 0 else q @ T,
        inequalities=None if rows is None else _plain(rows.rows() @ T, rows.h - rows.times(shift)),
        constant=program.constant + constant,
    )
    return Reduction(reduced, shift=shift, T=T)


def compose(outer: Reduction, inner: Reduction) -> Reduction:
    """First `outer`, then `inner` on its unknowns."""
    if inner.T is None:
        return outer
    if outer.T is None:
        return inner
    null = None if inner.null is None else outer.T @ inner.null
    return Reduction(inner.program, outer.shift, outer.T @ inner.T, null)


def _plain(G: np.ndarray, h: np.ndarray) -> Inequalities:
    return Inequalities(np.ascontiguousarray(G), h, np.zeros(0, np.int64), np.zeros(0))
