"""ChebPy and back: coefficients as Chebfuns in, the solution as a Chebfun out.

Equation    (K u')' = -1 on (-1, 1), u(±1) = 0, with the conductivity K = 1 left of 0 and 2 right of it
Reference   K u' = c - x; the integrals from both ends to 0 agree for c = -1/6, where u(0) = c + 1/2 = 1/3
Run         python examples/chebpy_roundtrip.py --save chebpy_roundtrip.png
Expected    u(0) = 0.333333333333
Needs       pip install spectral-nn-chebpy
"""

from __future__ import annotations

import argparse

from chebpy import pwc
from spectral_nn_chebpy import solve_bvp, to_chebfun


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    K = pwc([-1, 0, 1], [1, 2])
    result = solve_bvp(lambda x, u, K: (K * u.diff()).diff(), lbc=0, rbc=0, rhs=-1, coefficients={"K": K})
    print(result)
    u = to_chebfun(result)
    flux = K * u.diff()  # from here on it is ChebPy
    hottest = float(u.diff().roots()[0])
    print(f"u(0) = {float(u(0)):.12f}, the maximum u({hottest:.6f}) = {float(u(hottest)):.12f}")
    print(f"heat through both ends: {float(flux(-1.0) - flux(1.0)):.12f} (2 is produced)")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        u.plot(ax=left)
        left.set(title="u, a Chebfun of two pieces")
        flux.plot(ax=right)
        right.set(title="K u'")
        figure.savefig(save, dpi=150)
    return float(u(0)), 1 / 3


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
