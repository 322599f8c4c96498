"""Variable selection: a small network for each feature, and weights that choose among them; looped or batched.

Source: Lim et al., "Temporal fusion transformers", 2021, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BatchedFeatures", "GatedResidual", "LoopedFeatures", "VariableSelection"]


class GatedResidual(nn.Module):
    """Two linear layers, a gate that may close them off, and the way around."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.inner = nn.Linear(width, width)
        self.gates = nn.Linear(width, 2 * width)
        self.around = nn.Linear(inputs, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map float32 (N, inputs) to (N, width)."""
        inner = self.inner(F.elu(self.enter(inputs)))
        answer: Tensor = self.norm(self.around(inputs) + F.glu(self.gates(inner), dim=-1))
        return answer


class LoopedFeatures(nn.Module):
    """One network after the other: a few dozen kernels for each feature, however few rows there are."""

    def __init__(self, nets: Iterable[GatedResidual]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Map float32 (N, F), (N, F) to the weighted sum of the networks' outputs, (N, width)."""
        columns = zip(self.nets, torch.split(inputs, 1, dim=1), torch.split(weights, 1, dim=1), strict=True)
        outputs = torch.stack([weight * net(column) for net, column, weight in columns])
        return outputs.sum(0)


class BatchedFeatures(nn.Module):
    """The same networks with their parameters stacked: a few dozen kernels in all."""

    def __init__(self, nets: Iterable[GatedResidual]) -> None:
        super().__init__()
        nets = tuple(nets)
        for name, _ in nets[0].named_parameters():
            stacked = torch.stack([net.get_parameter(name).detach() for net in nets])
            self.register_parameter(name.replace(".", "_"), nn.Parameter(stacked))

    def _linear(self, name: str, inputs: Tensor) -> Tensor:
        weight, bias = self.get_parameter(f"{name}_weight"), self.get_parameter(f"{name}_bias")
        return torch.baddbmm(bias[:, None], inputs, weight.mT)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Map float32 (N, F), (N, F) to the weighted sum of the networks' outputs, (N, width)."""
        columns = inputs.mT[:, :, None]
        inner = self._linear("inner", F.elu(self._linear("enter", columns)))
        summed = self._linear("around", columns) + F.glu(self._linear("gates", inner), dim=-1)
        even = F.layer_norm(summed, summed.shape[-1:])
        outputs = even * self.get_parameter("norm_weight")[:, None] + self.get_parameter("norm_bias")[:, None]
        return torch.einsum("fnw,nf->nw", outputs, weights)


class VariableSelection(nn.Module):
    """Each feature through its own network, then their sum, weighted by what all features say together."""

    def __init__(self, features: int, width: int, form: str) -> None:
        super().__init__()
        self.scores = GatedResidual(features, features)
        nets = (GatedResidual(1, width) for _ in range(features))
        self.features = LoopedFeatures(nets) if form == "looped" else BatchedFeatures(nets)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map float32 (B, T, F) to (B, T, width)."""
        flat = inputs.flatten(0, 1)
        selected: Tensor = self.features(flat, self.scores(flat).softmax(dim=-1))
        return selected.view(*inputs.shape[:2], -1)
