"""What the Rust threads need to know of a plan, and of each of its blocks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from feedrate import DataError
from feedrate_rust_prefetch._native import Source
from feedrate_rust_prefetch.extents import extents
from feedrate_rust_prefetch.loader import ROW_ID

if TYPE_CHECKING:
    from feedrate import Block, DataSet, Field, Plan, SourceControl, Turn
    from feedrate_rust_prefetch._native import Pipeline, RawBlock

__all__ = ["Blocks", "source"]

_BLOCKS, _SAMPLES = 8, 8_192
"""Blocks that are put into order in a row, and samples after which no other follows: a tenth of a millisecond."""


def source(plan: Plan) -> Source:
    """The native counterpart of a plan: its files, its columns, its tensors."""
    columns = _columns(plan)
    number = {field.name: index for index, field in enumerate(columns)}
    # A row id that lies in no file has its place alone, as what is derived has.
    cut = [(number.get(f.column_name), f.dtype(plan.cast), f.window, f.sample_shape) for f in plan.fields]
    added = [(None, field.dtype(plan.cast), 0, field.sample_shape) for field in plan.derived]
    control = plan.source_control
    return Source(
        plan.data.format,
        [(data.path(index), shard.groups) for data in _places(plan) for index, shard in enumerate(data.shards)],
        [(field.name, field.stored, field.shape) for field in columns],
        [*cut, *added],
        days=plan.day_starts,
        block_rows=max(block.stop - block.start for block in plan.stored_blocks),
        batch_rows=plan.max_batch_rows,
        ids=None if plan.data.stores_ids else [field.name for field in plan.batch_fields].index(ROW_ID),
        decoded=None if control is None else control.decoded.path,
    )


def _columns(plan: Plan) -> tuple[Field, ...]:
    """The columns that lie in the files."""
    return tuple(field for field in plan.stored_columns if plan.data.stores_ids or field.name != ROW_ID)


def _places(plan: Plan) -> tuple[DataSet, ...]:
    """The data set where it is, and where it may be read instead: the numbers of its files go on."""
    control = plan.source_control
    return (plan.data,) if control is None else (plan.data, control.in_memory)


class Blocks:
    """The blocks of a plan in their order, as the threads take them."""

    def __init__(self, plan: Plan, native: Source) -> None:
        self._plan = plan
        self._native = native
        self._coming = plan.blocks()
        self._described: set[int] = set()
        self.begun: deque[tuple[Block, Turn]] = deque()
        """Blocks that were handed over, and where each is read; kept only for whoever takes the stream apart."""

    def submit_next(self, pipeline: Pipeline) -> bool:
        """Hand over the next blocks; False: there were none, or one cannot be read and is the last.

        Several at a time, where they are small: what orders a block is in the processor's caches for the next one. One
        at a time for whoever takes the stream apart, as a block that was handed over can no longer be swapped.
        """
        samples, most = 0, 1 if self._plan.source_control else _BLOCKS
        for _ in range(most):
            block = next(self._coming, None)
            if block is None or not self._submitted(block, pipeline):
                pipeline.end()
                return False
            samples += block.samples
            if samples > _SAMPLES:
                break
        return True

    def _submitted(self, block: Block, pipeline: Pipeline) -> bool:
        try:
            self._submit(block, pipeline)
        except DataError as error:
            # It belongs to this block: those before it are delivered first.
            pipeline.submit_fault(str(error))
            return False
        return True

    def _submit(self, block: Block, pipeline: Pipeline) -> None:
        control = self._plan.source_control
        if control is None:
            native = self.native(block)
            pipeline.submit(*native)
        else:
            turn = control.current()
            native = self.native(block, in_memory=turn.stage == "memory")
            pipeline.submit(*native, self._decoded(block, control) if turn.stage == "decoded" else None)
            self.begun.append((block, turn))

    def _decoded(self, block: Block, control: SourceControl) -> tuple[int, ...]:
        """Where the columns that are read lie decoded; a row id that lies in no file lies in front of them."""
        return control.decoded.offsets[block.number][-len(_columns(self._plan)) :]

    def native(self, block: Block, *, in_memory: bool = False) -> RawBlock:
        """What the threads need to know of a block: where its rows are, and what its order follows from.

        Raises:
            DataError: a file of the block cannot be looked into.
        """
        parts = list(self._plan.data.locate(block.start, block.stop))
        if in_memory:
            count = len(self._plan.data.shards)
            parts = [(count + shard, start, stop) for shard, start, stop in parts]
        if self._plan.data.format == "hdf5":
            for number, _, _ in parts:
                self._describe(number)
        cut = None if block.batch_rows is None else (block.batch_rows, block.drop_last)
        return block.start, parts, block.spans, cut, block.key

    def _describe(self, number: int) -> None:
        if number not in self._described:
            place, shard = divmod(number, len(self._plan.data.shards))
            data = _places(self._plan)[place]
            columns = extents(data.path(shard), _columns(self._plan), data.shards[shard].rows)
            self._native.describe(number, columns)
            self._described.add(number)
