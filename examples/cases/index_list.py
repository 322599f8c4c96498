"""Each pass begins with a gap that grows with the length of the data set, whatever an item costs.

The sampler draws all indices as a list of Python's before it gives the first; the twin draws them block by block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler
from training import cured, idle, train

LENGTH, PASS = 10_000_000, 50


class Numbers(Dataset[float]):
    """As many numbers as there are."""

    def __len__(self) -> int:
        return LENGTH

    def __getitem__(self, index: int) -> float:
        return float(index)


class Some:
    """The first batches of each pass."""

    def __init__(self, loader: DataLoader[float]) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[torch.Tensor]:
        for number, batch in enumerate(self.loader):
            if number == PASS:
                return
            yield batch


if __name__ == "__main__":
    data = Numbers()
    train(Some(DataLoader(data, 64, sampler=RandomSampler(data, replacement=cured()))), idle(2))
