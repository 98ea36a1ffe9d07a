"""The residual Algebraformer: one look at the matrix gives an approximate inverse, its loops do the rest.

The network sees the preconditioned matrix M = I + (compact) once, as n column tokens, and returns its approximate
inverse W (n, n). The answer is then looped, as x ← x + W (c - M x): every loop is fed the exact residual of its own
iterate. W depends on the matrix alone, so one look serves all right-hand sides, the answer scales with c exactly, and
‖I - W M‖ < 1 makes the loop a contraction for as many loops as one cares to run.

W is written as Green's functions of second-order operators are (semi-separable):

    W = I + Σ_h  Q ∘ exp(-|S_h(x_i) - S_h(x_j)|) ∘ Φ_h Ψ_hᵀ  +  the same with Q' and other Φ, Ψ, S

where Q is the spectral matrix of ∫ from -1 to x, Q' of ∫ from x to 1, Φ and Ψ (n, rank) are read off the tokens, and S is
the integral of a positive rate, also read off the tokens. The blocks mix tokens by attention and by Q and Q': solving a
differential equation is integrating. Nothing depends on n: one set of weights serves every grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import encode


@dataclass(frozen=True)
class GreenConfig:
    """Shape of the network: width and depth of the encoder, attention heads, Green's function heads and their rank."""

    width: int = 96
    depth: int = 4
    heads: int = 4
    green_heads: int = 4
    rank: int = 12
    modes: int = encode.MODES
    attention: bool = True
    integration: bool = True


class GreenAlgebraformer(nn.Module):
    """Tokens of `encode.features` to approximate inverses of the preconditioned matrices."""

    def __init__(self, config: GreenConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.embed = nn.Linear(encode.width(config.modes), d)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, 2 * config.green_heads * (2 * config.rank + 1))
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, tokens: Tensor, integral: Tensor, weights: Tensor) -> Tensor:
        """tokens (B, n, F), integral (n, n) and weights (n,) of the grid; returns W (B, n, n), float32."""
        back = weights - integral
        log_weights = torch.log(weights.clamp_min(1e-4))
        h = self.embed(tokens)
        for block in self.blocks:
            h = block(h, integral, back, log_weights)
        parts = self.head(self.norm(h)).float()
        batch, n, _ = parts.shape
        rank = self.config.rank
        parts = parts.view(batch, n, 2, self.config.green_heads, 2 * rank + 1).permute(2, 0, 3, 1, 4)
        kernel = parts[..., :rank] @ parts[..., rank : 2 * rank].transpose(-1, -2)
        distance = torch.matmul(integral, F.softplus(parts[..., -1:]))
        kernel = kernel * torch.exp(-(distance - distance.transpose(-1, -2)).abs())
        forward, backward = kernel.sum(2).unbind(0)
        return torch.eye(n, dtype=kernel.dtype, device=kernel.device) + forward * integral + backward * back


class Block(nn.Module):
    """Pre-norm block: tokens mixed by attention (keys weighted by quadrature) and by integration from both ends; MLP."""

    def __init__(self, config: GreenConfig) -> None:
        super().__init__()
        d, self.heads = config.width, config.heads
        self.norm_mix, self.norm_mlp = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d) if config.attention else None
        self.to_integrate = nn.Linear(d, d) if config.integration else None
        self.out = nn.Linear(d * (config.attention + config.integration), d)
        self.mlp_in, self.mlp_out = nn.Linear(d, 3 * d), nn.Linear(3 * d, d)
        for layer in (self.out, self.mlp_out):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor, integral: Tensor, back: Tensor, log_weights: Tensor) -> Tensor:
        """h (B, n, d) to the same."""
        batch, n, d = h.shape
        u = self.norm_mix(h)
        mixed = []
        if self.qkv is not None:
            q, k, v = self.qkv(u).view(batch, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
            # written out: on CPUs the fused kernel's backward pass is several times slower for short sequences
            scores = (q * (d // self.heads) ** -0.5) @ k.transpose(-1, -2) + log_weights
            attended = torch.softmax(scores, dim=-1).to(v.dtype) @ v
            mixed.append(attended.transpose(1, 2).reshape(batch, n, d))
        if self.to_integrate is not None:
            left, right = self.to_integrate(u).chunk(2, dim=-1)
            mixed += [torch.matmul(integral.to(left.dtype), left), torch.matmul(back.to(right.dtype), right)]
        h = h + self.out(torch.cat(mixed, dim=-1))
        return h + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(h))))
