"""A looped stack fed the exact residual of its own iterate: the first step beyond the published network.

Two blocks with shared weights run over a state per token; before each loop the state is given the embedding of the
matrix (computed once per A) and the residual c - M x of the present iterate, scaled to size one, with the logarithm of
its scale; after it, the correction is scaled back. So x is as equivariant to the scale of c as the scale input allows.
`models.green` replaces the stack by an explicit operator, and is what the shipped weights are; this network is kept for
the ablation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import encode
from .algebraformer import Block, scale_residual_branches


@dataclass(frozen=True)
class ResidualConfig:
    """Shape of the network; `feedback` off feeds the right-hand side once, for the ablation."""

    width: int = 96
    heads: int = 4
    depth: int = 2
    modes: int = encode.MODES
    feedback: bool = True


class ResidualAlgebraformer(nn.Module):
    """Tokens of `encode.features`, M (B, n, n) and c (B, n) to the iterates (loops, B, n)."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(encode.width(config.modes), config.width)
        self.embed_residual = nn.Linear(2, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, 1)
        scale_residual_branches(self.blocks)
        nn.init.normal_(self.out.weight, std=0.02)

    def forward(self, tokens: Tensor, M: Tensor, c: Tensor, loops: int) -> Tensor:
        """All iterates of `loops` loops."""
        embedding = self.embed(tokens)
        h, x, out = torch.zeros_like(embedding), torch.zeros_like(c), []
        residual = c
        for _ in range(loops):
            scale = residual.square().mean(dim=1, keepdim=True).sqrt() + 1e-20
            seen = torch.stack([residual / scale, torch.log10(scale).expand_as(residual)], dim=-1)
            h = h + embedding + self.embed_residual(seen)
            for block in self.blocks:
                h = block(h)
            x = x + self.out(self.norm(h)).squeeze(-1).float() * scale
            out.append(x)
            if self.config.feedback:
                with torch.autocast(x.device.type, enabled=False):
                    residual = c - (M @ x[..., None]).squeeze(-1)
        return torch.stack(out)
