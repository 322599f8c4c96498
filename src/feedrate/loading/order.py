"""Put blocks and their batches into an order, epoch after epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from feedrate.loading.block import permuted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from feedrate.loading.block import Block

__all__ = ["BlockOrder", "Order"]

_BLOCKS = (1 << 32) - 1
"""Number that stands for the order of the blocks, which no block carries."""


class Order(Protocol):
    """Which rows make which batch, and what is read for them; a plan asks no more of its order."""

    @property
    def stored_blocks(self) -> tuple[Block, ...]:
        """Every block that is read, in the order of the files, each with its number."""

    @property
    def seed(self) -> int:
        """What random numbers of the order follow from."""

    @property
    def epochs(self) -> int | None:
        """Number of epochs; None: there is no end."""

    @property
    def first_epoch(self) -> int:
        """Number of the first of them."""

    @property
    def batch_count(self) -> int | None:
        """Batches of all epochs; None: there is no end."""

    def epoch_blocks(self, epoch: int) -> Iterator[Block]:
        """Yield the blocks of one epoch, whose batches come in the planned order."""

    def for_epochs(self, epochs: int | None, first: int = 0) -> Order:
        """Give the same order, so many epochs of it from that number on."""


@dataclass(frozen=True)
class BlockOrder:
    """Blocks shuffled, and samples inside each block (where a batch is a span: the spans); or everything as stored.

    The order is a function of (seed, epoch). A batch never crosses a block.
    """

    blocks: tuple[Block, ...]
    """Blocks in the order of the files."""
    epochs: int | None = 1
    """None: there is no end."""
    shuffle: bool = True
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    """The blocks number `rank`, `rank + world_size`, ... of each epoch's order are served."""
    first_epoch: int = 0
    """Number of the first of `epochs`."""

    @cached_property
    def stored_blocks(self) -> tuple[Block, ...]:
        """See `Order`."""
        return tuple(replace(block, number=number) for number, block in enumerate(self.blocks))

    def epoch_blocks(self, epoch: int) -> Iterator[Block]:
        """See `Order`."""
        numbers = np.arange(len(self.blocks))
        if self.shuffle:
            numbers = permuted(numbers, self.seed, epoch, _BLOCKS)
        for number in numbers[self.rank :: self.world_size]:
            block = self.stored_blocks[number]
            yield replace(block, key=(self.seed, epoch, int(number))) if self.shuffle else block

    @cached_property
    def batch_count(self) -> int | None:
        """See `Order`."""
        if self.epochs is None:
            return None
        if self.world_size == 1:
            return self.epochs * sum(block.batch_count for block in self.blocks)
        numbers = epoch_numbers(self.epochs, self.first_epoch)
        return sum(block.batch_count for epoch in numbers for block in self.epoch_blocks(epoch))

    def for_epochs(self, epochs: int | None, first: int = 0) -> BlockOrder:
        """See `Order`."""
        return replace(self, epochs=epochs, first_epoch=first)


def epoch_numbers(epochs: int | None, first: int = 0) -> Iterable[int]:
    """Give `first` and the numbers after it, `epochs` of them; None: without end."""
    return count(first) if epochs is None else range(first, first + epochs)


class Homes:
    """Finds the block that a row is a sample of."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        """Look at every span of the blocks, once."""
        spans = sorted((*span, block.number) for block in blocks for span in block.spans)
        self._starts, self._stops, self._numbers = (torch.tensor(column) for column in zip(*spans, strict=True))

    def of(self, ids: Tensor) -> Tensor:
        """Find, int64 (B,), the number of the block that each row of `ids`, int64 (B,), is a sample of; -1: of none."""
        at = torch.searchsorted(self._starts, ids, right=True) - 1
        homes = self._numbers.index_select(0, at.clamp(min=0))
        return torch.where((at < 0) | (ids >= self._stops[at.clamp(min=0)]), -1, homes)
