"""op(u) = λ B(u) on a mesh: the matrices A and M of the pencil, eigenpairs near a shift, residuals.

The unknowns are those of `mesh` (highest derivatives and states), so A and M hold integrals and no
derivatives: B comes out as a compact operator, and shift-and-invert loses no digits to the size of the
largest eigenvalues of A. Conditions and matching rows have zeros in M: infinite eigenvalues, which
shift-and-invert sends to μ = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from ..linear.block import AlmostBlockDiagonal, BlockLU
from .conditions import as_list
from .mesh import Mesh, State
from .nonlocal_terms import pack
from .problem import Problem, rhs_values
from .resolve import scales
from .system import Evaluation, StepSystem, assemble, distant_rows, evaluate, unpack

#: |μ| below this fraction of the largest is rounding: an infinite eigenvalue.
ROUNDING = 1e-13
#: An unknown is measured against its own size, but not below this fraction of the largest one.
SMALL = 1e-4


class Pencil:
    """A linear operator with homogeneous conditions, and B, as one traced problem α op(u) − β B(u).

    Parameters
    ----------
    problem : Problem
    B : callable, Problem or None
        ``B(x, u, …)`` as an operator; None is the identity.

    Raises
    ------
    ValueError, TypeError
        If the operator, B or a condition is nonlinear, or not homogeneous.
    """

    def __init__(self, problem: Problem, B: Callable | Problem | None = None):
        if problem.batch > 1:
            raise ValueError(f"op: expected one problem, got a batch of {problem.batch}")
        if problem.params:
            raise ValueError(f"params: an eigenvalue problem has none, got {', '.join(problem.params)}")
        if B is not None and not (callable(B) or isinstance(B, Problem)):
            raise TypeError(f"B: expected an operator B(x, u, …), got {type(B).__name__}")
        if any(np.any(r) for r in rhs_values(problem.rhs, np.array(problem.domain), len(problem.names))):
            raise ValueError("rhs: an eigenvalue problem op(u) = λ B(u) has none; expected 0")
        self.weights: list[Any] = [1.0, 1.0]
        self.names = problem.names
        self.problem = Problem(
            self._weighted(problem, B.op if isinstance(B, Problem) else B), problem.domain, problem._lbc,
            problem._rbc, problem._bc, unknowns=len(problem.names), breakpoints=problem.breakpoints,
        )  # fmt: skip
        if not self.problem.linear:
            raise ValueError(
                "op: expected a linear operator, B and conditions; the trace found them nonlinear"
            )
        self.orders = self.problem.structure.orders
        ends = np.array(self.problem.domain)
        kernels = [t.map for t in self.problem.structure.functions if t.kind == "kernel"]
        complex_kernel = any(np.iscomplexobj(K(ends[:, None], ends)) for K in kernels)
        self.dtype = complex if self.problem.complex or complex_kernel else float
        self._check_homogeneous()

    def _weighted(self, problem: Problem, B: Callable | None) -> Callable:
        """x, u, … -> α op(x, u, …) − β B(x, u, …)"""

        def op(x: np.ndarray, *u: Any) -> list[Any]:
            args = [u] if problem._as_tuple else list(u)
            left = as_list(problem.op(x, *args))
            right = list(u) if B is None else as_list(B(x, *args))
            if len(right) != len(left):
                raise ValueError(f"B: expected {len(left)} expressions as op has, got {len(right)}")
            alpha, beta = self.weights
            return [alpha * a - beta * b for a, b in zip(left, right, strict=True)]

        return op

    def evaluate(self, state: State, alpha: complex, beta: complex, dtype: Any = None) -> Evaluation:
        """The traced problem α op − β B around a state."""
        self.weights[:] = [alpha, beta]
        return evaluate(self.problem, state, None, self.dtype if dtype is None else dtype)

    def discretize(self, mesh: Mesh) -> Discrete:
        """Both matrices on a mesh."""
        zero = State.zeros(mesh, self.problem.structure.p, self.dtype)
        ev = self.evaluate(zero, 1.0, 0.0)
        return Discrete(self, mesh, assemble(ev), assemble(self.evaluate(zero, 0.0, 1.0)))

    def residual(self, state: State, eigenvalue: complex) -> tuple[float, float]:
        """Residuals of an eigenpair, relative to the terms that cancel in them.

        Returns
        -------
        float
            ``max |op(u) − λ B(u)|`` between the nodes over ``max Σ |terms|``, the worst of all equations.
        float
            The same for the conditions.
        """
        dtype = np.result_type(self.dtype, state.W.dtype, np.asarray(eigenvalue).dtype)
        mesh, ev = state.mesh, self.evaluate(state, 1.0, eigenvalue, dtype)
        fields = state.fields(between=True)
        lin = self.problem.trace(
            mesh.x_between, lambda j, k: fields[mesh.slot[j] + k], state.lam, values_only=True
        )
        r = np.empty((mesh.m, mesh.x_between.size), dtype)
        for i, value in enumerate(lin.residual):
            r[i] = value
        S = mesh.D + state.lam.size
        for i, rows in distant_rows(self.problem, mesh, S, lin, between=True):
            r[i] -= rows @ pack(state, S)
        natural = _natural_sizes(ev)
        size = np.maximum(scales(ev).max(axis=1), _sizes_of_terms(ev, natural))
        return float((np.abs(r).max(axis=1) / size).max()), _condition_residual(ev, natural)

    def _check_homogeneous(self) -> None:
        mesh = Mesh(np.array(self.problem.domain), 8, self.orders)
        ev = self.evaluate(State.zeros(mesh, self.problem.structure.p, self.dtype), 1.0, 1.0)
        if ev.residual.any():
            raise ValueError(
                "op: an eigenvalue problem needs op(0) = 0; a term does not depend on the unknowns"
            )
        for c in ev.conditions:
            if c.value != 0:
                raise ValueError(
                    f"{c.label}: expected a homogeneous condition, got one with the value {-c.value:g}"
                )


class Discrete:
    """A and M on one mesh, rows scaled to size one in A; dense arrays if distant points are coupled."""

    def __init__(self, pencil: Pencil, mesh: Mesh, left: StepSystem, right: StepSystem):
        self.pencil, self.mesh, self.S = pencil, mesh, left.S
        mp = mesh.m * mesh.p
        ratio = -left.row_scale / right.row_scale
        ratio[:, len(pencil.names) * mesh.p :] = 0.0  # equations of the trace's own unknowns do not see λ
        self.A = left.A
        self.M: AlmostBlockDiagonal | np.ndarray
        if isinstance(right.A, np.ndarray):
            self.M = np.zeros_like(right.A)
            inner = slice(right.q, right.q + mesh.E * (mp + self.S))
            rows = right.A[inner].reshape(mesh.E, mp + self.S, -1)
            self.M[inner].reshape(rows.shape)[:, :mp] = rows[:, :mp] * ratio[:, :, None]
        else:
            blocks = np.zeros_like(right.A.blocks)
            blocks[:, :mp] = right.A.blocks[:, :mp] * ratio[:, :, None]
            none = np.zeros_like(right.A.left), np.zeros_like(right.A.right)
            self.M = AlmostBlockDiagonal(none[0], blocks, none[1])
        self.size = self.A.shape[0]

    def dense(self) -> tuple[np.ndarray, np.ndarray]:
        """A and M as arrays (n, n)."""
        return _dense(self.A), _dense(self.M)

    def all_eigenpairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All finite eigenvalues and the vectors (n, k), by the QZ algorithm."""
        A, M = self.dense()
        (alpha, beta), vectors = scipy.linalg.eig(A, M, homogeneous_eigvals=True)
        finite = np.abs(beta) > ROUNDING * np.abs(beta).max() * np.maximum(
            1.0, np.abs(alpha) / np.abs(alpha).max()
        )
        return alpha[finite] / beta[finite], vectors[:, finite]

    def eigenpairs_near(
        self, shift: complex, count: int, dense: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues nearest to the shift first, and vectors (n, k): shift and invert.

        Dense matrices give all of them; otherwise elimination along the blocks and Arnoldi iteration give
        ``count``.
        """
        if np.imag(shift) == 0:
            shift = np.real(shift)
        if dense or isinstance(self.A, np.ndarray):
            mu, vectors = scipy.linalg.eig(self._inverse(shift)(_dense(self.M)))
        else:
            mu, vectors = self._arnoldi(shift, count)
        finite = np.abs(mu) > ROUNDING * np.abs(mu).max()
        mu, vectors = mu[finite], vectors[:, finite]
        order = np.argsort(-np.abs(mu))
        return shift + 1.0 / mu[order], vectors[:, order]

    def improve(self, eigenvalue: complex, gap: float, vector: np.ndarray) -> tuple[complex, np.ndarray]:
        """Two steps of inverse iteration: conditions and matching then hold to rounding.

        The shift stays ``gap`` off the eigenvalue, so that vectors of a cluster keep apart. The eigenvalue is
        the Rayleigh quotient of the inverse.
        """
        shift = eigenvalue + gap
        solve, M = self._inverse(shift), self.M
        for _ in range(2):
            following = solve(M @ vector)
            growth = np.vdot(vector, following) / np.vdot(vector, vector)
            vector = following / np.abs(following).max()
        return shift + 1.0 / growth, vector

    def _inverse(self, shift: complex) -> Callable[[np.ndarray], np.ndarray]:
        """(A - shift M)^-1: by elimination along the blocks, or dense where distant points are coupled."""
        if isinstance(self.A, np.ndarray) or isinstance(self.M, np.ndarray):
            A, M = self.dense()
            factors = scipy.linalg.lu_factor(A - shift * M, check_finite=False)
            return lambda b: scipy.linalg.lu_solve(factors, b, check_finite=False)
        solver = BlockLU()
        blocks = self.A.blocks - shift * self.M.blocks
        state = solver.factor(AlmostBlockDiagonal(self.A.left, blocks, self.A.right))
        return lambda b: solver.solve(state, b).x

    def _arnoldi(self, shift: complex, count: int) -> tuple[np.ndarray, np.ndarray]:
        from scipy.sparse.linalg import LinearOperator, eigs

        M, inverse = self.M, self._inverse(shift)
        dtype = np.result_type(M.dtype, np.asarray(shift).dtype)
        operator = LinearOperator(M.shape, matvec=lambda v: inverse(M @ v.ravel()), dtype=dtype)
        start = np.asarray(np.random.default_rng(0).standard_normal(self.size), dtype)
        return eigs(
            operator, k=count, which="LM", v0=operator @ start, ncv=min(self.size - 1, max(3 * count, 40))
        )

    def state(self, vector: np.ndarray) -> State:
        """An eigenvector as functions on the mesh."""
        return unpack(np.ascontiguousarray(vector), self.mesh, self.pencil.problem.structure.p, self.S)


def _natural_sizes(ev: Evaluation) -> Callable[[int, int], float]:
    """(j, k) -> the size of u_j^(k) if u_j varies over the whole domain.

    Residuals are judged against it where the terms themselves are nothing but rounding: for an eigenvalue 0,
    u is constant and u'' = 0.
    """
    mesh = ev.state.mesh
    size = np.abs(ev.fields[mesh.slot[:-1]]).max(axis=1)
    size = np.maximum(size, SMALL * size.max(initial=0.0))
    length = mesh.t[-1] - mesh.t[0]
    return lambda j, k: float(size[j] * length ** -float(k))


def _sizes_of_terms(ev: Evaluation, natural: Callable[[int, int], float]) -> np.ndarray:
    """Σ of the natural sizes of the terms of each equation (m,)."""
    out = np.full(ev.state.mesh.m, 1e-300)
    for n, (i, j, k) in enumerate(zip(*ev.index, strict=True)):
        out[i] += np.abs(ev.coef[n]).max() * natural(j, k)
    return out


def _condition_residual(ev: Evaluation, natural: Callable[[int, int], float]) -> float:
    """The largest residual of a condition, relative to its terms as large as they get on the domain."""
    mesh, worst = ev.state.mesh, 0.0
    largest = np.abs(ev.fields).max(axis=1, initial=0.0)

    def size_of(j: int, k: int) -> float:
        return max(float(largest[mesh.slot[j] + k]), natural(j, k))

    for c in ev.conditions:
        size = sum(abs(coefficient) * size_of(j, k) for _, j, k, coefficient in c.points)
        size += sum(float(np.abs(weights).sum()) * size_of(j, k) for j, k, weights in c.integrals)
        size += sum(abs(coefficient * ev.state.lam[n]) for n, coefficient in c.params)
        worst = max(worst, abs(complex(c.value)) / size if size > 0 else 0.0)
    return worst


def _dense(A: AlmostBlockDiagonal | np.ndarray) -> np.ndarray:
    return A if isinstance(A, np.ndarray) else A.toarray()
