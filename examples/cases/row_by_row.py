"""Tensors that are in memory already come many times slower through a DataLoader than by slicing them.

Each row is a call of Python, and then rows are stacked again; the twin asks for the rows of a batch at once.
"""

from __future__ import annotations

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from training import cured, train

BATCH = 256


def main() -> None:
    """Train on rows that are fetched one by one, or a batch at once."""
    data = TensorDataset(torch.rand(10_000, 20), torch.rand(10_000))
    if cured():
        train(DataLoader(data, batch_size=None, sampler=BatchSampler(RandomSampler(data), BATCH, drop_last=False)))
    else:
        train(DataLoader(data, BATCH, shuffle=True))


if __name__ == "__main__":
    main()
