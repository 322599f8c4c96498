"""Fails in its loop."""

from collections.abc import Iterator

import pace
from torch import Tensor
from torch.utils.data import DataLoader


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """Give some batches, and fail."""
    for number, batch in enumerate(DataLoader(pace.Items(), batch_size=pace.BATCH)):
        if number == 8:
            raise ValueError("no such label: 17")
        yield batch


if __name__ == "__main__":
    pace.train(batches())
