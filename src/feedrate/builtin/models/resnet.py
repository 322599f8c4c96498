"""A residual network over the board as a picture of 9 x 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from feedrate.builtin.models.heads import MoveHeads

__all__ = ["ResNet"]

SIDE, HAND, PIECES = 9, 14, 31
_NARROWING = 4
_BLOCKS_A_STAGE = 2


class ResNet(nn.Module):
    """Bottleneck blocks, two a stage; every stage after the first halves the picture. Source: He et al., 2016."""

    def __init__(self, channels: Sequence[int], labels: Sequence[str]) -> None:
        super().__init__()
        width = channels[0] // _NARROWING
        self.piece = nn.Embedding(PIECES, width)
        self.hand = nn.Linear(HAND, width)
        self.stem = nn.Conv2d(width, width, 3, padding=1, bias=False)
        blocks: list[Bottleneck] = []
        for stage, out in enumerate(channels):
            for block in range(_BLOCKS_A_STAGE):
                blocks.append(Bottleneck(width, out, stride=2 if stage and not block else 1))
                width = out
        self.norm = nn.BatchNorm2d(channels[0] // _NARROWING)
        self.layers = nn.ModuleList(blocks)
        self.heads = MoveHeads(width, labels)

    @property
    def last_two(self) -> list[nn.Module]:
        """The last two blocks."""
        return list(self.layers)[-2:]

    def forward(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give logits by label: `board` int64 (B, 81) and `hand` float32 (B, 14) to (B, 1496), `value` to (B,)."""
        squares = self.piece(tensors["board"]) + self.hand(tensors["hand"])[:, None]
        picture = F.relu(self.norm(self.stem(squares.mT.unflatten(2, (SIDE, SIDE)))))
        for layer in self.layers:
            picture = layer(picture)
        pooled: dict[str, Tensor] = self.heads(picture.mean((2, 3)))
        return pooled


class Bottleneck(nn.Module):
    """1 x 1 down to a quarter of the channels, 3 x 3, 1 x 1 up, and the way around."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        inner = out // _NARROWING
        self.path = nn.Sequential(
            *(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or width != out:
            self.around = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, picture: Tensor) -> Tensor:
        """Map float32 (B, width, H, W) to (B, out, H / stride, W / stride)."""
        return F.relu(self.path(picture) + self.around(picture))
