"""The network for noisy data: recover the operator behind a noisy matrix, then integrate it.

Entries of A and b carry relative noise σ, so A⁻¹b is worthless long before b is: A is ill-conditioned and its residual
says nothing. But A holds n² noisy readings of 3 n numbers. Weighted least squares reads the coefficients off each row
(`reference.Reference.symbol`), a Wiener filter with learned gains smooths them and the right-hand side, blocks as in
`models.green` correct both, and -(K u')' = f is integrated exactly:

    u(x) = ∫ (C - F) / K,   F = ∫ f,   C = ∫ (F / K) / ∫ (1 / K)

A second, smaller stack that sees the answer predicts the half-width of its error band.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .green import Block, GreenConfig

#: Numbers per row node: the five readings, log σ, and the two smoothed functions.
FEATURES = 8


@dataclass(frozen=True)
class DenoiserConfig:
    """Shape of the network; `modes` Chebyshev coefficients are filtered, the others dropped."""

    width: int = 64
    depth: int = 3
    band_depth: int = 1
    heads: int = 4
    modes: int = 48


class Denoiser(nn.Module):
    """Noisy readings at the m = n - 2 row nodes to u on the grid and the logarithm of its error band."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        shape = GreenConfig(width=config.width, heads=config.heads)
        self.gains = nn.Sequential(nn.Linear(2, 64), nn.GELU(), nn.Linear(64, 2 * config.modes))
        self.embed = nn.Linear(FEATURES, config.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, 2)
        self.band_embed = nn.Linear(config.width + 3, config.width)
        self.band_blocks = nn.ModuleList(Block(shape) for _ in range(config.band_depth))
        self.band_norm = nn.LayerNorm(config.width)
        self.band_out = nn.Linear(config.width, 1)
        nn.init.normal_(self.out.weight, std=1e-3)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, readings: Tensor, log_sigma: Tensor, ends: Tensor, tables: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """One batch, with the tables of `denoise.tables`.

        readings (B, m, 5) at the row nodes: log of K over its mean, slope over the mean of K, f over its size, x, θ/π;
        log_sigma (B, 1); ends (B, 2): the values u(-1), u(1). Returns u (B, n) in units of size(f) / mean(K), which
        `ends` has too, and the log of the scale (B, n) of its error over max |u|.
        """
        t = tables
        modes = self.config.modes
        level = torch.cat([log_sigma, log_sigma**2 / 5.0], dim=-1) / 5.0
        gains = torch.sigmoid(3.0 + self.gains(level)).float().view(-1, modes, 2)
        with torch.autocast(readings.device.type, enabled=False):
            smooth = t["synthesis"] @ (gains * (t["analysis"] @ readings[..., [0, 2]]))
        noise = log_sigma[:, None, :].expand(-1, readings.shape[1], 1) / 5.0
        h = self.embed(torch.cat([readings, noise, smooth], dim=-1))
        log_weights = torch.log(t["weights"].clamp_min(1e-4))
        for block in self.blocks:
            h = block(h, t["integral"], t["weights"] - t["integral"], log_weights)
        correction = self.out(self.norm(h)).float()
        with torch.autocast(readings.device.type, enabled=False):
            # corrections are of the size of the noise, and as smooth as what they correct
            correction = t["synthesis"] @ (t["analysis"] @ correction)
            log_K, f = (smooth + 10.0 * torch.exp(log_sigma)[:, None, :] * correction).unbind(-1)
            u = integrate(log_K, f, ends, t)
            size = u.abs().amax(dim=1, keepdim=True) + 1e-12
            seen = torch.cat(
                [t["upsample"] @ h.float(), (u / size)[..., None], t["upsample"] @ smooth], dim=-1
            )
        g = self.band_embed(seen.detach())
        log_weights = torch.log(t["grid_weights"].clamp_min(1e-4))
        for block in self.band_blocks:
            g = block(g, t["grid_integral"], t["grid_weights"] - t["grid_integral"], log_weights)
        return u, self.band_out(self.band_norm(g)).squeeze(-1).float() + log_sigma


def integrate(log_K: Tensor, f: Tensor, ends: Tensor, tables: dict[str, Tensor]) -> Tensor:
    """-(K u')' = f with u at both ends given, K and f (B, m) at the row nodes; u (B, n) on the grid."""
    inverse_K = torch.exp(-log_K)
    total = f @ tables["integral"].T
    rise = (ends[:, 1] - ends[:, 0]) + (total * inverse_K) @ tables["weights"]
    constant = rise / (inverse_K @ tables["weights"])
    return ends[:, :1] + ((constant[:, None] - total) * inverse_K) @ tables["to_grid"].T


def band_loss(log_band: Tensor, error: Tensor) -> Tensor:
    """Negative log-likelihood (B,) of errors (B, n) under Laplace densities of scale exp(log_band)."""
    return (log_band + error.abs() * torch.exp(-log_band)).mean(dim=1)
