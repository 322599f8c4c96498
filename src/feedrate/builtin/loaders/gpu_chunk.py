"""Load in device-sized chunks: read many blocks, copy them once, cut batches on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from feedrate.errors import UnavailableError
from feedrate.loading.chunk_size import ROOM_SHARE, chunk_bytes
from feedrate.loading.prefetch import ahead
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.records.cell_traits import LoaderTraits, WorkPlace

if TYPE_CHECKING:
    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan
    from feedrate.loading.source import Source
    from feedrate.plugin.loader import Stream

    Chunk: TypeAlias = list[tuple[Block, Columns]]

__all__ = ["GpuChunk"]

_TIGHT = 0.6
"""Share of the room that it takes where the usual one was too much."""


@dataclass(frozen=True)
class GpuChunk(Loader):
    """Merge planned blocks to chunks of `chunk` bytes in the device's memory and gather (and shuffle) batches there.

    With 2 `buffers` the next chunk is read and copied while this one trains; with 1, the old chunk is gone before the
    next is allocated. `chunk=auto` takes an epoch whole where the device has room for it beside the step, else as much
    as there is; without a device chunks stay in host memory, a quarter of an epoch each. Order and batches are those of
    the plan.
    """

    name = "gpu_chunk"
    chunk: int | None = knob(None, low=1, high=1 << 40)
    share: float = knob(ROOM_SHARE, low=0.05, high=0.95)
    """Of the room beside the step, for all chunks of `chunk=auto` together."""
    buffers: int = knob(2, 1, low=1, high=2)
    stage: str = knob("ring", "whole", "pageable")

    def chunk_bytes(self, plan: Plan) -> int:
        """Count the bytes of a chunk; a single block may exceed it."""
        if self.chunk is not None:
            return self.chunk
        room = plan.placement.device_budget_bytes
        whole = plan.epoch_bytes if plan.accelerator is not None and room is not None else -(-plan.epoch_bytes // 4)
        return whole if room is None else chunk_bytes(whole, room, self.buffers, self.share)

    def in_less_memory(self) -> Iterator[GpuChunk]:
        """Yield it with a smaller share of the room, where it chooses the size itself."""
        if self.chunk is None and self.share > _TIGHT:
            yield replace(self, share=_TIGHT)

    def traits(self) -> LoaderTraits:
        place: WorkPlace = "threads" if self.buffers == 2 else "caller"
        return LoaderTraits(place, count=1, gathers_on_device=True)

    def prefetch_batches(self, plan: Plan) -> int:
        chunks = max(1, plan.epoch_bytes // max(1, self.chunk_bytes(plan)))
        return -(-plan.epoch_batches // chunks)

    def stream(self, plan: Plan) -> Stream:
        if not plan.has_columns and plan.device != "cpu":
            raise UnavailableError(
                f"{self}: needs columns of rows to gather from on the device, and a data set gives samples;"
                " use threads, workers or ring_workers"
            )
        with plan.open() as source:
            groups = _grouped(plan, self.chunk_bytes(plan))
            for chunk in self._chunks(plan, source, groups):
                while chunk:
                    block, columns = chunk.pop(0)
                    for rows in block.batches():
                        yield columns.batch(rows)
                    # Now, not when the next block is bound: with one buffer the next chunk needs this memory.
                    del columns

    def _chunks(self, plan: Plan, source: Source, groups: Iterable[list[Block]]) -> Iterator[Chunk]:
        if self.buffers == 1:
            for blocks in groups:
                yield self._read(plan, source, blocks)
            return
        with ThreadPoolExecutor(1, "feedrate-chunks") as pool:
            for chunk in ahead(lambda blocks: pool.submit(self._read, plan, source, blocks), groups, 1):
                yield chunk.result()

    def _read(self, plan: Plan, source: Source, blocks: list[Block]) -> Chunk:
        return [(block, self._placed(plan, source.read(block))) for block in blocks]

    def _placed(self, plan: Plan, columns: Columns) -> Columns:
        """The columns on the plan's device; on the CPU, where they were decoded."""
        accelerator = plan.accelerator
        if accelerator is None:
            return columns
        from feedrate.loading.column import ROW_ID
        from feedrate.loading.transfer import copied_to_device

        moving = {name: tensor for name, tensor in columns.tensors.items() if name != ROW_ID}
        stage = self.stage if self.pin else "pageable"
        return columns.placed(copied_to_device(moving, accelerator, stage), accelerator)


def _grouped(plan: Plan, chunk_bytes: int) -> Iterator[list[Block]]:
    """Yield the planned blocks in groups of at most that many bytes, at least one block each."""
    group: list[Block] = []
    size = 0
    for block in plan.blocks():
        more = plan.block_bytes(block)
        if group and size + more > chunk_bytes:
            yield group
            group, size = [], 0
        group.append(block)
        size += more
    if group:
        yield group
