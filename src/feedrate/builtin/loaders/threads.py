"""Decode and gather ahead of need on threads of the training process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.loading.prefetch import ahead
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Batch, Columns
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Threads"]


@dataclass(frozen=True)
class Threads(Loader):
    """Decode `blocks` blocks and cut `depth` batches ahead on `count` threads, into reused buffers, in planned order.

    Jobs start in the order they are handed in, and a block is handed in before its batches: a thread that waits for a
    block waits for one that already runs.
    """

    name = "threads"
    count: int = knob(2, 1, 4, low=1, high=256)
    depth: int = knob(4, 2, 8, low=1, high=1_024)
    blocks: int = knob(2, 1, low=1, high=1_024)

    def stream(self, plan: Plan) -> Stream:
        from feedrate.loading.buffers import Buffers, Layout

        # Collated batches have memory of their own, of whatever form.
        count = self.depth + 2 if plan.has_columns else 0
        buffers = Buffers(Layout.of(plan), count, plan.accelerator if self.pin else None)

        def cut(job: tuple[Future[Columns], Tensor]) -> Batch:
            columns, rows = job
            return columns.result().batch(rows, into=buffers.lend() if plan.has_columns else None)

        with plan.open() as source, _pool(self.count) as pool:
            reading = self._blocks_ahead(plan)
            decoded = ahead(lambda block: (block, pool.submit(source.read, block)), plan.blocks(), reading)
            jobs = ((columns, rows) for block, columns in decoded for rows in block.batches())
            for batch in ahead(lambda job: pool.submit(cut, job), jobs, self.depth):
                yield batch.result()

    def traits(self) -> LoaderTraits:
        return LoaderTraits("threads", self.count, "count", "depth")

    def prefetch_batches(self, plan: Plan) -> int:
        # A block of samples is one batch, and all but done when they are fetched.
        return self.depth if plan.has_columns else self.depth + self._blocks_ahead(plan)

    def _blocks_ahead(self, plan: Plan) -> int:
        """Blocks that are read at a time: of samples, that fill one batch, enough for all threads."""
        return self.blocks if plan.has_columns else max(self.blocks, self.count)


@contextmanager
def _pool(count: int) -> Iterator[ThreadPoolExecutor]:
    import torch

    # Each thread of ours is one core's worth of work: torch's own pool on top of it would only take the step's cores.
    pool = ThreadPoolExecutor(count, "feedrate-threads", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
