"""Linear transformers that solve symmetric positive definite systems, with full and block re-parametrized weights.

Source: Vladymyrov, von Oswald, Miller, Sandler, "Efficient Linear System Solver with Transformers", AI for Math
workshop, ICML 2024. Token i is the equation (a_i, b_i, h_i), h_i a row of an embedding H; a query token
(x_0, 1, …, 1) is appended and holds the answer in its x-part after the last layer. A layer has no softmax:

    e_i ← e_i + Σ_heads Σ_{j ≤ N} (e_jᵀ Q e_i) P e_j  =  e_i + Σ_heads P S Q e_i,   S = Σ_{j ≤ N} e_j e_jᵀ

S has rank N and is not formed: with E the tokens as columns, a layer is the two matrix products E (Eᵀ Q e). With
*block* weights, P and Q are cut along (a, b, h, h, h), H being identities: a square block is a number times the
identity, a rectangular one a number times a vector of ones. The numbers do not depend on N: one set of weights serves
every size.

What the answer does as N grows is decided by those ones. A vector of ones has norm √N, so every layer multiplies by powers
of N, and weights trained at small N diverge beyond. Divided by √N (`ones="unit"`) it does not; left out (`ones="none"`),
what remains is products of A and b bᵀ applied to b, the same at every N, and no worse: where eigenvectors have no preferred
direction, nor has the answer. With `linear=True` b enters to first order only (the limit of small b): the answer is then
r(A) b, r a polynomial, and tokens need not be computed again for another b.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LinearTransformerConfig:
    """The variants of the paper, and two beyond it.

    Parameters
    ----------
    weights : {"full", "block"}
        Full weights serve `n` alone, and learn H (n, embedding). Block weights serve every size.
    layers, heads : int
    n, embedding : int
        Of full weights.
    identities : int
        Identities that make up H, with block weights; the paper has three.
    ones : {"plain", "unit", "none"}
        Rectangular blocks, and the query's h: ones as published, ones over √N, or zero.
    linear : bool
        Whether b enters to first order only; needs block weights and ones "none".
    """

    weights: str = "block"
    layers: int = 4
    heads: int = 4
    n: int = 9
    embedding: int = 27
    identities: int = 3
    ones: str = "plain"
    linear: bool = False

    def __post_init__(self) -> None:
        if self.weights not in ("full", "block"):
            raise ValueError(f"model.weights: expected 'full' or 'block', got {self.weights!r}")
        if self.ones not in ("plain", "unit", "none"):
            raise ValueError(f"model.ones: expected 'plain', 'unit' or 'none', got {self.ones!r}")
        if self.identities < 1:
            raise ValueError(f"model.identities: expected at least 1, got {self.identities}")
        if self.linear and (self.weights != "block" or self.ones != "none"):
            raise ValueError(
                "model.linear: needs weights = 'block' and ones = 'none'; the others mix b with ones"
            )


class LinearTransformer(nn.Module):
    """A (B, N, N) symmetric positive definite with norm about 1, b (B, N) to the query's x after every layer.

    Parameters `P` and `Q` are (layers, heads, blocks, blocks) for block weights, block 1 being b; without ones the blocks
    beside b are left out, and `P_b`, `Q_b` (layers, heads) hold the number that goes with b. A linear network also
    takes several right-hand sides b (B, N, k), for little more than the price of one.
    """

    def __init__(self, config: LinearTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.wide = 1 + config.identities
        if config.weights == "full":
            size = config.n + 1 + config.embedding
            self.embedding = nn.Parameter(torch.randn(config.n, config.embedding) * 0.3)
            std = 0.3 / size
        else:
            size = self.wide + (config.ones != "none")
            std = 0.05
        shape = (config.layers, config.heads, size, size)
        self.P = nn.Parameter(torch.randn(shape) * std)
        self.Q = nn.Parameter(torch.randn(shape) * std)
        if config.weights == "block" and config.ones == "none":
            self.P_b = nn.Parameter(torch.randn(shape[:2]) * std)
            self.Q_b = nn.Parameter(torch.randn(shape[:2]) * std)

    def forward(self, A: Tensor, b: Tensor) -> Tensor:
        """The x-part of the query after each layer: (layers, *b.shape)."""
        if self.config.weights == "full":
            return self._forward_full(A, b)
        return self._forward_linear(A, b) if self.config.linear else self._forward_block(A, b)

    def tokens(self, A: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Equation tokens (B, N, D) and the query token (B, 1, D), as rows."""
        batch, n, _ = A.shape
        if self.config.weights == "full":
            if n != self.config.n:
                raise ValueError(f"A: full weights serve n = {self.config.n} alone, got n = {n}")
            H = self.embedding.expand(batch, -1, -1)
        else:
            H = torch.eye(n, dtype=A.dtype, device=A.device).repeat(1, self.config.identities)
            H = H.expand(batch, -1, -1)
        tokens = torch.cat([A, b[..., None], H], dim=-1)
        query = torch.ones_like(tokens[:, :1])
        query[..., :n] = 0.0
        if self.config.weights == "block":
            query[..., n + 1 :] = self._one(n)
        return tokens, query

    def multiplied_out(self, layer: int, head: int, n: int) -> tuple[Tensor, Tensor]:
        """P and Q of one head as the (D, D) matrices that they stand for; nothing here computes with these."""
        if self.config.weights == "full":
            return self.P[layer, head], self.Q[layer, head]
        sizes = [n, 1] + [n] * self.config.identities
        out = []
        for numbers, wide_b, b_wide, b_b in (
            self._blocks(self.P[layer], self._of_b("P", layer)),
            self._blocks(self.Q[layer], self._of_b("Q", layer)),
        ):
            dense = torch.zeros(sum(sizes), sum(sizes), dtype=numbers.dtype)
            rows = torch.arange(sum(sizes)).split(sizes)
            wide = [rows[0], *rows[2:]]
            for i, at in enumerate(wide):
                for j, to in enumerate(wide):
                    dense[at, to] = numbers[head, i, j]
                dense[at, n] = wide_b[head, i] * self._one(n)
                dense[n, at] = b_wide[head, i] * self._one(n)
            dense[n, n] = b_b[head]
            out.append(dense)
        return out[0], out[1]

    def _forward_full(self, A: Tensor, b: Tensor) -> Tensor:
        tokens, query = self.tokens(A, b)
        n = self.config.n
        stream, out = torch.cat([tokens, query], dim=1), []
        for P, Q in zip(self.P, self.Q, strict=True):
            tokens = stream[:, None, :n]
            moved = (stream[:, None] @ Q.transpose(1, 2)) @ tokens.transpose(2, 3) @ tokens
            stream = stream + (moved @ P.transpose(1, 2)).sum(1)
            out.append(stream[:, n, :n])
        return torch.stack(out)

    def _forward_block(self, A: Tensor, b: Tensor) -> Tensor:
        """Tokens stand as columns, the query last: wide parts (B, W, N, N + 1), b-parts (B, N + 1)."""
        n, one = A.shape[1], self._one(A.shape[1])
        wide = torch.cat([self._start(A), one * self._first_wide_ones(A)], dim=-1)
        beta = torch.cat([b, torch.ones_like(b[:, :1])], dim=1)
        out = []
        for layer in range(self.config.layers):
            E, v = wide[:, None, ..., :n].flatten(2, 3), beta[:, None, :n, None]
            if layer == self.config.layers - 1:
                wide, beta = wide[..., n:], beta[:, n:]  # only the query is read after the last layer
            mix, to_wide, from_wide, b_b = self._blocks(self.Q[layer], self._of_b("Q", layer))
            moved, moved_b = _mixed(mix, wide), b_b[:, None] * beta[:, None]
            if one:
                moved = moved + one * (to_wide[..., None] * beta[:, None, None])[:, :, :, None]
                moved_b = moved_b + one * torch.einsum("hk,bknm->bhm", from_wide, wide)
            scores = E.transpose(2, 3) @ moved.flatten(2, 3) + v * moved_b[:, :, None]  # e_jᵀ Q e_i by head
            summed, summed_b = (E @ scores).view_as(moved), (v * scores).sum(2)
            mix, to_wide, from_wide, b_b = self._blocks(self.P[layer], self._of_b("P", layer))
            wide = wide + _gathered(mix, summed)
            beta = beta + torch.einsum("h,bhm->bm", b_b, summed_b)
            if one:
                wide = wide + one * torch.einsum("hk,bhm->bkm", to_wide, summed_b)[:, :, None]
                beta = beta + one * torch.einsum("hk,bhknm->bm", from_wide, summed)
            out.append(wide[:, 0, :, -1])
        return torch.stack(out)

    def _forward_linear(self, A: Tensor, b: Tensor) -> Tensor:
        """To first order in b: the wide parts of tokens see A alone, the query's b-part stays 1."""
        v = b if b.ndim == 3 else b[..., None]
        wide, out = self._start(A), []
        query = v.new_zeros(v.shape[0], self.wide, *v.shape[1:])
        for layer in range(self.config.layers):
            Q, P = self.Q[layer], self.P[layer]
            E = wide[:, None].flatten(2, 3)
            moved = _mixed(Q, query)
            scores = E.transpose(2, 3) @ moved.flatten(2, 3) + self.Q_b[layer][:, None, None] * v[:, None]
            query = query + _gathered(P, (E @ scores).view_as(moved))
            out.append(query[:, 0] if b.ndim == 3 else query[:, 0, :, 0])
            if layer < self.config.layers - 1:
                moved = _mixed(Q, wide)
                scores = E.transpose(2, 3) @ moved.flatten(2, 3)
                weighted = torch.einsum("h,bhji->bij", self.P_b[layer], scores)
                v = v + weighted @ v
                wide = wide + _gathered(P, (E @ scores).view_as(moved))
        return torch.stack(out)

    def _start(self, A: Tensor) -> Tensor:
        """Wide parts of the tokens: A and the identities (B, W, N, N)."""
        eye = torch.eye(A.shape[1], dtype=A.dtype, device=A.device)
        return torch.cat([A[:, None], eye.expand(A.shape[0], self.config.identities, -1, -1)], dim=1)

    def _first_wide_ones(self, A: Tensor) -> Tensor:
        """Ones in the h-parts of the query, zeros in x: (B, W, N, 1)."""
        ones = A.new_ones(A.shape[0], self.wide, A.shape[1], 1)
        ones[:, 0] = 0.0
        return ones

    def _one(self, n: int) -> float:
        """The entries of a vector of ones."""
        return {"plain": 1.0, "unit": n**-0.5, "none": 0.0}[self.config.ones]

    def _of_b(self, name: str, layer: int) -> Tensor | None:
        return getattr(self, f"{name}_b")[layer] if self.config.ones == "none" else None

    def _blocks(self, weight: Tensor, of_b: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Numbers by head: wide from wide (H, W, W), wide from b (H, W), b from wide (H, W), b from b (H,)."""
        if of_b is not None:
            zero = weight.new_zeros(weight.shape[:2])
            return weight, zero, zero, of_b
        index = [0, *range(2, self.wide + 1)]
        return weight[:, index][:, :, index], weight[:, index, 1], weight[:, 1, index], weight[:, 1, 1]


def _mixed(numbers: Tensor, wide: Tensor) -> Tensor:
    """Blocks by numbers (H, W, W), all heads in one product: (B, W, N, m) to (B, H, W, N, m)."""
    batch, W, n, m = wide.shape
    weight = numbers.flatten(0, 1).expand(batch, -1, -1)  # bmm: matmul would fold the batch, with copies
    return torch.bmm(weight, wide.flatten(2)).view(batch, len(numbers), W, n, m)


def _gathered(numbers: Tensor, moved: Tensor) -> Tensor:
    """Σ over heads of blocks by numbers (H, W, W): (B, H, W, N, m) to (B, W, N, m)."""
    batch, heads, W, n, m = moved.shape
    weight = numbers.transpose(0, 1).flatten(1).expand(batch, -1, -1)
    return torch.bmm(weight, moved.reshape(batch, heads * W, n * m)).view(batch, W, n, m)
