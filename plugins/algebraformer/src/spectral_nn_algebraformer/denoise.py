"""Noisy systems: how noise is put on, and how a noisy system becomes what `models.denoiser` reads, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from spectral_nn.chebyshev import grid, matrices

from .reference import Reference, reference

#: σ is kept within what the network was trained for.
SIGMAS = (1e-5, 3e-2)
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


def read(A: np.ndarray, b: np.ndarray, sigma: np.ndarray | None = None) -> Readings:
    """Readings of systems -(K u')' = f with u given at both ends, (B, n, n) and (B, n).

    Parameters
    ----------
    sigma : ndarray (B,), optional
        Relative noise; estimated from the misfit of A if left out.
    """
    table = reference(A.shape[-1])
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
    readings = np.concatenate([np.stack([log_K, a1 / mean, f / size], axis=-1), place], axis=-1)
    ends = np.stack([b[:, 0] / A[:, 0, 0], b[:, -1] / A[:, -1, -1]], axis=1) / size
    return Readings(readings, np.log(sigma)[:, None], ends, size, misfit)


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
