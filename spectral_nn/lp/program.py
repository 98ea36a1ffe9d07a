"""The problem as the solver sees it: all terms' rows stacked, grouped by norm, in units of order one.

rows of A, b, y      group 0 (p_0, c_0, norm) | group 1 (p_1, c_1, power) | ...
ptr                  0            ptr[1]                  ptr[2]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import kernels
from .problem import LpProblem

SPARSE_UNKNOWNS = 150  # below this many unknowns a dense Gram matrix is faster whatever the density
SPARSE_DENSITY = 0.15


@dataclass(slots=True)
class Inequalities:
    """The rows ``[G; sign_k x_index_k] x <= h``: general rows first, then bounds."""

    G: Any  # (l, n) dense or CSR
    h: np.ndarray  # (l + bounds,)
    index: np.ndarray  # (bounds,) unknown that is bounded
    sign: np.ndarray  # (bounds,) -1 for lower, +1 for upper bounds

    def times(self, x: np.ndarray) -> np.ndarray:
        """The left-hand sides at x."""
        return np.concatenate([self.G @ x, self.sign * x[self.index]])

    def transpose_times(self, mu: np.ndarray) -> np.ndarray:
        """The transpose applied to multipliers."""
        k = self.G.shape[0]
        out = self.G.T @ mu[:k]
        np.add.at(out, self.index, self.sign * mu[k:])
        return out

    def rows(self) -> Any:
        """All rows as one matrix, CSR where G is."""
        n = self.G.shape[1]
        if sp.issparse(self.G):
            k = len(self.index)
            bounds = sp.csr_array((self.sign, (np.arange(k), self.index)), shape=(k, n))
            return sp.vstack([self.G, bounds], format="csr")
        bounds = np.zeros((len(self.index), n))
        bounds[np.arange(len(self.index)), self.index] = self.sign
        return np.vstack([self.G, bounds])


@dataclass(slots=True)
class Program:
    """minimize ``sum_g term_g((A x - b)[g]) + x'Qx/2 + q'x`` under inequalities and E x = 0.

    Other equalities are gone by then: see reduction.py.
    """

    A: Any  # (m, n) C-contiguous or CSR
    b: np.ndarray
    ptr: np.ndarray  # (groups + 1,)
    p: np.ndarray
    c: np.ndarray
    kind: np.ndarray  # 0 norm, 1 power
    Q: Any = None  # (n, n), the ridge included
    q: np.ndarray | None = None
    inequalities: Inequalities | None = None
    E: Any = None  # (k, n) CSR, E x = 0: kept where elimination would fill a sparse problem
    constant: float = 0.0  # added to the objective
    cancelled: float = 0.0  # size of what was subtracted to make b: its rounding is in b
    solo: bool = False  # one group and nothing else in the objective: scale-free

    @property
    def sparse(self) -> bool:
        return sp.issparse(self.A)

    def smooth_part(self, x: np.ndarray) -> float:
        """x'Qx/2 + q'x."""
        value = 0.0
        if self.Q is not None:
            value += 0.5 * float(x @ (self.Q @ x))
        if self.q is not None:
            value += float(self.q @ x)
        return value

    def smooth_gradient(self, x: np.ndarray) -> np.ndarray | float:
        """Q x + q."""
        out: Any = 0.0
        if self.Q is not None:
            out = out + self.Q @ x
        if self.q is not None:
            out = out + self.q
        return out

    def units(self) -> tuple[float, float]:
        """Units in which the data are of order one: x in units of `length`, the objective in units of exp(log_value)."""
        if self.solo:
            return 1.0, 0.0  # the iteration rescales by itself
        length = float(np.abs(self.b).max(initial=0.0)) or 1.0
        sizes = [-math.inf]
        for g in range(len(self.p)):
            size = kernels.norm(self.b, self.ptr[g], self.ptr[g + 1], self.p[g])
            if size > 0 and self.c[g] > 0:
                sizes.append(math.log(self.c[g]) + (self.p[g] if self.kind[g] else 1.0) * math.log(size))
        log_value = max(sizes)
        if log_value == -math.inf:
            log_value = 0.0
        return length, log_value

    def floors(self) -> tuple[np.ndarray, float]:
        """The least size each term's residual is taken to have at the start, and the size x must have somewhere."""
        groups = len(self.p)
        if self.solo:
            return np.zeros(groups), 0.0
        A = self.A
        squares = np.asarray((A * A).sum(axis=1)).ravel() if sp.issparse(A) else np.einsum("ij,ij->i", A, A)
        counts = np.diff(self.ptr)
        spans = list(zip(self.ptr[:-1], self.ptr[1:], strict=True))
        rows = np.array([math.sqrt(squares[lo:hi].sum()) for lo, hi in spans])
        right = np.array([kernels.norm(self.b, lo, hi, 2.0) for lo, hi in spans])
        reach = (
            float(np.max(np.divide(right, rows, out=np.zeros(groups), where=rows > 0), initial=0.0)) or 1.0
        )
        floors = 0.1 * reach * rows
        return np.where((floors > 0) | (counts == 0), floors, 1.0), reach

    def scaled(self, length: float, log_value: float) -> Program:
        """The program for x / length, its objective divided by exp(log_value)."""
        log_length = math.log(length)
        powers = np.where(self.kind == 0, 1.0, self.p)
        with np.errstate(divide="ignore", over="ignore"):
            c = np.exp(np.log(self.c) + powers * log_length - log_value)
        rows = self.inequalities
        return replace(
            self,
            b=self.b / length,
            c=c,
            Q=None if self.Q is None else self.Q * math.exp(2 * log_length - log_value),
            q=None if self.q is None else self.q * math.exp(log_length - log_value),
            inequalities=None if rows is None else replace(rows, h=rows.h / length),
            constant=self.constant * math.exp(-log_value),
            cancelled=self.cancelled / length,
        )


