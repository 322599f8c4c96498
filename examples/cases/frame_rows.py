"""Reading a table is most of the training, although it is small and in memory.

Each row is looked up in a frame of mixed types, by position; the twin keeps an array.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import busy, cured, train

ROWS = 50_000


class Table(Dataset[Tensor]):
    """Rows of a table."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        columns = {f"f{n}": random.random(ROWS).astype(np.float32 if n % 2 else np.float64) for n in range(8)}
        self.frame = pd.DataFrame(columns | {"n": random.integers(0, 9, ROWS), "m": random.integers(0, 9, ROWS)})
        self.values = self.frame.to_numpy(np.float32)

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> Tensor:
        if cured():
            return torch.from_numpy(self.values[index])
        return torch.from_numpy(self.frame.iloc[index].to_numpy(np.float32))


if __name__ == "__main__":
    train(DataLoader(Table(), 512, shuffle=True), busy(5))
