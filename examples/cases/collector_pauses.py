"""Every now and then one step takes twice as long, in no fixed place.

The loader keeps hundred thousands of small lists, which the garbage collector goes through; the twin keeps an array.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from training import busy, cured, train

POOL, NEW = 300_000, 20_000


class Pooled(IterableDataset[Tensor]):
    """Batches of a pool that is renewed a little each time."""

    def __iter__(self) -> Iterator[Tensor]:
        array, lists = np.zeros((POOL, 3)), deque([[0, 0, 0] for _ in range(0 if cured() else POOL)], POOL)
        for number in range(1_000_000):
            if cured():
                start = number * NEW % POOL
                array[start : start + NEW] = number
            else:
                lists.extend([[number, number, number] for _ in range(NEW)])
            yield torch.full((16, 8), float(number))


if __name__ == "__main__":
    train(DataLoader(Pooled(), batch_size=None), busy(20))
