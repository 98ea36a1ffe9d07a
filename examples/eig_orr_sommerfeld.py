"""Orr-Sommerfeld: is plane Poiseuille flow stable at Reynolds number 5772?

Equation    (D² - α²)² u / R - 2iα u - iα (1 - x²) (D² - α²) u = λ (D² - α²) u on (-1, 1), u = u' = 0 at the
walls,
            R = 5772.22, α = 1.02056: the critical point, where the growth rate Re λ crosses zero
Reference   S. A. Orszag, J. Fluid Mech. 50 (1971): phase speed c = iλ/α = 0.26400, no growth
Run         python examples/eig_orr_sommerfeld.py --save orr_sommerfeld.png
Expected    c = 0.264000 (Orszag gives five digits)
"""

from __future__ import annotations

import argparse
from typing import Any

from spectral_nn import BVP

REYNOLDS, ALPHA = 5772.22, 1.02056


def laplacian(u: Any) -> Any:
    return u.diff(2) - ALPHA**2 * u


def operator(x: Any, u: Any) -> Any:
    squared = u.diff(4) - 2 * ALPHA**2 * u.diff(2) + ALPHA**4 * u
    return squared / REYNOLDS - 2j * ALPHA * u - 1j * ALPHA * (1 - x**2) * laplacian(u)


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    flow = BVP(operator, (-1, 1), lbc=[0, 0], rbc=[0, 0])
    result = flow.eigs(30, which="LR", B=lambda x, u: laplacian(u))
    print(result)
    first = result.eigenvalues[0]
    speed = 1j * first / ALPHA
    print(f"growth rate {first.real:.2e}, phase speed {speed.real:.10f}")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        result.plot(ax=left)
        left.axvline(0.0, color="gray", lw=0.7)
        left.set(title=f"Spectrum at R = {REYNOLDS}, α = {ALPHA}")
        result.eigenfunctions[0].real.plot(ax=right, label="Re u")
        result.eigenfunctions[0].imag.plot(ax=right, label="Im u")
        right.set(xlabel="x", title="The neutral mode")
        right.legend()
        figure.savefig(save, dpi=150)
    return float(speed.real), 0.26400


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
