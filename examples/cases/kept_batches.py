"""After some hundred batches it ends with too many open files, or a message about ancillary data.

Each batch of a worker holds a descriptor for as long as anybody keeps it; the twin keeps a copy.
"""

from __future__ import annotations

import resource

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from training import cured, train


def main() -> None:
    """Train, and keep each batch for later."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    kept: list[Tensor] = []

    def keep(inputs: Tensor) -> None:
        kept.append(inputs.clone() if cured() else inputs)

    train(DataLoader(TensorDataset(torch.rand(100_000, 8)), 1, num_workers=1), keep)


if __name__ == "__main__":
    main()
