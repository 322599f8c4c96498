"""A worker hardly helps, and the process that trains is as busy as it is.

Each sample goes from one process to the other as a tensor of its own; the twin stacks them to one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import busy, cured, train


class Rows(Dataset[Tensor]):
    """Rows of a table that is in memory."""

    def __init__(self) -> None:
        self.rows = torch.rand(20_000, 8)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return self.rows[index].clone()


if __name__ == "__main__":
    collate = torch.stack if cured() else list
    train(DataLoader(Rows(), 64, num_workers=1, multiprocessing_context="fork", collate_fn=collate), busy(4))
