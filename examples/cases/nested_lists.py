"""Making a batch of lists takes much longer than making the lists.

The constructor of a tensor goes through nested lists number by number; the twin stacks arrays.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import busy, cured, train


class Signals(Dataset[list[float] | Tensor]):
    """Signals of 3,000 values, as somebody's parser gives them."""

    def __init__(self) -> None:
        self.arrays = torch.from_numpy(np.random.default_rng(0).random((200, 3000)))
        self.lists: list[list[float]] = self.arrays.tolist()

    def __len__(self) -> int:
        return 20_000

    def __getitem__(self, index: int) -> list[float] | Tensor:
        return self.arrays[index % 200] if cured() else self.lists[index % 200]


if __name__ == "__main__":
    collate = torch.stack if cured() else torch.tensor
    train(DataLoader(Signals(), 64, shuffle=True, collate_fn=collate), busy(2))
