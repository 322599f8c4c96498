"""ResNet-18: photographs to classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ResNet18"]

_COLOURS = 3
_STAGES = (1, 2, 4, 8)
"""Channels of each stage, as multiples of the first one's; all but the first halve the picture."""
_BLOCKS_A_STAGE = 2


class ResNet18(nn.Module):
    """Two basic blocks in each of four stages. Source: He et al., 2016; `width` channels at first, there 64."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv2d(_COLOURS, width, 7, 2, padding=3, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            nn.MaxPool2d(3, 2, padding=1),
        )
        blocks, channels = [], width
        for stage, times in enumerate(_STAGES):
            for block in range(_BLOCKS_A_STAGE):
                blocks.append(BasicBlock(channels, times * width, stride=2 if stage and not block else 1))
                channels = times * width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Give logits (B, classes) of `image`, float32 (B, 3, H, W)."""
        logits: Tensor = self.head(self.blocks(self.stem(tensors["image"])).mean((2, 3)))
        return logits


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions, and the way around."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *(nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()),
            *(nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.around = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, picture: Tensor) -> Tensor:
        """Map float32 (B, channels, H, W) to (B, out, H / stride, W / stride)."""
        return F.relu(self.path(picture) + self.around(picture))
