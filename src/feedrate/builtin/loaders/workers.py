"""Load with torch's own DataLoader and spawned, persistent workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from feedrate.builtin.loaders._worker_loader import WorkerLoader
from feedrate.errors import ContractError, FeedrateError
from feedrate.loading.loader_report import LoaderReport
from feedrate.plugin.strategy import knob
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from torch.utils.data import DataLoader

    from feedrate.builtin.loaders._sharding import ShardedBatches
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Workers"]


@dataclass(frozen=True)
class Workers(WorkerLoader):
    """Let `count` spawned processes cut batches and send each through DataLoader's queue; 0: no process at all.

    Blocks are dealt to the workers from one permutation that all of them compute, so batches of different blocks
    interleave. With `deal=batches` every worker decodes every block and cuts each n-th batch: the planned order, for
    more decoding.
    """

    name = "workers"
    count: int | None = knob(None, 0, 1, 2, 4, 8, low=0, high=256)
    prefetch: int = knob(2, 4, low=1, high=1_024)
    deal: str = knob("blocks", "batches")
    timeout_s: int = knob(120, low=1, high=86_400)

    def without_workers(self) -> Workers:
        return replace(self, count=0)

    def traits(self) -> LoaderTraits:
        count = self.asked_count
        return LoaderTraits("processes", count, "count", "prefetch") if count else LoaderTraits("caller")

    def prefetch_batches(self, plan: Plan) -> int:
        return self.started_count(plan) * self.prefetch

    def stream(self, plan: Plan) -> Stream:
        from feedrate.builtin.loaders._sharding import ShardedBatches

        count = self.started_count(plan)
        plan.report.workers_requested, plan.report.workers_resolved = self.count, count
        dataset = ShardedBatches(replace(plan, report=LoaderReport()), by_batch=self.deal == "batches")
        started = _started(self, dataset, plan, count) if count else nullcontext(self._torch_loader(dataset, plan))
        with started as loader:
            for _ in plan.epoch_numbers():
                for item in loader:
                    if isinstance(item, FeedrateError):
                        raise item
                    yield item

    def _torch_loader(self, dataset: ShardedBatches, plan: Plan, **workers: Any) -> DataLoader[Batch]:
        from torch.utils.data import DataLoader

        pin = self.pin and plan.accelerator is not None and plan.accelerator.torch_pins
        return DataLoader(dataset, batch_size=None, collate_fn=_as_is, pin_memory=pin, **workers)


def _as_is(batch: Any) -> Any:
    return batch


@dataclass
class _Epochs:
    """Serves the iterator that started the workers first, then asks the loader for new ones."""

    loader: DataLoader[Batch]
    first: Iterator[Batch] | None

    def __iter__(self) -> Iterator[Batch]:
        first, self.first = self.first, None
        return iter(self.loader) if first is None else first


def _demand_alive(running: Any) -> None:
    """Look once more: of a death before all workers were started DataLoader hears at its timeout only."""
    for worker in running._workers:
        if not worker.is_alive():
            raise ContractError(f"workers: worker {worker.pid} ended with status {worker.exitcode} as it was started")


@contextmanager
def _started(loader: Workers, dataset: ShardedBatches, plan: Plan, count: int) -> Iterator[Iterable[Batch]]:
    """An epoch's batches, again at each iteration, from workers that live until the block is left."""
    from torch import multiprocessing

    from feedrate.builtin.loaders._sharding import WorkerInit
    from feedrate.system.procfs import alive
    from feedrate.system.threadpools import one_thread_each

    context = multiprocessing.get_context("spawn")
    reports: SimpleQueue[Any] = context.SimpleQueue()
    torch_loader = loader._torch_loader(
        dataset,
        plan,
        num_workers=count,
        prefetch_factor=loader.prefetch,
        persistent_workers=True,
        multiprocessing_context=context,
        timeout=loader.timeout_s,
        worker_init_fn=WorkerInit(plan.logs, reports),
    )
    with one_thread_each():
        running: Any = iter(torch_loader)
    try:
        _demand_alive(running)
        yield _Epochs(torch_loader, running)
    finally:
        settings = tuple(reports.get() for _ in iter(lambda: not reports.empty(), False))
        plan.report.worker_settings = settings
        plan.report.workers_alive = alive(worker["pid"] for worker in settings)
        # DataLoader offers no other way to end persistent workers now: dropping it leaves that to whoever still holds a
        # traceback that passed through it.
        running._shutdown_workers()
        reports.close()
