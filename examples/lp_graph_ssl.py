"""Semi-supervised learning on a graph: a few known values spread by the p-Laplacian.

Problem     minimize ||D x||_p subject to x = f at 12 of 3000 points in the unit square; D is the incidence matrix of
            the graph of near neighbours, so x is p-harmonic at the points that are not known
Source      El Alaoui et al., Asymptotic behavior of l_p-based Laplacian regularization in semi-supervised learning,
            COLT 2016: in d dimensions p <= d tends to a constant with spikes at the known points, p > d does not
Run         python examples/lp_graph_ssl.py --save lp_graph_ssl.png
Expected    the error of p = 8 is less than half that of p = 2
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.sparse as sp
from scipy.spatial import KDTree

from spectral_nn import minimize_lp

EXPONENTS = (2.0, 4.0, 8.0)


def main(
    save: str | None = None, points: int = 3000, known: int = 12, degree: int = 80
) -> tuple[float, float]:
    """Build the graph, solve, draw; return the root mean square errors of p = 8 and p = 2."""
    rng = np.random.default_rng(2)
    place = rng.random((points, 2))
    f = np.sin(np.pi * (place[:, 0] - 0.5))
    D = incidence(place, degree)
    given = rng.choice(points, known, replace=False)
    E = sp.csr_array((np.ones(known), (np.arange(known), given)), shape=(known, points))
    found = {p: minimize_lp(D, 0, p, E=E, e=f[given]) for p in EXPONENTS}
    error = {p: float(np.sqrt(np.mean((result.x - f) ** 2))) for p, result in found.items()}
    rest = np.setdiff1d(np.arange(points), given)
    for p, result in found.items():
        unbalance = np.abs((D.T @ result.dual[0])[rest]).max()
        print(
            f"p = {p:g}: error {error[p]:.3f}, {D.shape[0]} edges, nit {result.nit}, gap {result.gap:.0e}, "
            f"largest unbalance of flow {unbalance:.0e}"
        )
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, len(EXPONENTS), figsize=(10, 3.4), layout="constrained", sharey=True)
        for ax, (p, result) in zip(axes, found.items(), strict=True):
            ax.plot(place[rest, 0], result.x[rest], ".", ms=1.5, label="p-harmonic")
            ax.plot(place[given, 0], f[given], "o", color="k", ms=5, label="known")
            t = np.linspace(0, 1, 100)
            ax.plot(t, np.sin(np.pi * (t - 0.5)), "r-", lw=1, label="truth")
            ax.set(title=f"p = {p:g}, error {error[p]:.2f}", xlabel="first coordinate")
        axes[0].legend()
        figure.savefig(save, dpi=150)
    return error[8.0], error[2.0]


def incidence(place: np.ndarray, degree: int) -> sp.csr_array:
    """One row x_i - x_j per pair of points so near that each has about `degree` neighbours."""
    pairs = KDTree(place).query_pairs(np.sqrt(degree / np.pi / len(place)), output_type="ndarray")
    edges = len(pairs)
    rows = np.repeat(np.arange(edges), 2)
    return sp.csr_array((np.tile([1.0, -1.0], edges), (rows, pairs.ravel())), shape=(edges, len(place)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
