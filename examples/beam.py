"""A beam under tension, clamped at both ends: fourth order, two layers.

Equation    eps u'''' - u'' = 1 on (0, 1), eps = 1e-4
Conditions  u = u' = 0 at both ends
Reference   closed form, with s = sqrt(eps): bending moments fall off within s of each clamp
Run         python examples/beam.py --save beam.png
Expected    u(1/2) = 0.12 (to 1e-15)
"""

from __future__ import annotations

import argparse

import numpy as np

from spectral_nn import solve_bvp

EPS = 1e-4


def main(save: str | None = None) -> tuple[float, float]:
    """Solve, print, draw; return (found, expected)."""
    result = solve_bvp(
        lambda x, u: EPS * u.diff(4) - u.diff(2),
        (0, 1),
        lbc=lambda u: [u, u.diff()],
        rbc=lambda u: [u, u.diff()],
        rhs=1,
    )
    print(result)
    found, expected = float(result(0.5)), closed_form_middle()
    print(f"u(1/2) = {found:.13f}, closed form {expected:.13f}")
    if save:
        import matplotlib.pyplot as plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        x = np.linspace(0, 1, 500)
        left.plot(x, result(x))
        left.set(xlabel="x", ylabel="u", title="deflection")
        right.plot(x, EPS * result(x, 2))
        right.set(xlabel="x", ylabel="eps u''", title="bending moment")
        figure.savefig(save, dpi=150)
    return found, expected


def closed_form_middle() -> float:
    s = np.sqrt(EPS)
    return float(0.125 + 0.5 * s / np.tanh(0.5 / s) * (1 / np.cosh(0.5 / s) - 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure here")
    main(**vars(parser.parse_args()))
