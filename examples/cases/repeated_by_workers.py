"""An epoch has as many times the batches as there are workers.

Each worker has the whole of an iterable data set, unless it is split between them, as the twin's is.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from training import cured, idle, train


class Numbers(IterableDataset[Tensor]):
    """Some numbers in their order."""

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if cured() and worker else (0, 1)
        return (torch.full((8,), float(number)) for number in range(first, 2000, step))


if __name__ == "__main__":
    train(DataLoader(Numbers(), 2, num_workers=4), idle(5))
