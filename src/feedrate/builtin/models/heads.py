"""What stands on top of either board network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["MoveHeads"]

MOVES = 1_496


class MoveHeads(nn.Module):
    """A linear layer for each label: one logit a move, or a single one for `value`."""

    def __init__(self, width: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.linear = nn.ModuleDict({label: nn.Linear(width, 1 if label == "value" else MOVES) for label in labels})

    def forward(self, pooled: Tensor) -> dict[str, Tensor]:
        """Map float32 (B, width) to logits by label."""
        logits = {label: layer(pooled) for label, layer in self.linear.items()}
        return {label: values.squeeze(1) if label == "value" else values for label, values in logits.items()}
