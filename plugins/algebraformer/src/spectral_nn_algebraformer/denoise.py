"""Noisy systems: how noise is put on, and how a noisy system becomes what `models.denoiser` reads, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from spectral_nn.chebyshev import grid, matrices

from .encode import rows_of
from .reference import Reference, reference

#: σ is kept within what the network was trained for.
SIGMAS = (1e-5, 3e-2)
#: Row nodes away from the ends, where coefficients are read off best.
INNER = slice(6, -6)
#: What noise of level σ = 1 would pass for: mean of v / K, median of r / K (a third above the largest of 200 systems).
ADVECTION_NOISE, REACTION_NOISE = 13.0, 1500.0
#: The factor of a Laplace density's 90 % band, until one has been measured.
UNCALIBRATED = {"log_sigma": [0.0], "log_factor": [float(np.log(np.log(10.0)))]}
#: Set in the key of noise streams, which the streams of `data` leave clear.
_NOISE_BIT = 1 << 63


@dataclass(frozen=True)
class Readings:
    """A batch as the network reads it.

    readings (B, m, 5), log_sigma (B, 1), ends (B, 2): see `Denoiser.forward`; unit (B, 1): what its answer is to be
    multiplied by; misfit (B,): relative size of what is not a second-order operator, which is what noise makes it.
    """

    readings: np.ndarray
    log_sigma: np.ndarray
    ends: np.ndarray
    unit: np.ndarray
    misfit: np.ndarray


def add_noise(
    A: np.ndarray, b: np.ndarray, sigma: np.ndarray, seed: int, split: str, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Entries of A (B, n, n) times 1 + σξ, b (B, n) plus σ max|b| ξ, boundary rows exact; one stream per sample."""
    from .data import stream_key

    noisy_A, noisy_b = A.copy(), b.copy()
    n = A.shape[-1]
    for i in range(len(A)):
        key = stream_key(seed, split, start + i)
        key[0] |= np.uint64(_NOISE_BIT)
        xi = np.random.Generator(np.random.Philox(key=key)).standard_normal((n - 2, n + 1))
        noisy_A[i, 1:-1] *= 1.0 + sigma[i] * xi[:, :n]
        noisy_b[i, 1:-1] += sigma[i] * np.abs(b[i]).max() * xi[:, n]
    return noisy_A, noisy_b


