"""Many small problems of one shape at once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from . import checks
from .problem import LpProblem, LpTerm
from .quick import settings
from .result import LpBatchResult, LpStatus


def minimize_lp_batch(
    A: Any,
    b: Any,
    p: float,
    *,
    x0: Any = None,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> LpBatchResult:
    """minimize ``||A_k x_k - b_k||_p`` for k = 1 .. B, compiled and in parallel.

    Every problem goes through the iteration of :func:`minimize_lp` and is certified like there; the few whose A is
    rank-deficient or ill-conditioned are handed to it.

    Parameters
    ----------
    A : array (B, m, n), or (m, n) for all
    b : array (B, m), or (m,) for all
    p : float, 1 < p < inf
    x0 : array (B, n) or (n,), optional
        Where to start instead of at least squares.
    tol : float, default 1e-9
        Relative duality gap at which a problem ends.
    max_iter : int, default 100

    Returns
    -------
    LpBatchResult
        ``x`` (B, n), ``fun``, ``gap``, ``success``, ``status``, ``nit`` (B,), ``dual`` (B, m).

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, complex or nonfinite data.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import minimize_lp_batch
    >>> rng = np.random.default_rng(0)
    >>> A, b = rng.standard_normal((100, 30, 5)), rng.standard_normal((100, 30))
    >>> result = minimize_lp_batch(A, b, 4)
    >>> result.x.shape, bool(result.success.all())
    ((100, 5), True)
    """
    from . import batch_kernels

    began = time.perf_counter()
    p = checks.exponent(p)
    tol = checks.positive(tol, "tol")
    max_iter = checks.count(max_iter, "max_iter")
    A = checks.stack_of_matrices(A, "A")
    m, n = A.shape[1:]
    b = checks.stack_of_vectors(b, m, "b", "one entry per row of A")
    size = max(A.shape[0], b.shape[0])
    if A.shape[0] not in (1, size) or b.shape[0] not in (1, size):
        raise ValueError(
            f"A holds {A.shape[0]} problems and b {b.shape[0]}: the numbers must agree, or one be 1"
        )
    b = np.ascontiguousarray(np.broadcast_to(b, (size, m)))
    x = np.zeros((size, n))
    if x0 is not None:
        x[:] = checks.stack_of_vectors(x0, n, "x0", "one entry per unknown")
    y, gap = np.empty((size, m)), np.empty(size)
    nit, status = np.empty(size, np.int64), np.empty(size, np.int64)
    warm = batch_kernels.COLD if x0 is None else batch_kernels.WITH_X
    batch_kernels.solve_batch(A, b, p, warm, x, y, tol, max_iter, settings(p), gap, nit, status)
    for k in np.flatnonzero(status != LpStatus.CONVERGED):
        single = LpProblem(LpTerm(A[k if A.shape[0] > 1 else 0], b[k], p)).solve(tol=tol, max_iter=max_iter)
        x[k], y[k], gap[k], nit[k], status[k] = (
            single.x,
            single.dual[0],
            single.gap,
            single.nit,
            single.status,
        )
    r = (A @ x[:, :, None])[:, :, 0] - b
    top = np.abs(r).max(axis=1, initial=0.0)
    top[top == 0.0] = 1.0
    fun = top * np.sum((np.abs(r) / top[:, None]) ** p, axis=1) ** (1 / p)
    return LpBatchResult(
        x=x,
        fun=fun,
        success=status == LpStatus.CONVERGED,
        status=status,
        nit=nit,
        gap=gap,
        dual=y,
        time=time.perf_counter() - began,
    )
