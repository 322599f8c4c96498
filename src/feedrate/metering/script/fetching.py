"""Make the batches of a script's loader of its sampler's indices, in whichever thread or process asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data._utils.pin_memory import pin_memory

from feedrate.errors import UnavailableError

__all__ = ["Fetcher", "demand_samples", "order_of", "pinned"]


@dataclass(frozen=True)
class Fetcher:
    """Makes a batch of a list of indices, as torch's own loader does."""

    data: Any
    collate: Callable[[Any], Any]
    automatic: bool
    """A list of indices makes a batch; else each index is one, as the data set gives it."""

    @classmethod
    def of(cls, loader: DataLoader[Any]) -> Fetcher:
        """Give that of a loader."""
        return cls(loader.dataset, loader.collate_fn, loader.batch_sampler is not None)

    def __call__(self, indices: Any) -> Any:
        """Give the batch."""
        return self.collate(self.samples(indices))

    def samples(self, indices: Any) -> Any:
        """Give what the batch is made of; where each index is one, that."""
        if not self.automatic:
            return self.data[indices]
        many = getattr(self.data, "__getitems__", None)
        return many(indices) if many else [self.data[index] for index in indices]


def order_of(loader: DataLoader[Any]) -> Iterable[Any]:
    """Give what a loader asks its data set for, batch after batch, each time that it is iterated."""
    return loader.sampler if loader.batch_sampler is None else loader.batch_sampler


def demand_samples(loader: DataLoader[Any], spec: str) -> None:
    """Refuse a loader whose data set only gives one sample after another.

    Raises:
        UnavailableError: it does.
    """
    if isinstance(loader.dataset, IterableDataset):
        raise UnavailableError(
            f"{spec}: an iterable data set has no samples to be asked for: race settings of dataloader"
        )


def pinned(loader: DataLoader[Any], batch: Any) -> Any:
    """Give the batch in page-locked memory where the loader says so and a device would profit, as torch's own does."""
    return pin_memory(batch) if loader.pin_memory and torch.cuda.is_available() else batch
