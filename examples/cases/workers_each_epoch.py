"""A long gap between short epochs, and none inside them.

Worker processes are started and import everything anew for each epoch; the twin's persist.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import cured, idle, train


class Numbers(Dataset[Tensor]):
    """Numbers that cost nothing."""

    def __len__(self) -> int:
        return 20 * 16

    def __getitem__(self, index: int) -> Tensor:
        return torch.full((8,), float(index))


if __name__ == "__main__":
    train(
        DataLoader(Numbers(), 16, num_workers=2, multiprocessing_context="spawn", persistent_workers=cured()), idle(60)
    )
