"""The encoding that column tokens are compared with: every entry of A is a token, n² of them, O(n⁴) attention.

Token (i, j) holds [A[i, j], b[i]] and learned embeddings of its row and column; the unknown x_j is read off the mean of
the tokens of column j. Built for the ablation at n = 16.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .algebraformer import Block, scale_residual_branches


@dataclass(frozen=True)
class FlattenedConfig:
    """Shape of the network; n² tokens of `width`."""

    n: int = 16
    width: int = 256
    depth: int = 12
    heads: int = 8


class Flattened(nn.Module):
    """Tokens (B, n, n + 1) of `algebraformer.column_tokens` to the unknowns (B, n)."""

    def __init__(self, config: FlattenedConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(2, config.width)
        self.row = nn.Parameter(torch.randn(config.n, 1, config.width) * 0.02)
        self.column = nn.Parameter(torch.randn(1, config.n, config.width) * 0.02)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, 1)
        scale_residual_branches(self.blocks)

    def forward(self, tokens: Tensor) -> Tensor:
        """The same tokens as the column encoding, taken apart again."""
        batch, n, _ = tokens.shape
        A = tokens[..., :n].transpose(1, 2)  # (B, rows, columns)
        b = tokens[..., n][:, :, None].expand(batch, n, n)
        h = self.embed(torch.stack([A, b], dim=-1)) + self.row + self.column
        h = h.reshape(batch, n * n, -1)
        for block in self.blocks:
            h = block(h)
        h = self.norm(h).view(batch, n, n, -1).mean(dim=1)
        return self.out(h).squeeze(-1).float()
