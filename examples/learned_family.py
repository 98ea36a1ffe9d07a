"""Train a learned solver for an operator family of your own, and put it into the slot.

Family      -u'' - k² u with k ~ U(0, 1.4), u(±1) = 0: below the first resonance, k = π/2
Training    a small network, a couple of minutes for 400 steps on one CPU core; stop it and it goes on
Run         python examples/learned_family.py --steps 400     (needs spectral-nn-algebraformer)
Expected    solved without falling back, or, after very few steps, with it: the answer is right either way
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
from spectral_nn_algebraformer import Algebraformer
from spectral_nn_algebraformer.data import Draw, Operators, draw, systems
from spectral_nn_algebraformer.evaluate import evaluate
from spectral_nn_algebraformer.pretrained import export
from spectral_nn_algebraformer.recipe import load_recipe
from spectral_nn_algebraformer.train import Progress, train

from spectral_nn import solve_bvp, solve_linear


def helmholtz(random: Draw, x: np.ndarray) -> Operators:
    """Coefficients of a2 u'' + a1 u' + a0 u at x (m,) for every sample, and the conditions α u + β u' at both ends."""
    k = 1.4 * random.uniforms[:, :1]
    return Operators(a2=-1.0, a1=0.0, a0=-(k**2), left=(1.0, 0.0), right=(1.0, 0.0))


RECIPE = {
    "name": "helmholtz",
    "data": {"family": helmholtz, "n": 32},
    "model": {"kind": "green", "width": 32, "depth": 2, "heads": 2},
    "train": {
        "batch": 32,
        "learning_rate": 5e-3,
        "optimizer": "muon",
        "validate_every": 100,
        "validation": 64,
    },
}


def main(steps: int = 400, run: str | None = None) -> tuple[float, float]:
    """Train, export, measure, solve; return (error of the certified answer, 0)."""
    with tempfile.TemporaryDirectory() as scratch:
        recipe = load_recipe(RECIPE, {"train.steps": steps})
        train(recipe, run or f"{scratch}/run", callback=show)
        weights = str(export(run or f"{scratch}/run", f"{scratch}/weights", {}))
        measured = evaluate(weights, 64)["n=32"]
        print({loops: m["median"] for loops, m in measured.items() if isinstance(m, dict)})

        A, b = systems(helmholtz, 32, draw(seed=2, split="test", start=0, count=20))
        learned = Algebraformer(weights=weights)
        answer = solve_linear(A, b[:, :, 0], solver=learned)
        print(f"20 systems: success {answer.success}, fell back anywhere: {answer.fell_back}")
        x = np.linalg.solve(A, b)[:, :, 0]
        sol = solve_bvp(lambda x, u: -u.diff(2) - u - np.exp(x), (-1, 1), lbc=0, rbc=0, linear_solver=learned)
        print(f"a boundary value problem: success {sol.success}, by {sol.linear_solver}")
    return float(np.abs(answer.x - x).max() / np.abs(x).max()), 0.0


def show(progress: Progress) -> None:
    """Print the validation error where there is one."""
    if progress.error > 0:
        print(f"step {progress.step}: median relative error {progress.error:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--run", help="run directory, to go on later")
    main(**vars(parser.parse_args()))
