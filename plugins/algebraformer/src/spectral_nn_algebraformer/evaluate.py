"""What weights are worth, on test streams that training never met; every table of the documentation starts here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import data, denoise, encode, spd
from .pretrained import config, load_network
from .recipe import Recipe, load_recipe
from .solvers import approximate_inverses

#: Loops after which the residual network is measured; None is "until they stop gaining".
LOOPS = (1, 2, 4, 8, 16, None)
#: Noise levels at which the denoiser is measured.
SIGMAS = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2)
#: Noise levels at which its band is calibrated, and systems for each: coverage to within a third of a per cent.
BAND_LEVELS, BAND_COUNT = 8, 2048


def evaluate(weights: str | Path, count: int = 2048, split: str = "test") -> dict[str, Any]:
    """Measures of weights on the test stream of their own recipe.

    Parameters
    ----------
    weights : str or Path
        Shipped weights by name, or a folder.
    count : int
        Test systems.
    split : str
        "test", or "validation".

    Returns
    -------
    dict
        Plain numbers, what depends on the objective of the recipe: see the functions of this module.
    """
    recipe = recipe_of(weights)
    return _BY_OBJECTIVE[recipe.data.objective](weights, recipe, count, split)


def operator_measures(weights: str | Path, recipe: Recipe, count: int, split: str) -> dict[str, Any]:
    """Residual network: errors after each number of loops, at every trained size, in float64."""
    out: dict[str, Any] = {}
    for n in sorted(set(recipe.data.n)):
        A, b, x = test_systems(recipe, n, count, split)
        encoded = encode.precondition(A, recipe.data.rows)
        W = approximate_inverses(str(weights), encoded)
        out[f"n={n}"] = {"kappa_median": float(np.median(np.linalg.cond(A[:256])))}
        for loops in LOOPS:
            answer = loop(encoded.P, A, W, b, loops if loops else 32)
            out[f"n={n}"]["converged" if loops is None else f"loops={loops}"] = errors(answer, x)
    return out


def solution_measures(weights: str | Path, recipe: Recipe, count: int, split: str) -> dict[str, Any]:
    """Published network, LSTM, GRU, flattened: mean square error in units of the deviation, relative errors."""
    import torch

    from .objectives import make_objective

    network = load_network(str(weights))
    objective: Any = make_objective(recipe)
    n = recipe.data.n[0]
    answers, truths = [], []
    with torch.inference_mode():
        for start in range(0, count, 128):
            batch = objective.batch(split, start, min(128, count - start), n)
            answers.append(network(batch["tokens"]).double().numpy())
            truths.append(batch["x"].double().numpy())
    x, answer = np.concatenate(truths), np.concatenate(answers)
    relative = np.linalg.norm(answer - x, axis=1) / np.linalg.norm(x, axis=1)
    return {f"n={n}": {"mse": float(((answer - x) ** 2).mean()), **quantiles(relative)}}


def noise_measures(weights: str | Path, recipe: Recipe, count: int, split: str) -> dict[str, Any]:
    """Denoiser: relative errors and coverage of the 90 % band that it was exported with, at each noise level.

    "answers" are those of the network alone; "through the door" is what `solve_linear` gives.
    """
    from spectral_nn import solve_linear

    from .solvers import Algebraformer

    n = recipe.data.n[0]
    systems = test_systems(recipe, n, count, split)
    door = Algebraformer(noise_weights=str(weights))
    out: dict[str, Any] = {}
    for sigma in SIGMAS:
        noisy_A, noisy_b, x = _with_noise(systems, sigma, recipe, split)
        u, half = denoise.answer(weights, noisy_A, noisy_b, np.full(count, sigma))
        answer = solve_linear(noisy_A, noisy_b, solver=door, noise=sigma)
        assert answer.x_error is not None
        out[f"n={n} sigma={sigma:g}"] = {
            "answers": {**_relative_quantiles(u, x), "coverage_of_90": coverage(u, half, x)},
            "through the door": {
                **_relative_quantiles(answer.x, x),
                "coverage_of_90": coverage(answer.x, answer.x_error, x),
            },
        }
    return out


def calibrate_band(
    weights: str | Path, recipe: Recipe | None = None, count: int = BAND_COUNT
) -> dict[str, list[float]]:
    """The factor by noise level with which the band covers 90 % of the points of the validation stream."""
    recipe = recipe or recipe_of(weights)
    systems = test_systems(recipe, recipe.data.n[0], count, "validation")
    plain = {"log_sigma": [0.0], "log_factor": [0.0]}
    out: dict[str, list[float]] = {"log_sigma": [], "log_factor": []}
    for sigma in np.geomspace(*denoise.SIGMAS, BAND_LEVELS):
        noisy_A, noisy_b, x = _with_noise(systems, sigma, recipe, "validation")
        u, scale = denoise.answer(weights, noisy_A, noisy_b, np.full(count, sigma), calibration=plain)
        ratio = np.abs(u - x)[:, 1:-1] / np.maximum(scale[:, 1:-1], 1e-300)
        out["log_sigma"].append(float(np.log(sigma)))
        out["log_factor"].append(float(np.log(np.quantile(ratio, 0.9))))
    return out


def coverage(u: np.ndarray, half: np.ndarray, x: np.ndarray) -> float:
    """Share of the inner points at which x is within the band."""
    return float((np.abs(u - x) <= half)[:, 1:-1].mean())


def _with_noise(
    systems: tuple[np.ndarray, np.ndarray, np.ndarray], sigma: float, recipe: Recipe, split: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    A, b, x = systems
    return *denoise.add_noise(A, b, np.full(len(A), sigma), recipe.seed, split, 0), x


def _relative_quantiles(u: np.ndarray, x: np.ndarray) -> dict[str, float]:
    return quantiles(np.linalg.norm(u - x, axis=1) / np.linalg.norm(x, axis=1))


def spd_measures(weights: str | Path, recipe: Recipe, count: int, split: str) -> dict[str, Any]:
    """Linear transformers: relative errors by size, beyond the trained sizes too."""
    import torch

    network = load_network(str(weights))
    sizes = recipe.data.n if recipe.model.get("weights") == "full" else (2, 4, 6, 9, 12, 16, 20, 30, 40, 60)
    out = {}
    for n in sorted(set(sizes)):
        d = recipe.data
        A, b, x = spd.systems(recipe.seed, split, 0, min(count, 512), n, d.kappa, d.p, d.gradients)
        with torch.inference_mode():
            answer = network(torch.from_numpy(A).float(), torch.from_numpy(b).float())[-1].double().numpy()
        out[f"n={n}"] = quantiles(np.linalg.norm(answer - x, axis=1) / np.linalg.norm(x, axis=1))
    return out


def start_measures(weights: str | Path, recipe: Recipe, count: int, split: str) -> dict[str, Any]:
    """Learned start: how far the proposal and least squares are above the minimum of ‖Ax - b‖_p, by p."""
    from .starts import LearnedStart

    start = LearnedStart(str(weights))
    n = recipe.data.n[0]
    out: dict[str, Any] = {}
    for p in recipe.data.p:
        A, b, exponents, best = spd.lp_problems(recipe.seed, split, 0, min(count, 128), n, (p,))
        least = np.stack([np.linalg.lstsq(a, c, rcond=None)[0] for a, c in zip(A, b, strict=True)])
        for name, x in (("least squares", least), ("learned start", start.batch(A, b, exponents))):
            r = np.abs(np.einsum("bmn,bn->bm", A, x) - b)
            top = r.max(axis=1)
            value = top * ((r / top[:, None]) ** p).sum(axis=1) ** (1 / p)
            out[f"n={n} p={p:g} {name}"] = quantiles(value / best - 1)
    return out


def test_systems(
    recipe: Recipe, n: int, count: int, split: str = "test", family: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A (B, n, n), b (B, n) and the LAPACK solutions x (B, n) of a recipe's stream (one right-hand side each)."""
    from .objectives import resolve_family

    draw = data.draw(recipe.seed, split, 0, count, recipe.data.rhs)
    A, b = data.systems(family or resolve_family(recipe.data.family), n, draw, recipe.data.rows)
    return A, b[:, :, 0], np.linalg.solve(A, b[:, :, :1])[..., 0]


