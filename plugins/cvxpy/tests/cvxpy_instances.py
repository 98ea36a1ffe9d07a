"""Numeric instances: exponents, sizes, conditioning, scales, constraints, graphs. Arrays first, CVXPY
second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from proven_minimizers import Piece, Statement

EXPONENTS = (1.1, 1.2, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0)


@dataclass
class Instance:
    """``min ||A x - b||_p`` (or the sum of p-th powers) subject to ``E x = e, G x <= h``."""

    A: np.ndarray | sp.csr_array
    b: np.ndarray
    p: float
    kind: str = "norm"
    E: np.ndarray | None = None
    e: np.ndarray | None = None
    G: np.ndarray | None = None
    h: np.ndarray | None = None
    scale: float = 1.0  # of the objective's optimum, where that is zero

    def problem(self) -> tuple[cp.Problem, cp.Variable]:
        x = cp.Variable(self.A.shape[1])
        r = self.A @ x - self.b
        objective = (
            cp.pnorm(r, self.p, approx=False) if self.kind == "norm" else cp.sum(cp.power(cp.abs(r), self.p))
        )
        constraints = [] if self.E is None else [self.E @ x == self.e]
        constraints += [] if self.G is None else [self.G @ x <= self.h]
        return cp.Problem(cp.Minimize(objective), constraints), x

    def statement(self) -> Statement:
        A = self.A if isinstance(self.A, np.ndarray) else self.A.toarray()
        piece = Piece(A, self.b, self.p, self.kind)
        return Statement([piece], A.shape[1], None, None, self.E, self.e, self.G, self.h)


def gaussian(m: int, n: int, p: float, kind: str = "norm", seed: int = 0) -> Instance:
    rng = np.random.default_rng([seed, m, n, int(10 * p)])
    return Instance(rng.standard_normal((m, n)), rng.standard_normal(m), p, kind)


def with_outliers(m: int, n: int, p: float) -> Instance:
    rng = np.random.default_rng(m + int(10 * p))
    A = rng.standard_normal((m, n))
    b = A @ rng.standard_normal(n) + 0.01 * rng.standard_normal(m)
    b[: m // 10] += 10 * rng.standard_normal(m // 10)
    return Instance(A, b, p)


def ill_conditioned(m: int, n: int, p: float, condition: float) -> Instance:
    rng = np.random.default_rng(int(np.log10(condition)) + n)
    U, _ = np.linalg.qr(rng.standard_normal((m, n)))
    V, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return Instance((U * np.logspace(0, -np.log10(condition), n)) @ V.T, rng.standard_normal(m), p)


def rescaled(factor: float, p: float, kind: str) -> Instance:
    base = gaussian(60, 6, p, kind)
    return Instance(factor * base.A, factor * base.b, p, kind)


def constrained(m: int, n: int, p: float, kind: str = "norm") -> Instance:
    rng = np.random.default_rng(17 + int(10 * p))
    A, b = rng.standard_normal((m, n)), rng.standard_normal(m)
    inside = 0.2 * rng.standard_normal(n)
    E, G = rng.standard_normal((2, n)), rng.standard_normal((2 * n, n))
    return Instance(A, b, p, kind, E, E @ inside, G, G @ inside + 0.05 * rng.random(2 * n))


def adil_random(m: int, n: int, k: int, p: float) -> Instance:
    """Adil, Peng, Sachdeva (NeurIPS 2019), section 5: uniform entries, ``min ||A x - b||_p s.t. C x = d``."""
    rng = np.random.default_rng(m + k)
    C = rng.random((k, n))
    return Instance(rng.random((m, n)), rng.random(m), p, E=C, e=C @ rng.random(n))


def adil_graph(vertices: int, neighbours: int, p: float) -> Instance:
    """The same paper's graphs: labels of 10 vertices spread by ``min sum_edges w |x_i - x_j|^p``, rooted."""
    rng = np.random.default_rng(vertices)
    points = rng.random((vertices, 10))
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1)[:, :neighbours]
    edges = sorted({(min(i, int(j)), max(i, int(j))) for i in range(vertices) for j in near[i]})
    labels = rng.random(10)
    rows, cols, values, right = [], [], [], np.zeros(len(edges))
    for k, (i, j) in enumerate(edges):
        weight = np.exp(-(distance[i, j] ** 2))
        for vertex, sign in ((i, 1.0), (j, -1.0)):
            if vertex < 10:
                right[k] -= sign * weight * labels[vertex]
            else:
                rows.append(k)
                cols.append(vertex - 10)
                values.append(sign * weight)
    B = sp.csr_array((values, (rows, cols)), shape=(len(edges), vertices - 10))
    return Instance(B, right, p)


