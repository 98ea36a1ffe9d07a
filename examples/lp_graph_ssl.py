"""Semi-supervised learning on a graph: labels spread by the p-Laplacian, a handful of them given.

Problem     minimize ||D x||_p subject to x = +-1 at the labelled points; D is the weighted incidence matrix of a
            nearest-neighbour graph, so x is p-harmonic at the others
Source      El Alaoui et al., Asymptotic behavior of l_p-based Laplacian regularization, COLT 2016: with few labels in d
            dimensions, p = 2 degenerates to a constant with spikes at the labels, p > d does not; the instances are of
            the kind of Adil, Peng, Sachdeva, NeurIPS 2019 (arXiv 1907.07167)
Run         python examples/lp_graph_ssl.py --save lp_graph_ssl.png
Expected    with 3 labels of a class p = 4 classifies at least as many points as p = 2, and more than 90 %
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.sparse as sp
from scipy.spatial import KDTree

from spectral_nn import minimize_lp

EXPONENTS = (2.0, 4.0)


def main(save: str | None = None, points: int = 1200, labels: int = 3) -> tuple[float, float]:
    """Build the graph, solve, draw; return the shares of points that p = 4 and p = 2 classify rightly."""
    rng = np.random.default_rng(1)
    place, side = two_moons(points, rng)
    D = incidence(place, neighbours=10)
    known = np.concatenate([rng.choice(np.flatnonzero(side == s), labels, replace=False) for s in (-1, 1)])
    E = sp.csr_array((np.ones(len(known)), (np.arange(len(known)), known)), shape=(len(known), points))
    found = {p: minimize_lp(D, 0, p, E=E, e=side[known].astype(float)) for p in EXPONENTS}
    share = {p: float(np.mean(np.sign(result.x) == side)) for p, result in found.items()}
    for p, result in found.items():
        rest = np.setdiff1d(np.arange(points), known)
        flow = np.abs((D.T @ result.dual[0])[rest]).max()
        print(f"p = {p}: {share[p]:.1%} right, energy {result.fun:.6g}, gap {result.gap:.0e}, unbalance {flow:.0e}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, len(EXPONENTS), figsize=(9, 3.4), layout="constrained")
        for ax, (p, result) in zip(axes, found.items(), strict=True):
            drawn = ax.scatter(*place.T, c=result.x, s=6, cmap="coolwarm", vmin=-1, vmax=1)
            ax.scatter(*place[known].T, c=side[known], s=90, marker="*", cmap="coolwarm", edgecolors="k")
            ax.set(title=f"p = {p:g}: {share[p]:.1%} right", xticks=[], yticks=[])
        figure.colorbar(drawn, ax=axes, label="x")
        figure.savefig(save, dpi=150)
    return share[4.0], share[2.0]


def two_moons(points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise, and which of them (-1 or +1)."""
    side = np.where(np.arange(points) % 2, 1, -1)
    angle = rng.uniform(0, np.pi, points)
    x = np.cos(angle) * side + 0.5 * (side < 0)
    y = np.sin(angle) * side + 0.25 * (side < 0)
    return np.column_stack([x, y]) + 0.12 * rng.standard_normal((points, 2)), side


def incidence(place: np.ndarray, neighbours: int) -> sp.csr_array:
    """One row per edge of the nearest-neighbour graph: w (x_i - x_j), w falling with the distance."""
    distance, index = KDTree(place).query(place, neighbours + 1)
    i = np.repeat(np.arange(len(place)), neighbours)
    j, d = index[:, 1:].ravel(), distance[:, 1:].ravel()
    keep = np.unique(np.column_stack([np.minimum(i, j), np.maximum(i, j)]), axis=0, return_index=True)[1]
    i, j, d = i[keep], j[keep], d[keep]
    w = np.exp(-((d / np.median(d)) ** 2) / 2)
    rows = np.repeat(np.arange(len(i)), 2)
    columns, values = np.column_stack([i, j]).ravel(), np.column_stack([w, -w]).ravel()
    return sp.csr_array((values, (rows, columns)), shape=(len(i), len(place)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
