"""A boundary value problem by a learned linear solver, and the certificate that makes it safe.

Equation    -u'' + 3 u' + (1 + x²) u = cos 3x on (0, 2), u(0) = 1, u(2) + u'(2)/2 = 0
Solver      linear_solver="algebraformer": a network looks at each matrix, its answer is looped, checked, refined
Reference   the same problem by the built-in solver
Run         python examples/learned_bvp.py --save learned_bvp.png     (needs spectral-nn-algebraformer)
Expected    a difference below 1e-9, and no fall back
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp, solve_linear


def main(save: str | None = None) -> tuple[float, float]:
    """Solve twice, print both certificates; return (found, expected)."""

    def problem(linear_solver: str):
        return solve_bvp(
            lambda x, u: -u.diff(2) + 3 * u.diff() + (1 + x**2) * u - np.cos(3 * x),
            (0, 2),
            lbc=1,
            rbc=lambda u: u + 0.5 * u.diff(),
            linear_solver=linear_solver,
        )

    learned, direct = problem("algebraformer"), problem("auto")
    print(learned)
    x = np.linspace(0, 2, 101)
    print(f"largest difference to the built-in solver: {np.abs(learned(x) - direct(x)).max():.1e}")

    # what the slot does with a matrix that no network was trained for
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((50, 50)), rng.standard_normal(50)
    answer = solve_linear(A, b, solver="algebraformer")
    print(f"a random matrix: solved by {answer.solver}, backward error {answer.backward_error:.1e}")
    print(answer.message)
    if save:
        import matplotlib.pyplot as plt

        figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
        learned.plot(ax=ax)
        ax.set(xlabel="x", ylabel="u", title="solved by a network, certified by its residual")
        figure.savefig(save, dpi=150)
    return float(learned(1.0)), float(direct(1.0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
