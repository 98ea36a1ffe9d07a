"""The Algebraformer as published: one token per column of A, a pre-norm transformer, one number per token.

Source: Sittoni & Tudisco, "Algebraformer: A Neural Approach to Linear Systems", arXiv:2511.14263 (2025). Token i is
[A[:, i], b[i]] in R^(n+1), so that memory grows as n² where flattening A to n² tokens costs n⁴. There is no positional
encoding: a permutation of the tokens permutes the answer (unless `causal`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class AlgebraformerConfig:
    """Shape of the network; the defaults are the published ones, 9.5 M parameters at n = 64."""

    n: int = 64
    width: int = 256
    depth: int = 12
    heads: int = 8
    causal: bool = False


class Algebraformer(nn.Module):
    """Tokens (B, n, n + 1) to the unknowns (B, n)."""

    def __init__(self, config: AlgebraformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.n + 1, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, 1)
        scale_residual_branches(self.blocks)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, n, n + 1) as `column_tokens` makes them."""
        h = self.embed(tokens)
        for block in self.blocks:
            h = block(h, self.config.causal)
        return self.out(self.norm(h)).squeeze(-1).float()


class Block(nn.Module):
    """x + Attention(norm(x)), then + MLP(norm(x)), GELU, four times as wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_mix, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp_in, self.mlp_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Tensor, causal: bool = False) -> Tensor:
        """h (B, n, d) to the same; with `causal`, token i sees tokens 0 … i."""
        h = h + self.out(attend(*split_heads(self.qkv(self.norm_mix(h)), self.heads), causal))
        return h + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(h))))


def column_tokens(A: Tensor, b: Tensor) -> Tensor:
    """A (B, n, n), b (B, n) to tokens (B, n, n + 1): column i of A, then b[i]."""
    return torch.cat([A.transpose(-1, -2), b[..., None]], dim=-1)


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, n, 3d) to three of (B, heads, n, d / heads)."""
    batch, n, d3 = qkv.shape
    q, k, v = qkv.view(batch, n, 3, heads, d3 // (3 * heads)).permute(2, 0, 3, 1, 4)
    return q, k, v


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """Softmax attention, heads joined: (B, n, d).

    The fused kernel where there is a GPU; written out on CPUs, where its backward pass is several times slower than this
    for the short sequences here.
    """
    if q.is_cuda:
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    else:
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if causal:
            n = scores.shape[-1]
            scores = scores.masked_fill(
                torch.ones(n, n, dtype=torch.bool, device=q.device).triu(1), -torch.inf
            )
        mixed = torch.softmax(scores, dim=-1).to(v.dtype) @ v
    batch, heads, n, size = mixed.shape
    return mixed.transpose(1, 2).reshape(batch, n, heads * size)


def scale_residual_branches(blocks: nn.ModuleList) -> None:
    """Start the branches small, so that the signal of a deep stack does not grow (as GPT-2 does)."""
    for block in blocks:
        assert isinstance(block, Block)
        for layer in (block.out, block.mlp_out):
            nn.init.normal_(layer.weight, std=0.02 / (2 * len(blocks)) ** 0.5)
            nn.init.zeros_(layer.bias)
