"""Linear transformers that solve symmetric positive definite systems, with full and block re-parametrized weights.

Source: Vladymyrov, von Oswald, Miller, Sandler, "Efficient Linear System Solver with Transformers", AI for Math
workshop, ICML 2024. Token i is the equation (a_i, b_i, h_i), h_i a row of an embedding H; a query token
(x_0, 1, …, 1) is appended and holds the answer in its x-part after the last layer. A layer has no softmax:

    e_i ← e_i + Σ_heads Σ_{j ≤ N} (e_jᵀ Q e_i) P e_j  =  e_i + Σ_heads P S Q e_i,   S = Σ_{j ≤ N} e_j e_jᵀ

so that a layer is two matrix products with S, however many tokens there are. With *block* weights, P and Q are cut along
(a, b, h, h, h), H being three identities: a square block is a number times the identity, a rectangular one a number
times a vector of ones. The numbers do not depend on N: one set of weights serves every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LinearTransformerConfig:
    """`weights` "full" (then `n` is fixed and H (n, embedding) is learned) or "block" (three fixed identities)."""

    weights: str = "block"
    layers: int = 4
    heads: int = 4
    n: int = 9
    embedding: int = 27

    def __post_init__(self) -> None:
        if self.weights not in ("full", "block"):
            raise ValueError(f"model.weights: expected 'full' or 'block', got {self.weights!r}")


#: Blocks of a token with block weights: a, b, and three identities.
BLOCKS = 5


class LinearTransformer(nn.Module):
    """A (B, N, N) symmetric positive definite with norm about 1, b (B, N) to the query's x after every layer."""

    def __init__(self, config: LinearTransformerConfig) -> None:
        super().__init__()
        self.config = config
        if config.weights == "full":
            size = config.n + 1 + config.embedding
            self.embedding = nn.Parameter(torch.randn(config.n, config.embedding) * 0.3)
            shape = (config.layers, config.heads, size, size)
            std = 0.3 / size
        else:
            shape = (config.layers, config.heads, BLOCKS, BLOCKS)
            std = 0.05
        self.P = nn.Parameter(torch.randn(shape) * std)
        self.Q = nn.Parameter(torch.randn(shape) * std)

    def forward(self, A: Tensor, b: Tensor) -> Tensor:
        """The x-part of the query after each layer: (layers, B, N)."""
        batch, n, _ = A.shape
        tokens, query = self.tokens(A, b)
        stream = torch.cat([tokens, query], dim=1)
        out = []
        for layer in range(self.config.layers):
            S = stream[:, :n].transpose(1, 2) @ stream[:, :n]
            update = torch.zeros_like(stream)
            for head in range(self.config.heads):
                moved = self._times(self.Q[layer, head], stream, n) @ S
                update = update + self._times(self.P[layer, head], moved, n)
            stream = stream + update
            out.append(stream[:, n, :n])
        return torch.stack(out)

    def tokens(self, A: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Equation tokens (B, N, D) and the query token (B, 1, D)."""
        batch, n, _ = A.shape
        if self.config.weights == "full":
            if n != self.config.n:
                raise ValueError(f"A: full weights serve n = {self.config.n} alone, got n = {n}")
            H = self.embedding.expand(batch, -1, -1)
        else:
            H = torch.eye(n, dtype=A.dtype, device=A.device).repeat(1, 3).expand(batch, -1, -1)
        tokens = torch.cat([A, b[..., None], H], dim=-1)
        query = torch.ones_like(tokens[:, :1])
        query[..., :n] = 0.0
        return tokens, query

    def _times(self, weight: Tensor, rows: Tensor, n: int) -> Tensor:
        """weight @ each row of (B, m, D); block weights are never multiplied out."""
        if self.config.weights == "full":
            return rows @ weight.transpose(0, 1)
        a, b, h = rows[..., :n], rows[..., n : n + 1], rows[..., n + 1 :]
        wide = torch.stack([a, *h.split(n, dim=-1)], dim=-2)  # (B, m, 4, n)
        sums = wide.sum(dim=-1)  # (B, m, 4): a vector of ones times each wide block
        index = [0, 2, 3, 4]
        mixed = weight[index][:, index]
        new_wide = torch.einsum("pq,...qn->...pn", mixed, wide) + (b * weight[index, 1])[..., None]
        new_b = (sums * weight[1, index]).sum(-1, keepdim=True) + weight[1, 1] * b
        new_a, new_h = new_wide[..., 0, :], new_wide[..., 1:, :].flatten(-2)
        return torch.cat([new_a, new_b, new_h], dim=-1)
