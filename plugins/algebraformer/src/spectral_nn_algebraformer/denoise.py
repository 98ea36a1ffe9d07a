"""Noisy systems: how noise is put on, and how a noisy system becomes what `models.denoiser` reads, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spectral_nn.chebyshev import grid, matrices

from .encode import rows_of
from .reference import Reference, reference

#: σ is kept within what the network was trained for.
SIGMAS = (1e-5, 3e-2)
#: Systems that go through the network together: activations that stay in the second-level cache.
CHUNK = 32
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
    symbol, far = _symbol(A, table)
    sigma = np.clip(far if sigma is None else sigma, *SIGMAS)
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
    return Readings(readings, np.log(sigma)[:, None], ends, size, far)


def misfit(A: np.ndarray, rows: str) -> np.ndarray:
    """Relative distance (B,) of A (B, n, n) from a second-order operator: the median over entries, as a deviation."""
    return _symbol(A, reference(A.shape[-1], rows))[1]


def answer(
    weights: str | Path,
    A: np.ndarray,
    b: np.ndarray,
    sigma: np.ndarray | None = None,
    device: str = "cpu",
    rows: str | None = None,
    calibration: Mapping[str, list[float]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """u (B, n) and the half-width (B, n) of its 90 % band, by the denoiser of these weights.

    The band is the network's scale times the factor that makes it cover 90 % of the validation stream, by noise level
    ("band" in config.json: logarithms of σ and of the factor), interpolated.

    Raises
    ------
    WeightsError
        If the weights are of another network, or were exported without measuring the band.
    """
    import torch

    from .pretrained import load_network

    network: Any = load_network(weights, device, kind="denoiser")
    if calibration is None:
        calibration = shipped_band(weights)
    readings = read(A, b, sigma, rows)
    static = {k: torch.from_numpy(v).to(device) for k, v in tables(A.shape[-1], network.config.modes).items()}
    parts = [
        torch.from_numpy(v.astype(np.float32)).to(device)
        for v in (readings.readings, readings.log_sigma, readings.ends)
    ]
    u, log_band = np.empty(b.shape), np.empty(b.shape)
    step = CHUNK if device == "cpu" else max(len(b), 1)
    with torch.inference_mode():
        for at in range(0, len(b), step):
            some = slice(at, at + step)
            u[some], log_band[some] = (v.cpu().numpy() for v in network(*(p[some] for p in parts), static))
    factor = np.interp(readings.log_sigma, calibration["log_sigma"], calibration["log_factor"])
    half = np.exp(log_band + factor) * np.abs(u).max(axis=1, keepdims=True)
    return u * readings.unit, half * readings.unit


def shipped_band(weights: str | Path) -> dict[str, list[float]]:
    """The calibration of the band that these weights were exported with; WeightsError if there is none."""
    from .pretrained import WeightsError, config

    band = config(weights).get("band")
    if not band:
        raise WeightsError(
            f"weights {str(weights)!r}: no calibrated error band in config.json; export the run again."
        )
    return band


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


def _symbol(A: np.ndarray, table: Reference) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (B, 3, n - 2) of u, u', u'' by rows, and the relative misfit (B,)."""
    inner = A[:, 1:-1]
    symbol = np.einsum("kij,bij->bki", table.symbol, inner, optimize=True)
    fitted = np.einsum("bki,kij->bij", symbol, table.basis, optimize=True)
    with np.errstate(all="ignore"):
        return symbol, np.sqrt(np.nanmedian(((inner - fitted) / fitted) ** 2, axis=(1, 2))) / 0.6745


@lru_cache(maxsize=8)
def _to_first_kind(n: int) -> np.ndarray:
    """From the inner points of the grid to the Chebyshev points of the first kind, by least squares: it smooths a little."""
    degree = (n - 2) * 3 // 4
    fit = np.linalg.pinv(matrices.vandermonde(reference(n).x[1:-1], degree))
    return matrices.vandermonde(grid.points(n - 2, 1), degree) @ fit
