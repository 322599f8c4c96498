"""A small GPT: tokens to the tokens that follow them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feedrate.builtin.models.vit import EncoderLayer

__all__ = ["Gpt"]


class Gpt(nn.Module):
    """Pre-norm decoder with learned places and tied embeddings. Source: Radford et al., 2019."""

    def __init__(self, vocabulary: int, context: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.token.weight, std=0.02)
        self.place = nn.Parameter(torch.randn(context, width) * 0.02)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, causal=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Give logits (B, S, vocabulary) of what follows each of `tokens`, int64 (B, S)."""
        tokens = tensors["tokens"]
        stream = self.token(tokens) + self.place[: tokens.shape[1]]
        for layer in self.layers:
            stream = layer(stream)
        return F.linear(self.norm(stream), self.token.weight)
