"""One large well-conditioned norm without constraints: L-BFGS, certified by the Gram matrix of some of the rows.

Where A'DA is near a multiple of the identity, a dozen products with A and A' beat one product A'DA. The descent gives
way to Newton as soon as its rate says that it will not pay. A small gradient alone proves nothing when A is
ill-conditioned, so the end is judged in the metric of the Hessian: with P = A_s'D_sA_s over a subset s of the rows,
P <= A'DA, and g'P^-1 g bounds the Newton decrement, hence what the gradient left over can hide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from . import kernels
from .quick import certified_result, single_dense_norm

if TYPE_CHECKING:
    from .problem import LpProblem
    from .result import LpResult

LEAST_UNKNOWNS = 80  # below, a Newton step costs no more than a few products
TALL = 8  # rows per unknown, at least: below, A'DA is too far from the identity
EXPONENTS = (1.4, 9.0)
STATIONARY = 9e-10  # as in state.py
PAIRS = 0.1  # of n: how many pairs of products with A and its transpose one Newton iteration is worth; n = 50 .. 200
NEWTON_STEPS = 5  # to be saved, the start included
WOLFE, WOLFE_KINKED = 0.5, 0.2  # of the slope may be left over by a line search; p < 2 gains by a better one
SAMPLE = 2  # rows per unknown in the certificate
SMALLEST_PIVOT = 1e-10


def solve_by_descent(problem: LpProblem, tol: float, began: float) -> LpResult | np.ndarray | None:
    """The certified result; x where the descent got somewhere but proves nothing; None where it does not apply."""
    if not single_dense_norm(problem):
        return None
    term = problem.terms[0]
    m, n = term.A.shape
    if n < LEAST_UNKNOWNS or m < TALL * n or not EXPONENTS[0] <= term.p <= EXPONENTS[1] or not term.b.any():
        return None
    from .descent_kernels import descend

    w = term.row_weights
    A, b = (term.A, term.b) if w is None else (w[:, None] * term.A, w * term.b)
    x, y, g = np.zeros(n), np.empty(m), np.empty(n)
    budget = int(PAIRS * n * NEWTON_STEPS)
    trace = np.empty((budget + 1, 3))
    # of the root that the line search looks at
    accuracy = WOLFE_KINKED if term.p < 2 else WOLFE ** (1 / (term.p - 1))
    steps, stationarity = descend(A, b, term.p, x, y, g, STATIONARY, budget, accuracy, trace)
    if not stationarity <= STATIONARY:
        return x if stationarity < 1e-2 else None
    r = A @ x - b
    norm = kernels.norm(r, 0, m, term.p)
    hidden = _decrement(A, r, g, norm, term.p)
    # what a gradient of this size can hide, twice over: s'(x - x*) <= |s| |x - x*| in the Hessian's metric
    share = max(norm - float(r @ y), 0.0) / norm + 2 * hidden / norm
    trace[:, 1] = np.inf  # on the way nothing was proved
    trace[steps, 1] = share
    solver = {"solver": "l-bfgs", "solves": 0, "refinements": 0, "fell_back": 0}
    found = certified_result(
        problem, x, y, norm, share, stationarity, tol, steps, 1, trace[: steps + 1], solver, began
    )
    return x if found is None else found


def _decrement(A: np.ndarray, r: np.ndarray, g: np.ndarray, norm: float, p: float) -> float:
    """g'P^-1 g for a P below the Hessian of the norm; inf where the sampled rows do not span the columns."""
    m, n = A.shape
    rows = np.linspace(0, m - 1, min(m, SAMPLE * n)).astype(int)
    size = np.abs(r[rows]) / norm
    if p < 2:
        size = np.maximum(
            size, 0.1 * size.mean()
        )  # the weight at a kink is large: a smaller one is on the safe side
    root = np.sqrt((p - 1) / norm * size ** (p - 2))
    B = root[:, None] * A[rows]
    try:
        factor = cho_factor(B.T @ B, check_finite=False)
    except LinAlgError:
        return np.inf
    pivots = np.abs(factor[0].diagonal()) / np.sqrt(np.einsum("ij,ij->j", B, B))
    if pivots.min() ** 2 < SMALLEST_PIVOT:
        return np.inf
    return float(g @ cho_solve(factor, g, check_finite=False))