@dataclass(slots=True)
class Stacked:
    """A program and the way back: which rows belong to which term, and their weights."""

    program: Program
    E: Any
    e: np.ndarray | None
    spans: list[tuple[int, int]]  # rows of each term
    orders: list[np.ndarray | None]  # how a term's rows were sorted into groups
    weights: list[np.ndarray | None]  # row weights folded into A
    finite: np.ndarray | None  # rows of G with finite h

    def per_term(self, y: np.ndarray) -> list[np.ndarray]:
        """Duals of the stacked rows as one vector per term, row weights included."""
        out = []
        for (lo, hi), order, w in zip(self.spans, self.orders, self.weights, strict=True):
            part = y[lo:hi].copy()
            if order is not None:
                part[order] = y[lo:hi]
            out.append(part if w is None else part * w)
        return out

    def from_terms(self, duals: list[np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`per_term`."""
        parts = []
        for dual, order, w in zip(duals, self.orders, self.weights, strict=True):
            part = dual if w is None else np.divide(dual, w, out=np.zeros_like(dual), where=w > 0)
            parts.append(part if order is None else part[order])
        return np.concatenate(parts) if parts else np.zeros(0)


def stack(problem: LpProblem, dense: bool = False) -> Stacked:
    """All terms as one program; a single dense term is taken as it is, without a copy. `dense` allows nothing sparse."""
    n = problem.n
    matrices, rights, ptr, p, c, kind = [], [], [0], [], [], []
    spans: list[tuple[int, int]] = []
    orders: list[np.ndarray | None] = []
    for term in problem.terms:
        A, b, order = term.A, term.b, None
        counts = [A.shape[0]]
        if term.groups is not None:
            order = np.argsort(term.groups, kind="stable")
            counts = np.bincount(term.groups).tolist()
            A, b = A[order], b[order]
        if term.row_weights is not None:
            w = term.row_weights if order is None else term.row_weights[order]
            A, b = (sp.diags_array(w) @ A).tocsr() if sp.issparse(A) else w[:, None] * A, w * b
        spans.append((ptr[-1], ptr[-1] + A.shape[0]))
        orders.append(order)
        for count in counts:
            ptr.append(ptr[-1] + count)
        p += [term.p] * len(counts)
        c += [term.weight] * len(counts)
        kind += [0 if term.kind == "norm" else 1] * len(counts)
        matrices.append(A)
        rights.append(b)
    blocks = [*matrices, problem.Q, problem.G]
    sparse = not dense and _keep_sparse([block for block in blocks if block is not None], n)
    inequalities, finite = _inequalities(problem, sparse)
    Q = _as(problem.Q, sparse)
    if problem.ridge:
        ridge = 2 * problem.ridge
        eye = ridge * (sp.eye_array(n, format="csr") if sparse else np.eye(n))
        Q = eye if Q is None else Q + eye
    q = None if problem.q is None or not problem.q.any() else problem.q
    solo = len(p) == 1 and Q is None and q is None and c[0] > 0
    program = Program(
        A=_vstack(matrices, n, sparse),
        b=rights[0] if len(rights) == 1 else np.concatenate([*rights, np.zeros(0)]),
        ptr=np.array(ptr, dtype=np.int64),
        p=np.array(p, dtype=np.float64),
        c=np.ones(1) if solo else np.array(c, dtype=np.float64),
        kind=np.zeros(1, dtype=np.int64) if solo else np.array(kind, dtype=np.int64),
        Q=Q,
        q=q,
        inequalities=inequalities,
        solo=solo,
    )
    weights = [term.row_weights for term in problem.terms]
    E = problem.E if problem.E is None else _as(problem.E, sparse)
    return Stacked(program, E, problem.e, spans, orders, weights, finite)


def _keep_sparse(blocks: list[Any], n: int) -> bool:
    if n < SPARSE_UNKNOWNS or not all(sp.issparse(block) for block in blocks):
        return False
    entries = sum(block.shape[0] * n for block in blocks)
    return sum(block.nnz for block in blocks) < SPARSE_DENSITY * entries


def _as(matrix: Any, sparse: bool) -> Any:
    if matrix is None:
        return None
    if sparse:
        return sp.csr_array(matrix)
    return np.ascontiguousarray(matrix.toarray()) if sp.issparse(matrix) else matrix


def _vstack(matrices: list[Any], n: int, sparse: bool) -> Any:
    parts = [_as(A, sparse) for A in matrices]
    if len(parts) == 1:
        return parts[0]
    if sparse:
        return sp.vstack(parts, format="csr") if parts else sp.csr_array((0, n))
    return np.vstack(parts) if parts else np.zeros((0, n))


def _inequalities(problem: LpProblem, sparse: bool) -> tuple[Inequalities | None, np.ndarray | None]:
    n = problem.n
    finite = None
    G, h = problem.G, problem.h
    if G is not None:
        finite = h < np.inf
        G, h = _as(G[finite] if not finite.all() else G, sparse), h[finite]
    else:
        G, h = sp.csr_array((0, n)) if sparse else np.zeros((0, n)), np.zeros(0)
    index, sign, value = [], [], []
    for bound, s in ((problem.lb, -1.0), (problem.ub, 1.0)):
        if bound is not None:
            k = np.flatnonzero(np.isfinite(bound))
            index.append(k)
            sign.append(np.full(len(k), s))
            value.append(s * bound[k])
    if not index and G.shape[0] == 0:
        return None, finite
    indices = np.concatenate([*index, np.zeros(0, np.int64)]).astype(np.int64)
    return (
        Inequalities(G, np.concatenate([h, *value]), indices, np.concatenate([*sign, np.zeros(0)])),
        finite,
    )
