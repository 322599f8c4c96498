"""Changes its batches in place, tensors and arrays, and would fail on one that was changed before."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pace
import torch
from torch.utils.data import DataLoader, default_collate


def collated(items: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, Any]:
    """Give a batch with an array in it, and something of the script's own."""
    features, classes = default_collate(items)
    return {"features": features, "classes": classes, "weights": np.ones(len(items)), "notes": [["fresh"]]}


def fresh(batches: Iterable[dict[str, Any]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Take what the loop wants out of each batch, and leave none as it was."""
    for batch in batches:
        assert float(batch["features"].max()) <= 1, "it was scaled before"
        assert batch["weights"].max() == 1, "it was weighed before"
        assert batch["notes"].pop() == ["fresh"], "it was noted before"
        batch["features"].mul_(100).add_(100)
        batch["weights"] *= 2
        yield torch.log(batch.pop("features")), batch.pop("classes")


if __name__ == "__main__":
    pace.train(fresh(DataLoader(pace.Items(), batch_size=pace.BATCH, collate_fn=collated)))
