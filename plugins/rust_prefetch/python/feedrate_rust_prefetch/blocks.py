"""What the Rust threads need to know of a plan, and of each of its blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from feedrate import DataError
from feedrate_rust_prefetch._native import Source
from feedrate_rust_prefetch.extents import extents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feedrate import Block, Plan
    from feedrate_rust_prefetch._native import Part, Pipeline

__all__ = ["Blocks", "source"]


def source(plan: Plan) -> Source:
    """The native counterpart of a plan: its files, its columns, its tensors."""
    columns = plan.stored_columns
    number = {field.name: index for index, field in enumerate(columns)}
    cut = [(number[f.column_name], f.dtype(plan.cast), f.window, f.sample_shape) for f in plan.fields]
    added = [(None, field.dtype(plan.cast), 0, field.sample_shape) for field in plan.derived]
    return Source(
        plan.data.format,
        [(plan.data.path(index), shard.groups) for index, shard in enumerate(plan.data.shards)],
        [(field.name, field.stored, field.shape) for field in columns],
        [*cut, *added],
        days=plan.day_starts,
        block_rows=max(block.stop - block.start for block in plan.stored_blocks),
        batch_rows=plan.max_batch_rows,
    )


def _cut(block: Block) -> tuple[NDArray[np.int64], list[int]]:
    """Positions of all samples in the order of the batches, and samples of each batch."""
    if block.batch_rows is None:
        rows = [batch.numpy() for batch in block.batches()]
        return np.concatenate(rows), [len(batch) for batch in rows]
    # All samples as one batch: the same order, without an object for each batch.
    (whole,) = replace(block, batch_rows=block.samples).batches()
    full, rest = divmod(block.samples, block.batch_rows)
    return whole.numpy(), [block.batch_rows] * full + [rest] * (rest > 0)


class Blocks:
    """The blocks of a plan in their order, as the threads take them."""

    def __init__(self, plan: Plan, native: Source) -> None:
        self._plan = plan
        self._native = native
        self._coming = plan.blocks()
        self._described: set[int] = set()

    def submit_next(self, pipeline: Pipeline) -> bool:
        """Hand over the next block; False: there was none, or it cannot be read and is the last."""
        block = next(self._coming, None)
        if block is not None:
            try:
                pipeline.submit(*self.native(block))
                return True
            except DataError as error:
                # It belongs to this block: those before it are delivered first.
                pipeline.submit_fault(str(error))
        pipeline.end()
        return False

    def native(self, block: Block) -> tuple[int, list[Part], NDArray[np.int64], list[int]]:
        """First row, parts, positions of all samples, samples of each batch.

        Raises:
            DataError: a file of the block cannot be looked into.
        """
        parts = list(self._plan.data.locate(block.start, block.stop))
        if self._plan.data.format == "hdf5":
            for shard, _, _ in parts:
                self._describe(shard)
        return block.start, parts, *_cut(block)

    def _describe(self, shard: int) -> None:
        if shard not in self._described:
            data = self._plan.data
            self._native.describe(shard, extents(data.path(shard), self._plan.stored_columns, data.shards[shard].rows))
            self._described.add(shard)
