"""A learned start for min ‖Ax - b‖_p: a few weighted least-squares problems whose row weights a network chooses.

Iteratively reweighted least squares takes the weights |r_i|^(p - 2) and crawls or diverges for large p. Here a small
network, the same for every row, chooses them from the row's residual, all other rows' residuals (through means and
maxima over rows) and p; each of its `rounds` costs one linear solve, as a Newton iteration does. Neither the number of
rows nor of unknowns is fixed, and permuting rows changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Per row: logs of |r| over its maximum and its mean, of the last weight, of the leverage; then log p, m/n, round.
FEATURES = 7
#: Weights stay within exp(-LOWEST), beyond which normal equations in float32 lose the rows.
LOWEST = 9.0


@dataclass(frozen=True)
class ReweightingConfig:
    """Width of the row network, and weighted least-squares solves."""

    width: int = 64
    depth: int = 2
    rounds: int = 2


class Reweighting(nn.Module):
    """A (B, m, n), b (B, m), p (B,) to the points (rounds + 1, B, n), the first of which is least squares."""

    def __init__(self, config: ReweightingConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(FEATURES, config.width)
        self.layers = nn.ModuleList(nn.Linear(3 * config.width, config.width) for _ in range(config.depth))
        self.out = nn.Linear(config.width, 1)
        nn.init.normal_(self.out.weight, std=1e-3)

    def forward(self, A: Tensor, b: Tensor, p: Tensor) -> Tensor:
        """All in float32; rows of A about as long as one another."""
        batch, m, n = A.shape
        log_w = torch.zeros(batch, m, dtype=A.dtype, device=A.device)
        points = []
        for k in range(self.config.rounds + 1):
            x, leverage = weighted_least_squares(A, b, torch.exp(log_w))
            points.append(x)
            if k == self.config.rounds:
                break
            size = (torch.einsum("bmn,bn->bm", A, x) - b).abs() + 1e-20
            log_top = torch.log(size / size.amax(1, keepdim=True)).clamp_min(-12.0)
            log_mean = torch.log(size / size.mean(1, keepdim=True)).clamp_min(-12.0)
            whole = torch.stack(
                [torch.log(p), torch.full_like(p, m / n), torch.full_like(p, float(k))], dim=-1
            )
            rows = torch.stack([log_top, log_mean, log_w / 3.0, torch.log(leverage.clamp(1e-6, 1.0))], dim=-1)
            h = self.embed(torch.cat([rows, whole[:, None].expand(-1, m, -1)], dim=-1))
            for layer in self.layers:
                u = F.gelu(h)
                around = torch.cat([u.mean(1, keepdim=True), u.amax(1, keepdim=True)], dim=-1)
                h = h + layer(torch.cat([u, around.expand(-1, m, -1)], dim=-1))
            # IRLS, damped as Newton's method is, is where the network starts
            newton = (p[:, None] - 2.0) * log_top / (p[:, None] - 1.0).clamp_min(1.0)
            log_w = newton + self.out(F.gelu(h)).squeeze(-1)
            log_w = log_w - log_w.amax(1, keepdim=True)
            log_w = LOWEST * torch.tanh(log_w / LOWEST)
        return torch.stack(points)


def weighted_least_squares(A: Tensor, b: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """argmin Σ w_i (Ax - b)_i² (B, n), and the leverages (B, m) of the weighted rows."""
    scaled = A * w[..., None]
    H = A.transpose(1, 2) @ scaled
    n = H.shape[-1]
    H = H + 1e-6 * H.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(
        n, dtype=H.dtype, device=H.device
    )
    factor = torch.linalg.cholesky(H)
    x = torch.cholesky_solve((scaled.transpose(1, 2) @ b[..., None]), factor).squeeze(-1)
    half = torch.linalg.solve_triangular(factor, A.transpose(1, 2), upper=False)
    return x, half.square().sum(1) * w
