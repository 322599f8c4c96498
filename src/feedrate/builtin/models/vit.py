"""A vision transformer over the 81 squares of a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feedrate.builtin.models.heads import MoveHeads

__all__ = ["VisionTransformer"]

SQUARES, HAND, PIECES = 81, 14, 31


class VisionTransformer(nn.Module):
    """Pre-norm encoder over one token a square; the counts in hand are added to every token; mean pooling."""

    def __init__(self, width: int, depth: int, heads: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.piece = nn.Embedding(PIECES, width)
        self.place = nn.Parameter(torch.randn(SQUARES, width) * 0.02)
        self.hand = nn.Linear(HAND, width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.heads = MoveHeads(width, labels)

    @property
    def last_two(self) -> list[nn.Module]:
        """The last two layers, and the norm after them."""
        return [*list(self.layers)[-2:], self.norm]

    def forward(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give logits by label: `board` int64 (B, 81) and `hand` float32 (B, 14) to (B, 1496), `value` to (B,)."""
        tokens = self.piece(tensors["board"]) + self.place + self.hand(tensors["hand"])[:, None]
        for layer in self.layers:
            tokens = layer(tokens)
        pooled: dict[str, Tensor] = self.heads(self.norm(tokens).mean(1))
        return pooled


class EncoderLayer(nn.Module):
    """Self-attention, then a perceptron four times as wide; `causal`: no token looks at those after it."""

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map float32 (B, S, width) to the same shape."""
        rows, squares, width = tokens.shape
        packed = self.queries_keys_values(self.attention_norm(tokens)).view(rows, squares, 3, self.heads, -1)
        queries, keys, values = packed.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        tokens = tokens + self.mixed(attended.transpose(1, 2).reshape(rows, squares, width))
        refined: Tensor = tokens + self.perceptron(tokens)
        return refined
