"""Krylov solvers: GMRES (SciPy's), CG, and a flexible GMRES of our own.

Flexible GMRES (Y. Saad, "A flexible inner-outer preconditioned GMRES algorithm", SIAM J. Sci. Comput. 14
(1993), 461-469) lets the preconditioner differ from step to step, so it may be nonlinear: a learned solver,
an inner iteration. SciPy has none. `fgmres` below runs on a stack of independent systems at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .interface import LinearSolution, LinearSolver, LinearStatus, Traits, matrix_of, structure_of

Rows = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class GMRES:
    """Restarted GMRES, for matrices and for operators known by their products alone.

    Parameters
    ----------
    rtol : float
        Stop at ‖b − A x‖₂ ≤ rtol ‖b‖₂ (of the preconditioned system).
    restart : int
        Basis vectors kept.
    max_iterations : int
        Inner iterations in all, per right-hand side.
    preconditioner : LinearSolver or str, optional
        A linear one; factored with the system. For a learned or otherwise nonlinear one take `FGMRES`.
    """

    rtol: float = 1e-12
    restart: int = 100
    max_iterations: int = 1000
    preconditioner: LinearSolver | str | None = None
    name: ClassVar[str] = "gmres"
    traits: ClassVar[Traits] = Traits(
        summary="restarted GMRES (SciPy), optional linear preconditioner",
        structures=("dense", "sparse", "operator", "banded", "almost_banded", "block"),
    )

    def __post_init__(self) -> None:
        _check_options(self.rtol, self.max_iterations, self.restart)

    def factor(self, A: Any) -> Any:
        return _factor(A, self.preconditioner)

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        from scipy.sparse.linalg import LinearOperator, gmres

        A, precondition = state
        dtype = np.result_type(A.dtype, b.dtype, np.float64)
        operator = LinearOperator(A.shape, matvec=lambda v: A @ v.ravel(), dtype=dtype)
        M = LinearOperator(A.shape, matvec=lambda v: precondition(v.ravel()), dtype=dtype)

        def one(column: np.ndarray, count: list[int]) -> tuple[np.ndarray, int]:
            return gmres(
                operator,
                column.astype(dtype, copy=False),
                rtol=self.rtol,
                atol=0.0,
                restart=min(self.restart, len(column)),
                maxiter=-(-self.max_iterations // self.restart),
                M=None if precondition is _identity else M,
                callback=lambda _: count.append(1),
                callback_type="pr_norm",
            )

        return _columns(one, b, self.name)


@dataclass(frozen=True, slots=True)
class CG:
    """Conjugate gradients, for symmetric (Hermitian) positive definite A.

    Parameters
    ----------
    rtol, max_iterations, preconditioner
        As for `GMRES`; the preconditioner must be symmetric positive definite too.
    """

    rtol: float = 1e-12
    max_iterations: int = 1000
    preconditioner: LinearSolver | str | None = None
    name: ClassVar[str] = "cg"
    traits: ClassVar[Traits] = Traits(
        summary="conjugate gradients, for symmetric positive definite A",
        structures=("dense", "sparse", "operator", "banded"),
        needs_spd=True,
    )

    def __post_init__(self) -> None:
        _check_options(self.rtol, self.max_iterations, 1)

    def factor(self, A: Any) -> Any:
        return _factor(A, self.preconditioner)

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        A, precondition = state

        def one(column: np.ndarray, count: list[int]) -> tuple[np.ndarray, int]:
            x = np.zeros(column.shape, np.result_type(A.dtype, column, np.float64))
            r = column.astype(x.dtype)
            target = self.rtol * np.linalg.norm(r)
            z = precondition(r)
            p, rz = z, np.vdot(r, z)
            for _ in range(self.max_iterations):
                if not np.linalg.norm(r) > target:
                    return x, 0
                Ap = A @ p
                curvature = np.vdot(p, Ap).real
                if not curvature > 0:
                    raise np.linalg.LinAlgError(
                        f"A (or the preconditioner) is not positive definite: p·Ap = {curvature:.1e}"
                    )
                step = rz / curvature
                x = x + step * p
                r = r - step * Ap
                z = precondition(r)
                rz, old = np.vdot(r, z), rz
                p = z + (rz / old) * p
                count.append(1)
            return x, int(np.linalg.norm(r) > target)

        return _columns(one, b, self.name)


@dataclass(frozen=True, slots=True)
class FGMRES:
    """Flexible GMRES: the preconditioner may be any solver, a learned one included.

    Parameters
    ----------
    rtol, max_iterations, preconditioner
        As for `GMRES`.
    """

    rtol: float = 1e-12
    max_iterations: int = 200
    preconditioner: LinearSolver | str | None = None
    name: ClassVar[str] = "fgmres"
    traits: ClassVar[Traits] = Traits(
        summary="flexible GMRES; any solver, also a learned one, may precondition",
        structures=("dense", "sparse", "operator", "banded", "almost_banded", "block"),
    )

    def __post_init__(self) -> None:
        _check_options(self.rtol, self.max_iterations, 1)

    def factor(self, A: Any) -> Any:
        return _factor(A, self.preconditioner)

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        A, precondition = state
        dtype = np.result_type(A.dtype, b.dtype, np.float64)
        if precondition is not _identity:
            # A preconditioner need not take several right-hand sides well: one after the other.
            def stacked(V: np.ndarray) -> np.ndarray:
                return np.array([precondition(v) for v in V])
        else:
            stacked = _identity
        rows = np.atleast_2d(b.T).astype(dtype, copy=False)
        with np.errstate(all="ignore"):
            X, steps, done = fgmres(
                lambda V: (A @ V.T).T, stacked, rows, self.rtol, min(self.max_iterations, A.shape[0])
            )
        status = LinearStatus.UNCERTIFIED if done.all() else LinearStatus.NOT_CONVERGED
        x = X[0] if b.ndim == 1 else X.T
        return LinearSolution(x, status=status, message=status.sentence, iterations=steps, solver=self.name)


def fgmres(
    matvec: Rows, precondition: Rows, b: np.ndarray, rtol: float | np.ndarray, max_iterations: int
) -> tuple[np.ndarray, int, np.ndarray]:
    """Solve m independent systems A_i x_i = b_i at once, from x = 0, without restart.

    Parameters
    ----------
    matvec, precondition : callable
        Map (m, n) to (m, n), row i by system i; `precondition` need be neither linear nor the same twice.
    b : ndarray (m, n)
    rtol : float or ndarray (m,)
        Target for ‖b − A x‖₂ / ‖b‖₂.
    max_iterations : int
        Steps; the memory is 2 (max_iterations + 1) m n numbers.

    Returns
    -------
    x : ndarray (m, n)
    steps : int
    converged : ndarray (m,) of bool
        By the recurrence; the caller checks the true residual.
    """
    m, n = b.shape
    size = np.linalg.norm(b, axis=1)
    target = rtol * size
    V = np.zeros((max_iterations + 1, m, n), b.dtype)
    Z = np.zeros((max_iterations, m, n), b.dtype)
    H = np.zeros((m, max_iterations + 1, max_iterations), b.dtype)
    rotations: list[tuple[np.ndarray, np.ndarray]] = []
    g = np.zeros((m, max_iterations + 1), b.dtype)
    g[:, 0] = size
    V[0] = b / _or_one(size)[:, None]
    steps = 0
    for j in range(max_iterations):
        if (np.abs(g[:, j]) <= target).all():
            break
        Z[j] = precondition(V[j])
        w = matvec(Z[j])
        if not np.isfinite(w).all():
            w = np.nan_to_num(w, nan=0.0, posinf=0.0, neginf=0.0)
            Z[j] = np.where(np.isfinite(Z[j]).all(axis=1)[:, None], Z[j], 0.0)
        length = np.linalg.norm(w, axis=1)
        for _ in range(2):  # Gram-Schmidt twice is enough (Kahan, Parlett)
            c = np.einsum("imn,mn->mi", V[: j + 1].conj(), w)
            w = w - np.einsum("mi,imn->mn", c, V[: j + 1])
            H[:, : j + 1, j] += c
        new = np.linalg.norm(w, axis=1)
        new = np.where(new > 1e-14 * length, new, 0.0)  # the space is exhausted: an exact answer
        H[:, j + 1, j] = new
        V[j + 1] = np.where(new > 0, 1 / _or_one(new), 0.0)[:, None] * w
        column = H[:, :, j]
        for i, (cos, sin) in enumerate(rotations):
            upper, lower = column[:, i].copy(), column[:, i + 1].copy()
            column[:, i] = cos * upper + sin * lower
            column[:, i + 1] = cos * lower - sin.conj() * upper
        cos, sin = _rotation(column[:, j], column[:, j + 1])
        column[:, j] = cos * column[:, j] + sin * column[:, j + 1]
        column[:, j + 1] = 0
        g[:, j + 1] = -sin.conj() * g[:, j]
        g[:, j] = cos * g[:, j]
        rotations.append((cos, sin))
        steps = j + 1
    x = np.zeros_like(b)
    if steps:
        y = _back_substitute(H[:, :steps, :steps], g[:, :steps])
        x = np.einsum("mi,imn->mn", y, Z[:steps])
    return x, steps, np.abs(g[:, steps]) <= target


def _check_options(rtol: float, max_iterations: int, restart: int) -> None:
    if not 0 < rtol < 1:
        raise ValueError(f"rtol: expected a number in (0, 1), got {rtol!r}")
    if max_iterations < 1 or restart < 1:
        raise ValueError(f"max_iterations and restart: expected ≥ 1, got {max_iterations} and {restart}")


def _factor(system: Any, preconditioner: LinearSolver | str | None) -> tuple[Any, Rows]:
    A = matrix_of(system)
    if preconditioner is None:
        return A, _identity
    from .apply import dense_of
    from .registry import resolve

    inner = resolve(preconditioner)
    state = inner.factor(system if structure_of(A) in inner.traits.structures else dense_of(A))
    return A, lambda v: inner.solve(state, v).x


def _identity(v: np.ndarray) -> np.ndarray:
    return v


def _columns(one: Any, b: np.ndarray, name: str) -> LinearSolution:
    """Run `one` for every right-hand side; the iterations are those of the slowest."""
    columns = b[:, None] if b.ndim == 1 else b
    answers, failed, most = [], False, 0
    for column in columns.T:
        count: list[int] = []
        x, info = one(column, count)
        answers.append(x)
        failed = failed or info != 0
        most = max(most, len(count))
    status = LinearStatus.NOT_CONVERGED if failed else LinearStatus.UNCERTIFIED
    X = np.array(answers).T.reshape(b.shape) if answers else np.zeros(b.shape)
    return LinearSolution(X, status=status, message=status.sentence, iterations=most, solver=name)


def _or_one(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)


def _rotation(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """cos (real), sin with [cos sin; -conj(sin) cos] [a; b] = [r; 0]; b ≥ 0 is real."""
    size = np.abs(a)
    r = np.hypot(size, np.abs(b))
    phase = np.where(size > 0, a / _or_one(size), 1.0)
    return np.where(r > 0, size / _or_one(r), 1.0), phase * np.conj(b) / _or_one(r)


def _back_substitute(R: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Solve the triangular R (m, s, s); a zero on the diagonal (stagnation) gives a zero component."""
    y = np.zeros_like(g)
    largest = np.abs(R).max(axis=(1, 2))
    for i in range(R.shape[1] - 1, -1, -1):
        rest = g[:, i] - np.einsum("mi,mi->m", R[:, i, i + 1 :], y[:, i + 1 :])
        d = R[:, i, i]
        fine = np.abs(d) > 1e-15 * largest
        y[:, i] = np.where(fine, rest / np.where(fine, d, 1.0), 0.0)
    return y
