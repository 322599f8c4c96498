"""Recurrent networks over sequences of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["AttentionPooling", "FrameFusion", "SequenceRegressor"]

_LSTM_LAYERS = 2
DIRECTIONS = 3


class AttentionPooling(nn.Module):
    """The mean of the steps, weighted by a learned score."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, steps: Tensor) -> Tensor:
        """Map float32 (B, T, width) to (B, width)."""
        weights: Tensor = self.score(steps).softmax(dim=1)
        return (weights * steps).sum(1)


class SequenceRegressor(nn.Module):
    """Two LSTM layers, attention pooling, one linear layer."""

    def __init__(self, features: int, hidden: int, targets: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, _LSTM_LAYERS, batch_first=True)
        self.pooling = AttentionPooling(hidden)
        self.linear = nn.Linear(hidden, targets)

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Map `features` float32 (B, T, F) to (B, targets)."""
        steps, _ = self.lstm(tensors["features"])
        answer: Tensor = self.linear(self.pooling(steps))
        return answer


class FrameFusion(nn.Module):
    """One LSTM a window, their pooled outputs fused, a head for the direction and one for its size."""

    def __init__(self, frames: Sequence[str], features: int, hidden: int) -> None:
        super().__init__()
        self.frames = tuple(frames)
        self.lstms = nn.ModuleList(nn.LSTM(features, hidden, batch_first=True) for _ in frames)
        self.poolings = nn.ModuleList(AttentionPooling(hidden) for _ in frames)
        self.fusion = nn.Sequential(nn.Linear(hidden * len(self.frames), hidden), nn.LayerNorm(hidden), nn.GELU())
        self.direction = nn.Linear(hidden, DIRECTIONS)
        self.magnitude = nn.Linear(hidden, 1)

    def forward(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map windows float32 (B, length, F) to logits `direction` (B, 3) and `magnitude` (B,)."""
        parts = zip(self.frames, self.lstms, self.poolings, strict=True)
        pooled = [pooling(lstm(tensors[frame])[0]) for frame, lstm, pooling in parts]
        fused = self.fusion(torch.cat(pooled, dim=1))
        return {"direction": self.direction(fused), "magnitude": self.magnitude(fused).squeeze(1)}
