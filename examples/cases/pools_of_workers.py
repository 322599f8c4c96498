"""The machine stalls as soon as there are workers, although each of them does little.

Each worker multiplies on a thread pool of its own, of 16 threads; the twin's pools have one thread.
"""

from __future__ import annotations

import os
import sys

# The size of the pool is asked for once, when NumPy is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1" if "--cured" in sys.argv[1:] else "16"

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import busy, train


class Warped(Dataset[Tensor]):
    """Pictures that a product of matrices warps."""

    matrix = np.random.default_rng(0).random((400, 400))

    def __len__(self) -> int:
        return 100_000

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy((self.matrix @ self.matrix)[:8])


if __name__ == "__main__":
    train(DataLoader(Warped(), 4, num_workers=2), busy(20))
