"""A data set and a model that take known times, which all trainings of this folder use."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

torch.set_num_threads(1)
BATCH = 4
ITEM_S = 0.005
"""For an item: 20 ms a batch, in one process."""
STEP_S = 0.040
"""For a step with one batch."""


def item(number: int) -> tuple[Tensor, Tensor]:
    """Give features and a class, after a while."""
    time.sleep(ITEM_S)
    return torch.full((8,), number % 7 / 7), torch.tensor(number % 2)


class Items(Dataset[tuple[Tensor, Tensor]]):
    """So many items, each of which takes its while."""

    def __init__(self, count: int = 100_000) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return item(number)


class Net(nn.Module):
    """One layer, which in training takes its while."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Score the classes."""
        if self.training:
            time.sleep(STEP_S)
        scores: Tensor = self.layer(features)
        return scores


def train(batches: Iterable[tuple[Tensor, Tensor]], every: int = 1) -> None:
    """Train on all batches, with a step of the optimizer for so many of them."""
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for number, (features, classes) in enumerate(batches, 1):
        nn.functional.cross_entropy(net(features), classes).backward()
        if number % every == 0:
            optimizer.step()
            optimizer.zero_grad()
