"""Memory of the machine climbs during an epoch with workers and not without; the process that trains does not grow.

Reading a Python object changes its reference count, so each worker copies the pages of a list that it was forked with.
"""

from __future__ import annotations

import time

import numpy as np
from torch.utils.data import DataLoader, Dataset
from training import cured, idle, train

NAMES = 3_000_000


class Names(Dataset[float]):
    """How long each of many names is."""

    def __init__(self) -> None:
        self.names: list[str] | np.ndarray = [f"photo-{index:09}.jpg" for index in range(NAMES)]
        if cured():
            self.names = np.array(self.names, dtype="S20")

    def __len__(self) -> int:
        return NAMES

    def __getitem__(self, index: int) -> float:
        time.sleep(1e-4)
        return float(len(self.names[index]))


if __name__ == "__main__":
    train(DataLoader(Names(), 16, shuffle=True, num_workers=2, multiprocessing_context="fork"), idle(2))
