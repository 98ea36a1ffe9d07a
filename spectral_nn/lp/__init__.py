"""min sum w_t phi_t(A_t x - b_t) + quadratic, subject to linear constraints, by Newton's method with a certificate."""

from __future__ import annotations

from .batch import minimize_lp_batch
from .minimize import minimize_lp
from .problem import LpProblem, LpTerm
from .result import LpBatchResult, LpResult, LpStatus

__all__ = [
    "LpBatchResult", "LpProblem", "LpResult", "LpStatus", "LpTerm", "minimize_lp", "minimize_lp_batch",
]  # fmt: skip
