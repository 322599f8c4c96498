"""What is asked for, in which order: epochs, blocks to read, batches to deliver."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from feedrate.data.field import Cast, Field
from feedrate.loading.loader_report import LoaderReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from feedrate.data.dataset import DataSet
    from feedrate.loading.batch import Columns, Source

__all__ = ["Block", "Plan"]


@dataclass(frozen=True)
class Block:
    """A run of stored rows that one read brings in, and the batches cut from it."""

    start: int
    stop: int
    """Rows `start` to `stop` are read."""
    spans: tuple[tuple[int, int], ...]
    """Rows that are samples; the others are history that windows reach back into."""
    batch_rows: int | None = None
    """Samples in a batch; the last of a block may hold fewer. None: one span, one batch."""
    key: tuple[int, int, int] | None = None
    """(seed, epoch, number of the block), which the order follows from; None: as stored."""

    @property
    def samples(self) -> int:
        """Samples in the block."""
        return sum(stop - start for start, stop in self.spans)

    @property
    def batch_count(self) -> int:
        """Batches that `batches` yields."""
        return len(self.spans) if self.batch_rows is None else -(-self.samples // self.batch_rows)

    def batches(self) -> Iterator[torch.Tensor]:
        """Yield, for each batch, int64 (B,): positions of its samples among the rows read."""
        if self.batch_rows is None:
            for span in self._shuffled(np.arange(len(self.spans))):
                start, stop = self.spans[span]
                yield torch.arange(start - self.start, stop - self.start)
            return
        rows = np.concatenate([np.arange(start, stop) for start, stop in self.spans]) - self.start
        yield from torch.split(torch.from_numpy(self._shuffled(rows)), self.batch_rows)

    def _shuffled(
        self, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return rows if self.key is None else _generator(*self.key).permutation(rows)


def _generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, epoch << 32 | number]))


_ORDER = (1 << 32) - 1
"""Number that stands for the order of the blocks, which no block carries."""


@dataclass(frozen=True)
class Plan:
    """Epochs of blocks of batches over one data set. Iterate it for the int64 (B,) row ids of each batch.

    The order is a function of (seed, epoch): blocks shuffled, samples shuffled inside a block (in a plan with one span
    a batch: the spans), or everything as stored. A batch never crosses a block.
    """

    data: DataSet
    fields: tuple[Field, ...]
    """Tensors of a batch, the row id among them."""
    stored_blocks: tuple[Block, ...]
    """Blocks in the order of the files."""
    epochs: int = 1
    shuffle: bool = True
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    """This plan serves the blocks number `rank`, `rank + world_size`, ... of each epoch's order."""
    cast: Cast = "device"
    days: tuple[int, ...] | None = None
    """Row where each day of a panel starts, and the end; windows reach back by days. None: a row is a day."""
    reader: str = ""
    """Library that decodes, where a format offers several."""
    derive: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None
    """Work on each batch that loaders do; picklable. Returns further tensors, named in `derived`."""
    derived: tuple[Field, ...] = ()
    device: str = "cpu"
    """Where the batches go in the end; a loader may yield them there already."""
    room_bytes: int | None = None
    """Memory of the device that a loader may fill, the step's own peak left out; None: nobody measured it."""
    logs: str = ""
    """Folder where processes of a loader may leave their dumps; empty: nowhere."""
    swapped: Callable[[Plan], AbstractContextManager[Source]] | None = field(default=None, compare=False)
    """Opens another source in place of the files, where stages are told apart; picklable. None: the files."""
    report: LoaderReport = field(default_factory=LoaderReport, compare=False)
    """What the loader says about itself while it streams this plan, for the record."""

    def blocks(self) -> Iterator[Block]:
        """Yield every block of every epoch, in the planned order."""
        for epoch in range(self.epochs):
            yield from self.epoch_blocks(epoch)

    def epoch_blocks(self, epoch: int) -> Iterator[Block]:
        """Yield the blocks of one epoch, in the planned order."""
        numbers = np.arange(len(self.stored_blocks))
        if self.shuffle:
            numbers = _generator(self.seed, epoch, _ORDER).permutation(numbers)
        for number in numbers[self.rank :: self.world_size]:
            block = self.stored_blocks[number]
            yield replace(block, key=(self.seed, epoch, int(number))) if self.shuffle else block

    def __iter__(self) -> Iterator[torch.Tensor]:
        for block in self.blocks():
            for rows in block.batches():
                yield rows + block.start

    def __len__(self) -> int:
        return self._batch_count

    @cached_property
    def _batch_count(self) -> int:
        if self.world_size == 1:
            return self.epochs * self.epoch_batches
        return sum(block.batch_count for block in self.blocks())

    @property
    def epoch_batches(self) -> int:
        """Batches in one epoch of all ranks together."""
        return sum(block.batch_count for block in self.stored_blocks)

    @property
    def samples(self) -> int:
        """Samples in one epoch of all ranks together."""
        return sum(block.samples for block in self.stored_blocks)

    @property
    def batch_fields(self) -> tuple[Field, ...]:
        """Every tensor of a batch: those cut from columns, then those derived."""
        return (*self.fields, *self.derived)

    @cached_property
    def most_block_batches(self) -> int:
        """Batches of the block that has most."""
        return max(block.batch_count for block in self.stored_blocks)

    @cached_property
    def most_batch_rows(self) -> int:
        """Samples in the largest batch."""
        return max(
            max(stop - start for start, stop in block.spans)
            if block.batch_rows is None
            else min(block.batch_rows, block.samples)
            for block in self.stored_blocks
        )

    def block_bytes(self, block: Block) -> int:
        """Bytes of the block's decoded rows."""
        return (block.stop - block.start) * self._row_bytes

    @cached_property
    def _row_bytes(self) -> int:
        wanted = {field.source for field in self.fields}
        return sum(field.row_bytes for field in self.data.fields if field.name in wanted)

    @cached_property
    def epoch_bytes(self) -> int:
        """Bytes of the decoded rows of all blocks; rows that two blocks read count twice."""
        return sum(self.block_bytes(block) for block in self.stored_blocks)

    @contextmanager
    def open(self) -> Iterator[Source]:
        """A `Source` that reads this plan's blocks. It may be used from several threads, not from other processes."""
        if self.swapped is not None:
            with self.swapped(self) as source:
                yield source
            return
        from feedrate.data.formats import FileSource

        yield FileSource(self)

    def columns(self, tensors: Mapping[str, torch.Tensor], block: Block) -> Columns:
        """Wrap the stored columns of a block's rows, so that batches can be cut from them."""
        from feedrate.loading.batch import Columns

        days = None if self.days is None else torch.tensor(self.days)
        return Columns(
            tensors=tensors,
            fields=self.fields,
            cast=self.cast,
            first=block.start,
            days=days,
            derive=self.derive,
        )
