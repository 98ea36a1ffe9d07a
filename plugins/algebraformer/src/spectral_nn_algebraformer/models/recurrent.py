"""The baselines of the paper: LSTM and GRU over the same column tokens.

Bidirectional, so that every unknown sees every column, as in the transformer it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class RecurrentConfig:
    """Cell "lstm" or "gru"; the defaults come near the 9.5 M parameters of the Algebraformer at n = 64."""

    n: int = 64
    cell: str = "lstm"
    width: int = 384
    depth: int = 3

    def __post_init__(self) -> None:
        if self.cell not in ("lstm", "gru"):
            raise ValueError(f"model.cell: expected 'lstm' or 'gru', got {self.cell!r}")


class Recurrent(nn.Module):
    """Tokens (B, n, n + 1) to the unknowns (B, n)."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        cell = nn.LSTM if config.cell == "lstm" else nn.GRU
        self.embed = nn.Linear(config.n + 1, config.width)
        self.cells = cell(
            config.width, config.width, num_layers=config.depth, batch_first=True, bidirectional=True
        )
        self.norm = nn.LayerNorm(2 * config.width)
        self.out = nn.Linear(2 * config.width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, n, n + 1) of `algebraformer.column_tokens`."""
        return self.out(self.norm(self.cells(self.embed(tokens))[0])).squeeze(-1).float()