def read(A: np.ndarray, b: np.ndarray, sigma: np.ndarray | None = None, rows: str | None = None) -> Readings:
    """Readings of systems -(K u')' = f with u given at both ends, (B, n, n) and (B, n).

    Parameters
    ----------
    sigma : ndarray (B,), optional
        Relative noise; estimated from the misfit of A if left out.
    rows : {"rectangular", "interior"}, optional
        Where the equations are collocated; found out from the first matrix if left out.
    """
    rows = rows or rows_of(A[0])
    table = reference(A.shape[-1], rows)
    inner = A[:, 1:-1]
    symbol = np.einsum("kij,bij->bki", table.symbol, inner, optimize=True)
    fitted = np.einsum("bki,kij->bij", symbol, table.basis, optimize=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        misfit = np.sqrt(np.nanmedian(((inner - fitted) / fitted) ** 2, axis=(1, 2))) / 0.6745
    sigma = np.clip(misfit if sigma is None else sigma, *SIGMAS)
    a2, a1 = symbol[:, 2], symbol[:, 1]
    mean = a2.mean(axis=1, keepdims=True)
    f = -b[:, 1:-1] / mean
    size = np.abs(f).max(axis=1, keepdims=True) + 1e-300
    x = grid.points(table.n - 2, 1)
    place = np.broadcast_to(np.stack([x, np.arccos(-x) / np.pi], axis=1), (*a2.shape, 2))
    log_K = np.log(np.maximum(a2 / mean, 1e-3))
    functions = np.stack([log_K, a1 / mean, f / size], axis=-1)
    if rows == "interior":
        functions = _to_first_kind(table.n) @ functions
    readings = np.concatenate([functions, place], axis=-1)
    ends = np.stack([b[:, 0] / A[:, 0, 0], b[:, -1] / A[:, -1, -1]], axis=1) / size
    return Readings(readings, np.log(sigma)[:, None], ends, size, misfit)


def answer(
    weights: str,
    A: np.ndarray,
    b: np.ndarray,
    sigma: np.ndarray | None = None,
    device: str = "cpu",
    calibration: dict[str, list[float]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """u (B, n) and the half-width (B, n) of its 90 % band, by the denoiser of these weights.

    The band is the network's scale times the factor that makes it cover 90 % of the validation stream, by noise level
    ("band" in config.json: logarithms of σ and of the factor), interpolated.
    """
    import torch

    from .pretrained import config, load_network

    network: Any = load_network(weights, device)
    readings = read(A, b, sigma)
    static = {k: torch.from_numpy(v).to(device) for k, v in tables(A.shape[-1], network.config.modes).items()}
    parts = [
        torch.from_numpy(v.astype(np.float32)).to(device)
        for v in (readings.readings, readings.log_sigma, readings.ends)
    ]
    with torch.inference_mode():
        u, log_band = (v.double().cpu().numpy() for v in network(*parts, static))
    if calibration is None:
        calibration = config(weights).get("metrics", {}).get("band", UNCALIBRATED)
    factor = np.interp(readings.log_sigma, calibration["log_sigma"], calibration["log_factor"])
    half = np.exp(log_band + factor) * np.abs(u).max(axis=1, keepdims=True)
    return u * readings.unit, half * readings.unit


def check(A: np.ndarray, sigma: np.ndarray, weights: str) -> None:
    """ValueError unless A (B, n, n) look like -(K u')' with u given at both ends, but for noise of σ (B,)."""
    from .pretrained import config

    sizes = config(weights)["recipe"]["data"]["n"]
    n = A.shape[-1]
    if n not in sizes:
        raise ValueError(
            f"A: the denoiser {weights!r} was trained for n = {', '.join(map(str, sizes))}, got n = {n}"
        )
    low, high = SIGMAS
    if (sigma < 0.99 * low).any() or (sigma > 1.01 * high).any():
        raise ValueError(
            f"noise: the denoiser was trained for σ between {low:g} and {high:g}, got {sigma.max():g}"
        )
    ends = A[:, [0, -1]].copy()
    ends[:, 0, 0] = ends[:, 1, -1] = 0.0
    if (A[:, 0, 0] == 0).any() or (A[:, -1, -1] == 0).any() or np.abs(ends).max() > 0:
        raise ValueError(
            "A: the denoiser takes u given at both ends; the first and last rows say something else"
        )
    readings = read(A, np.zeros(A.shape[:2]), sigma)
    if (readings.misfit > 4.0 * sigma + 1e-6).any():
        raise ValueError(
            f"A: farther from a second-order operator than noise of the stated level explains (by a factor "
            f"{(readings.misfit / sigma).max():.1f})"
        )
    table = tables(n, 24)
    slope = matrices.differentiation(n - 2, 1, 1)
    K, K_slope = np.exp(readings.readings[..., 0]), readings.readings[..., 1]
    smooth = table["synthesis"] @ table["analysis"]
    advection = (K_slope @ smooth.T - (K @ smooth.T) @ slope.T)[:, INNER]
    symbol = reference(n, rows_of(A[0])).symbol[[0, 2]]
    symbol = np.einsum("kij,bij->bki", symbol, A[:, 1:-1], optimize=True)
    reaction = (symbol[:, 0] / symbol[:, 1].mean(axis=1, keepdims=True))[:, INNER]
    strange = (np.abs(advection.mean(axis=1)) > 0.02 + ADVECTION_NOISE * sigma) | (
        np.abs(np.median(reaction, axis=1)) > 0.05 + REACTION_NOISE * sigma
    )
    if strange.any():
        raise ValueError(
            "A: not of the form -(K u')' as far as the noise lets see; the denoiser was trained on that alone"
        )


@lru_cache(maxsize=8)
def tables(n: int, modes: int) -> dict[str, np.ndarray]:
    """Matrices between row nodes (m = n - 2), grid and Chebyshev coefficients; float32."""
    table: Reference = reference(n)
    m = n - 2
    to_nodes = matrices.integration(m, kind=1)
    to_grid = matrices.integration(m, kind=1, x_to=table.x)
    x = grid.points(m, 1)
    out = {
        "integral": to_nodes,
        "weights": grid.quadrature_weights(m, 1),
        "to_grid": to_grid,
        "analysis": matrices.coefficients(m, kind=1)[:modes],
        "synthesis": matrices.vandermonde(x, modes),
        "upsample": table.upsample,
        "grid_integral": table.integral,
        "grid_weights": table.weights,
    }
    return {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in out.items()}


@lru_cache(maxsize=8)
def _to_first_kind(n: int) -> np.ndarray:
    """From the inner points of the grid to the Chebyshev points of the first kind, by least squares: it smooths a little."""
    degree = (n - 2) * 3 // 4
    fit = np.linalg.pinv(matrices.vandermonde(reference(n).x[1:-1], degree))
    return matrices.vandermonde(grid.points(n - 2, 1), degree) @ fit