def loop(P: np.ndarray, A: np.ndarray, W: np.ndarray, b: np.ndarray, loops: int) -> np.ndarray:
    """x after `loops` residual loops."""
    x = np.zeros_like(b)
    for _ in range(loops):
        x = x + np.einsum("bij,bj->bi", W, np.einsum("bij,bj->bi", P, b - np.einsum("bij,bj->bi", A, x)))
    return x


def errors(answer: np.ndarray, x: np.ndarray) -> dict[str, float]:
    """Mean square error in units of the standard deviation of x, and quantiles of the relative l2 error."""
    relative = np.linalg.norm(answer - x, axis=1) / np.linalg.norm(x, axis=1)
    return {"mse": float(((answer - x) ** 2).mean() / x.var()), **quantiles(relative)}


def quantiles(relative: np.ndarray) -> dict[str, float]:
    """Median, 95 % and largest."""
    return {
        "median": float(np.median(relative)),
        "q95": float(np.quantile(relative, 0.95)),
        "max": float(relative.max()),
    }


def recipe_of(weights: str | Path) -> Recipe:
    """The recipe that weights were trained by."""
    return load_recipe(config(weights)["recipe"])


def rows_of_table(measures: dict[str, Any]) -> list[Sequence[str]]:
    """Measures flattened to rows (where, measure, value) for printing."""
    rows: list[Sequence[str]] = []
    for key, value in measures.items():
        if isinstance(value, dict):
            rows += [(f"{key} {where}".strip(), what, shown) for where, what, shown in rows_of_table(value)]
        else:
            rows.append(("", key, f"{value:.3g}" if isinstance(value, float) else str(value)))
    return rows


_BY_OBJECTIVE = {
    "operator": operator_measures,
    "solution": solution_measures,
    "noise": noise_measures,
    "spd": spd_measures,
    "start": start_measures,
}
