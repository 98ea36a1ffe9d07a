"""Data of the l_p tests: pure functions of a seed."""

from __future__ import annotations

import numpy as np


def gaussian(m, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)), rng.standard_normal(m)


def outliers(m, n, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    b = A @ rng.standard_normal(n) + 0.1 * rng.standard_normal(m)
    hit = rng.random(m) < 0.1
    b[hit] += 10 * rng.standard_normal(hit.sum())
    return A, b


def conditioned(m, n, kappa, seed=0):
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((m, n)))[0]
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return (U * np.logspace(0, -np.log10(kappa), n)) @ V.T, rng.standard_normal(m)


def graph(nodes, degree=4, seed=0):
    """Incidence matrix (edges, nodes) of a random geometric-like graph, weights 1."""
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    place = rng.random((nodes, 2))
    pairs = set()
    for i in range(nodes):
        near = np.argsort(np.sum((place - place[i]) ** 2, axis=1))[1 : degree + 1]
        pairs |= {(min(i, int(j)), max(i, int(j))) for j in near}
    pairs = np.array(sorted(pairs))
    k = len(pairs)
    rows = np.repeat(np.arange(k), 2)
    return sp.csr_array((np.tile([1.0, -1.0], k), (rows, pairs.ravel())), shape=(k, nodes)), place
