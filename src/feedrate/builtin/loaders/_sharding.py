"""Shard an epoch over worker processes, as the dataset that DataLoader's workers iterate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset, get_worker_info

from feedrate.errors import FeedrateError
from feedrate.loading.batch import Batch
from feedrate.loading.worker_process import init_worker

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from torch import Tensor

    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan

__all__ = ["ShardedBatches", "WorkerInit", "shard"]


def shard(
    blocks: Iterable[Block], worker: int, count: int, *, by_batch: bool
) -> Iterator[tuple[Block, Iterator[Tensor]]]:
    """Yield this worker's shard of an epoch: each `count`-th block whole, or each `count`-th batch of all blocks."""
    served = 0
    for number, block in enumerate(blocks):
        if not by_batch:
            if number % count == worker:
                yield block, block.batches()
            continue
        mine = [rows for index, rows in enumerate(block.batches(), served) if index % count == worker]
        served += block.batch_count
        if mine:
            yield block, iter(mine)


@dataclass
class ShardedBatches(IterableDataset[Batch]):
    """Yields ready batches: iterated the n-th time it serves the n-th epoch, in each worker that worker's shard."""

    plan: Plan
    by_batch: bool
    epoch: int = field(default=0)

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, count = (info.id, info.num_workers) if info else (0, 1)
        blocks, self.epoch = self.plan.epoch_blocks(self.epoch), self.epoch + 1
        try:
            with self.plan.open() as source:
                for block, batches in shard(blocks, worker, count, by_batch=self.by_batch):
                    columns = source.read(block)
                    for rows in batches:
                        yield columns.batch(rows)
        except FeedrateError as error:
            # Sent as an item, for DataLoader would wrap the one line that names the file into a traceback.
            yield error  # type: ignore[misc]  # no batch


@dataclass(frozen=True)
class WorkerInit:
    """DataLoader's `worker_init_fn`; it must survive pickling."""

    logs: str
    reports: SimpleQueue[Any]

    def __call__(self, worker: int) -> None:
        """Set the worker up, and tell the parent what it looks like from inside."""
        info = get_worker_info()
        self.reports.put(init_worker(worker, info.seed if info else 0, self.logs))
