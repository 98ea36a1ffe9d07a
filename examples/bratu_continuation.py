"""Both branches of Bratu's problem by continuation through the fold.

Equation    u'' + lam exp(u) = 0 on (0, 1), u(0) = u(1) = 0, lam from 0 along the branch
Method      pseudo-arclength continuation: the curve turns back at lam = 3.513830719, where Newton alone fails
Reference   the fold, from theta tanh(theta/4) = 4
Run         python examples/bratu_continuation.py --save bratu_continuation.png
Expected    fold at lam = 3.513830719
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import continuation, solve_bvp

FOLD = 3.513830719125


def main(save: str | None = None) -> tuple[float, float]:
    """Follow the branch, print, draw; return (fold found, fold)."""
    branch = continuation(
        lambda x, u, lam: u.diff(2) + lam * np.exp(u),
        (0, 1),
        lbc=0,
        rbc=0,
        parameter={"lam": 0.5},
        step=0.5,
        until=(0.3, 5),
        measure=lambda result: float(result(0.5)),
    )
    print(branch)
    found = float(branch.folds[0])
    print(f"fold found at lam = {found:.9f}, expected {FOLD:.9f}")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        branch.plot(ax=left)
        left.set(xlabel="lam", ylabel="u(1/2)", title="lower and upper branch")
        x = np.linspace(0, 1, 200)
        for start in branch.at(2.0):
            solution = solve_bvp(lambda x, u: u.diff(2) + 2 * np.exp(u), (0, 1), lbc=0, rbc=0, guess=start)
            right.plot(x, solution(x), label=f"u(1/2) = {float(solution(0.5)):.6f}")
        right.set(xlabel="x", ylabel="u", title="the two solutions for lam = 2")
        right.legend()
        figure.savefig(save, dpi=150)
    return found, FOLD


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
