"""Learned starting points for `spectral_nn.minimize_lp`: ``minimize_lp(A, b, p, start=LearnedStart())``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from .pretrained import WeightsError, check_device, config, load_network

#: The network that chooses row weights, a key of `models.KINDS`.
KIND = "reweighting"
#: The largest exponent of the training; beyond, the proposals cost iterations instead of saving them.
LARGEST_P = 32.0


@dataclass(frozen=True)
class LearnedStart:
    """A start for one dense l_p term without constraints, by the network of `models.reweighting`.

    Whatever it proposes, `minimize_lp` starts from the better of it and least squares, and certifies the end.

    Parameters
    ----------
    weights : str
        Shipped weights by name, or a folder.
    device : str
        "cpu", "cuda", …

    Raises
    ------
    ValueError
        At once, for weights that are missing or of another kind of network, and for a device that is not there; when the
        network is loaded, for weights whose checksum does not fit (`warm_up` does it ahead of time).

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

    def __post_init__(self) -> None:
        kind = config(self.weights).get("model", {}).get("kind")
        if kind != KIND:
            raise WeightsError(
                f"weights: {self.weights!r} are of a network of kind {kind!r}; a start needs one of kind {KIND!r}, such "
                "as 'newton-lp'"
            )
        if self.device != "cpu":  # torch, a second to import, is needed to know
            check_device(self.device)

    def __call__(self, problem: Any) -> np.ndarray:
        """The proposal x (n,); ValueError for a problem that the network was not made for."""
        term = problem.terms[0]
        if len(problem.terms) != 1 or not isinstance(term.A, np.ndarray) or term.groups is not None:
            raise ValueError("start: LearnedStart takes one dense term without groups")
        if term.p > LARGEST_P:
            raise ValueError(f"start: LearnedStart was trained for p up to {LARGEST_P:g}, got p = {term.p:g}")
        A, b = np.asarray(term.A, float), np.asarray(term.b, float)
        if term.row_weights is not None:
            A, b = A * term.row_weights[:, None], b * term.row_weights
        return self.batch(A[None], b[None], np.array([term.p]))[0]

    def batch(self, A: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Proposals x (B, n) for many problems of one size: A (B, m, n), b (B, m), p (B,)."""
        import torch

        network: Any = load_network(self.weights, self.device, KIND)
        columns = np.linalg.norm(A, axis=1)
        columns = np.where(columns > 0, columns, 1.0) / np.sqrt(A.shape[1])
        size = np.abs(b).max(axis=1, keepdims=True)
        size = np.where(size > 0, size, 1.0)
        parts = (A / columns[:, None, :], b / size, p)
        with torch.inference_mode():
            tensors = (torch.from_numpy(np.asarray(v, np.float32)).to(self.device) for v in parts)
            x = network(*tensors)[-1].double().cpu().numpy()
        return x * size / columns

    def warm_up(self, n: int = 64, rows: int = 128, batch: int = 1) -> float:
        """Load torch and weights, run the network once at this size; returns the seconds that took.

        The first start pays for this otherwise.
        """
        began = time.perf_counter()
        rng = np.random.default_rng(0)
        self.batch(
            rng.standard_normal((batch, rows, n)), rng.standard_normal((batch, rows)), np.full(batch, 3.0)
        )
        return time.perf_counter() - began
