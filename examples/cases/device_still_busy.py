"""A meter in the loop says that most of the time goes into waiting for data, which is not so.

The device still works when the next batch is asked for; of the twin it is so, as its loader is the slower one.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training import cured, train

DEVICE = ThreadPoolExecutor(1)
"""Works on one thing after the other, while the loop goes on."""


class Slow(Dataset[Tensor]):
    """Samples of which sixteen take 4 ms, or the twin's 40."""

    def __len__(self) -> int:
        return 16_000

    def __getitem__(self, index: int) -> Tensor:
        time.sleep((40 if cured() else 4) / 16 / 1000)
        return torch.full((8,), float(index))


def main() -> None:
    """Train on a device that is given the next step once the last one is done."""
    pending: list[Future[None]] = []

    def submit(inputs: Tensor) -> None:
        while pending:
            pending.pop().result()
        pending.append(DEVICE.submit(time.sleep, 0.03))

    train(DataLoader(Slow(), 16, shuffle=True), submit)


if __name__ == "__main__":
    main()
