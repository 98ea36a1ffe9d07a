"""Painleve's first equation: the second solution, found by deflating the first.

Equation    u'' = u^2 - x on (0, 10)
Conditions  u(0) = 0, u(10) = sqrt(10)
Solutions   two; u'(0) = 0.924375487447 and u'(0) = -3.791990599654 (Gauss collocation of order 16)
Method      deflation (Farrell, Birkisson & Funke 2015): Newton is kept away from what is known
Run         python examples/painleve_deflation.py --save painleve_deflation.png
Expected    two solutions with the slopes above
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import BVP, deflate

EXPECTED = -3.791990599654


def main(save: str | None = None) -> tuple[float, float]:
    """Find both, print, draw; return (slope of the second at 0, expected)."""
    problem = BVP(lambda x, u: u.diff(2) - u**2 + x, (0, 10), lbc=0, rbc=np.sqrt(10))
    first = problem.solve(guess=np.sqrt)
    second = deflate(problem, [first])
    solutions = [first, second]
    for solution in solutions:
        print(f"u'(0) = {float(solution(0.0, 1)):+.12f}  residual {solution.residual:.1e}")
    if save:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        x = np.linspace(0, 10, 400)
        for solution in solutions:
            axes.plot(x, solution(x), label=f"u'(0) = {float(solution(0.0, 1)):.4f}")
        axes.plot(x, np.sqrt(x), "--", color="0.6", label="sqrt(x)")
        axes.set(xlabel="x", ylabel="u", title="u'' = u^2 - x: two solutions")
        axes.legend()
        figure.savefig(save, dpi=150)
    return min(float(s(0.0, 1)) for s in solutions), EXPECTED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
