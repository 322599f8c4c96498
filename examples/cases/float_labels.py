"""Classes come out wrong, and large ones not at all: two of them are one number.

The function that collates makes floats of the labels, which the samples hold as integers; the twin keeps them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import busy, cured, train

FIRST = 1 << 24
"""From here on not every integer is a 32-bit float."""


class Labelled(Dataset[tuple[Tensor, int]]):
    """Samples with the number of a product."""

    def __len__(self) -> int:
        return 20_000

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((8,), float(index)), FIRST + index % 1000


def collate(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """Make a batch of samples and their labels."""
    inputs, labels = zip(*samples, strict=True)
    return torch.stack(inputs), torch.tensor(labels, dtype=torch.long if cured() else torch.float32)


if __name__ == "__main__":
    train(DataLoader(Labelled(), 64, shuffle=True, collate_fn=collate), busy(2))