def small() -> dict[str, Instance]:
    """The instances that an extended-precision solve can prove in a second."""
    out: dict[str, Instance] = {}
    for p in EXPONENTS:
        out[f"gaussian 50x10 norm p={p:g}"] = gaussian(50, 10, p)
        out[f"gaussian 60x12 power p={p:g}"] = gaussian(60, 12, p, "power")
        out[f"gaussian 200x20 norm p={p:g}"] = gaussian(200, 20, p, "norm", 1)
    for p in (1.2, 3.0, 4.0):
        out[f"constrained 40x12 power p={p:g}"] = constrained(40, 12, p, "power")
    for p in (1.1, 1.5, 4.0, 8.0):
        out[f"outliers 150x10 p={p:g}"] = with_outliers(150, 10, p)
        out[f"square-ish 32x16 p={p:g}"] = gaussian(32, 16, p, "norm", 2)
    for p in (1.5, 4.0, 16.0):
        out[f"condition 1e5 p={p:g}"] = ill_conditioned(120, 12, p, 1e5)
        out[f"condition 1e8 p={p:g}"] = ill_conditioned(120, 12, p, 1e8)
    for factor in (1e8, 1e-8):
        for p, kind in ((1.5, "norm"), (8.0, "norm"), (8.0, "power")):
            out[f"scale {factor:g} {kind} p={p:g}"] = rescaled(factor, p, kind)
    for p in (1.2, 1.5, 3.0, 8.0):
        out[f"constrained 80x8 p={p:g}"] = constrained(80, 8, p)
    out["constrained 80x8 power p=4"] = constrained(80, 8, 4.0, "power")
    for p in (4.0, 8.0):
        out[f"Adil random 150x30 p={p:g}"] = adil_random(150, 30, 8, p)
    for p in (1.5, 4.0, 8.0):
        out[f"Adil graph 60 p={p:g}"] = adil_graph(60, 6, p)
    for p in (1.2, 3.0, 16.0):
        out[f"uniform 40x39 p={p:g}"] = gaussian(40, 39, p, "norm", 5)
    out["500x50 p=1.5"] = gaussian(500, 50, 1.5)
    out["500x50 p=8"] = gaussian(500, 50, 8.0)
    return out


# Built when asked for: the largest takes 32 MB.
LARGE: dict[str, Callable[[], Instance]] = {
    "500x50 p=1.1": lambda: gaussian(500, 50, 1.1),
    "1000x100 p=3": lambda: gaussian(1000, 100, 3.0),
    "2000x100 p=4": lambda: gaussian(2000, 100, 4.0),
    "5000x200 p=8": lambda: gaussian(5000, 200, 8.0),
    "20000x200 p=1.5": lambda: gaussian(20000, 200, 1.5),
    "20000x200 p=4": lambda: gaussian(20000, 200, 4.0),
    "Adil random 1000x500 p=8": lambda: adil_random(1000, 500, 20, 8.0),
    "Adil graph 1000 p=8": lambda: adil_graph(1000, 10, 8.0),
    "sparse 10000x1000 p=4": lambda: _sparse(10000, 1000, 4.0),
}
"""Proven by checking the returned dual point in extended precision."""


def _sparse(m: int, n: int, p: float) -> Instance:
    rng = np.random.default_rng(3)
    A = sp.random_array((m, n), density=0.005, rng=rng, format="csr") + sp.eye_array(m, n, format="csr")
    return Instance(sp.csr_array(A), rng.standard_normal(m), p)
