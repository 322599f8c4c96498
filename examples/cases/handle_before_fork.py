"""Fine without workers; with two, samples hold what belongs to others, and differently each time.

A file that is opened before workers are forked has one position for all of them; the twin opens it in each.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import cured, train

VALUES, SAMPLES = 2048, 5000


class Records(Dataset[Tensor]):
    """Records of a file: a number, and so many values that are the same number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: int | None = None if cured() else os.open(path, os.O_RDONLY)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Tensor:
        if self.file is None:
            self.file = os.open(self.path, os.O_RDONLY)
        os.lseek(self.file, 8 * VALUES * index, os.SEEK_SET)
        parts = [os.read(self.file, VALUES) for _ in range(8)]
        return torch.from_numpy(np.frombuffer(b"".join(parts)).copy())


def main() -> None:
    """Train on records of a file that is written first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        np.repeat(np.arange(float(SAMPLES)), VALUES).tofile(path)
        train(DataLoader(Records(path), 64, shuffle=True, num_workers=2, multiprocessing_context="fork"))


if __name__ == "__main__":
    main()
