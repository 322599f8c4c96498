"""Find the stocks that move together, and average what they say."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["GraphLayer", "neighbours"]


@torch.no_grad()
def neighbours(series: Tensor, count: int) -> Tensor:
    """Find int64 (B, count), the most correlated rows of float (B, T): itself first, repeated if B is small."""
    centred = series - series.mean(1, keepdim=True)
    unit = F.normalize(centred, dim=1)
    nearest = (unit @ unit.mT).topk(min(count, series.shape[0]), dim=1).indices
    own = torch.arange(series.shape[0], device=series.device)[:, None]
    return torch.cat((nearest, own.expand(-1, count - nearest.shape[1])), dim=1)


class GraphLayer(nn.Module):
    """Adds to each row what its neighbours say on average."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(width, width)
        self.others = nn.Linear(width, width, bias=False)

    def forward(self, rows: Tensor, graph: Tensor | None) -> Tensor:
        """Map float32 (B, width), int64 (B, K) or None for no neighbours, to (B, width)."""
        near = rows if graph is None else rows[graph].mean(1)
        mixed: Tensor = self.own(rows) + self.others(near)
        return rows + F.elu(mixed)
