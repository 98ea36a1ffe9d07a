"""Learned starting points for `spectral_nn.minimize_lp`: ``minimize_lp(A, b, p, start=LearnedStart())``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LearnedStart:
    """A start for one dense l_p term without constraints, by the network of `models.reweighting`.

    Whatever it proposes, `minimize_lp` starts from the better of it and least squares, and certifies the end.

    Parameters
    ----------
    weights : str
        Shipped weights by name, or a folder.
    device : str

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import minimize_lp
    >>> from spectral_nn_algebraformer import LearnedStart
    >>> rng = np.random.default_rng(0)
    >>> A, b = rng.standard_normal((128, 64)), rng.standard_normal(128)
    >>> minimize_lp(A, b, 16, start=LearnedStart()).success
    True
    """

    weights: str = "newton-lp"
    device: str = "cpu"

    def __call__(self, problem: Any) -> np.ndarray:
        """The proposal x (n,); ValueError for a problem that the network was not made for."""
        term = problem.terms[0]
        if len(problem.terms) != 1 or not isinstance(term.A, np.ndarray) or term.groups is not None:
            raise ValueError("start: LearnedStart takes one dense term without groups")
        A, b = np.asarray(term.A, float), np.asarray(term.b, float)
        if term.row_weights is not None:
            A, b = A * term.row_weights[:, None], b * term.row_weights
        return self.batch(A[None], b[None], np.array([term.p]))[0]

    def batch(self, A: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Proposals x (B, n) for many problems of one size: A (B, m, n), b (B, m), p (B,)."""
        import torch

        from .pretrained import load_network

        network: Any = load_network(self.weights, self.device)
        columns = np.linalg.norm(A, axis=1)
        columns = np.where(columns > 0, columns, 1.0) / np.sqrt(A.shape[1])
        size = np.abs(b).max(axis=1, keepdims=True)
        size = np.where(size > 0, size, 1.0)
        parts = (A / columns[:, None, :], b / size, p)
        with torch.inference_mode():
            tensors = (torch.from_numpy(np.asarray(v, np.float32)).to(self.device) for v in parts)
            x = network(*tensors)[-1].double().cpu().numpy()
        return x * size / columns
