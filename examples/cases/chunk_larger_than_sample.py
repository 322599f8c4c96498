"""Small random reads from a compressed file take seconds a batch, with the file in memory as well.

Each window of 1,000 values unpacks a chunk of 120,000; the twin's chunks have 4,000.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import busy, cured, train

VALUES, WINDOW = 4_000_000, 1000


class Windows(Dataset[Tensor]):
    """Windows of a long series that lies compressed in a file."""

    def __init__(self, path: Path) -> None:
        self.values = h5py.File(path)["values"]

    def __len__(self) -> int:
        return VALUES - WINDOW

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.values[index : index + WINDOW])


def main() -> None:
    """Train on windows of a file that is written first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.h5"
        values = np.random.default_rng(0).standard_normal(VALUES, np.float32)
        with h5py.File(path, "w") as file:
            file.create_dataset("values", data=values, chunks=(4000 if cured() else 120_000,), compression="gzip")
        train(DataLoader(Windows(path), 32, shuffle=True), busy(10))


if __name__ == "__main__":
    main()
