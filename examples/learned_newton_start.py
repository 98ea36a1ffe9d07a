"""A learned start for l_p minimization: fewer Newton iterations, the same certified answer.

Problem     min ‖Ax - b‖_16, A standard normal 128 x 64
Start       two weighted least-squares problems whose weights a network chooses
Run         python examples/learned_newton_start.py     (needs spectral-nn-algebraformer)
Expected    the same minimum to nine digits; iterations as printed, the start's own solves not among them
"""

from __future__ import annotations

import argparse

import numpy as np
from spectral_nn_algebraformer import LearnedStart

from spectral_nn import minimize_lp


def main(p: float = 16.0) -> tuple[float, float]:
    """Minimize from both starts; return (minimum from the learned start, minimum)."""
    rng = np.random.default_rng(7)
    A, b = rng.standard_normal((128, 64)), rng.standard_normal(128)
    plain = minimize_lp(A, b, p)
    learned = minimize_lp(A, b, p, start=LearnedStart())
    proposal = LearnedStart().batch(A[None], b[None], np.array([p]))[0]
    above = np.linalg.norm(A @ proposal - b, p) / plain.fun - 1
    print(f"from least squares: {plain.nit} iterations, ‖r‖ = {plain.fun:.12f}, gap {plain.gap:.0e}")
    print(f"from the network:   {learned.nit} iterations, ‖r‖ = {learned.fun:.12f}, gap {learned.gap:.0e}")
    print(f"the proposal itself is {100 * above:.2f} % above the minimum")
    return learned.fun, plain.fun


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--p", type=float, default=16.0)
    main(**vars(parser.parse_args()))
