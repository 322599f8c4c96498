"""The model of `Lists`, apart from it so that the workload is imported without torch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from feedrate import nested


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 4)
        self.outer = nn.Linear(4, 1)

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        padded, about, samples = nested(tensors)
        assert padded.shape == (len(samples), int(about["longest"]))
        guess: Tensor = self.outer(self.inner(padded.max(1).values[:, None]))[:, 0]
        return guess
