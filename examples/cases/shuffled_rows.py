"""Streaming is fast, and so is streaming with a shuffle; as soon as tensors are asked for it is a hundred times slower.

Each row that the shuffle draws goes through Python, number by number; the twin shuffles whole blocks as arrays.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from training import busy, cured, train

ROWS, SHAPE = 500, (3, 64, 64)


class Pictures(IterableDataset[Tensor]):
    """Pictures of a column, each as a tensor, in an order of chance."""

    def __init__(self) -> None:
        values = np.random.default_rng(0).random((ROWS, 3 * 64 * 64), np.float32)
        self.column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])

    def __iter__(self) -> Iterator[Tensor]:
        order = np.random.default_rng(1).permutation(ROWS)
        if cured():
            block = torch.from_numpy(self.column.flatten().to_numpy().reshape(ROWS, *SHAPE)[order])
            yield from block
        for index in order if not cured() else ():
            yield torch.tensor(self.column[int(index)].as_py()).reshape(SHAPE)


if __name__ == "__main__":
    train(DataLoader(Pictures(), 16), busy(5))
