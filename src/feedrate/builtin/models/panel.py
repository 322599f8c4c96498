"""The network of daywindows: selection, LSTM, attention, two graph layers, quantiles of four horizons."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from feedrate.builtin.models.graph import GraphLayer, neighbours
from feedrate.builtin.models.selection import VariableSelection

__all__ = ["LastStepAttention", "PanelNet"]

HORIZONS, QUANTILES = 4, 5
_HEADS = 4


class LastStepAttention(nn.Module):
    """What the last step finds when it looks back over all steps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * width)
        self.mixed = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, steps: Tensor) -> Tensor:
        """Map float32 (B, T, width) to (B, width)."""
        rows, _, width = steps.shape
        last = steps[:, -1]
        query = self.query(last).view(rows, 1, _HEADS, -1).transpose(1, 2)
        keys, values = self.keys_values(steps).unflatten(2, (2, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, keys, values)
        answer: Tensor = self.norm(last + self.mixed(attended.reshape(rows, width)))
        return answer


class PanelNet(nn.Module):
    """Predicts quantiles of the returns of each window's stock. `neighbours` > 0: it finds the graph itself."""

    def __init__(self, *, features: int, masks: int, widths: tuple[int, int], selection: str, neighbours: int) -> None:
        super().__init__()
        width, hidden = widths
        self.neighbours = neighbours
        self.selection = VariableSelection(features, width, selection)
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.attention = LastStepAttention(hidden)
        self.masks = nn.Linear(masks, hidden)
        self.layers = nn.ModuleList(GraphLayer(hidden) for _ in range(2))
        self.quantiles = nn.Linear(hidden, HORIZONS * QUANTILES)

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Map `f` float32 (B, T, F), `m` (B, M), perhaps `graph` int64 (B, K), to (B, 4, 5)."""
        steps, _ = self.lstm(self.selection(tensors["f"]))
        rows = self.attention(steps) + self.masks(tensors["m"])
        graph = self._graph(tensors)
        for layer in self.layers:
            rows = layer(rows, graph)
        answer: Tensor = self.quantiles(rows)
        return answer.view(-1, HORIZONS, QUANTILES)

    def _graph(self, tensors: Mapping[str, Tensor]) -> Tensor | None:
        if self.neighbours:
            return neighbours(tensors["f"][:, :, 0], self.neighbours)
        return tensors.get("graph")
