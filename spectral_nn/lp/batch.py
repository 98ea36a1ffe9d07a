"""Many small problems of one shape at once."""

from __future__ import annotations

from typing import Any

from .result import LpBatchResult


def minimize_lp_batch(
    A: Any,
    b: Any,
    p: float,
    *,
    x0: Any = None,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> LpBatchResult:
    """minimize ``||A_k x - b_k||_p`` for k = 1..B; `A` (B, m, n) or (m, n), `b` (B, m)."""
    raise NotImplementedError
