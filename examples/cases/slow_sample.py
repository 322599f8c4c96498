"""Other workers have batches ready, and yet the loop waits, for the one whose turn it is.

Every eightieth sample takes 400 ms, and batches are given in their order; the twin gives them as they come.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import cured, idle, train


class Uneven(Dataset[Tensor]):
    """Samples of a millisecond, and now and then a slow one."""

    def __len__(self) -> int:
        return 8000

    def __getitem__(self, index: int) -> Tensor:
        time.sleep(0.4 if index % 80 == 0 else 0.001)
        return torch.full((8,), float(index))


if __name__ == "__main__":
    train(DataLoader(Uneven(), 8, num_workers=2, prefetch_factor=4, in_order=not cured()), idle(20))
