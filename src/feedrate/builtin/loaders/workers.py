"""Load with torch's own DataLoader and spawned workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from feedrate.builtin.loaders._worker_loader import WorkerLoader
from feedrate.errors import FeedrateError, HangError, WorkerError
from feedrate.loading.loader_report import LoaderReport
from feedrate.plugin.strategy import knob
from feedrate.records.cell_traits import LoaderTraits
from feedrate.system.procfs import alive
from feedrate.system.signals import end_of

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from torch.utils.data import DataLoader

    from feedrate.builtin.loaders._sharding import ShardedBatches
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Workers"]

_DYING_S = 2.0
"""Longest that a process takes to be gone whose pipe is closed."""


@dataclass(frozen=True)
class Workers(WorkerLoader):
    """Let `count` processes cut batches and send each through DataLoader's queue; 0: no process at all.

    Blocks are dealt to the workers from one permutation that all of them compute, so batches of different blocks
    interleave. With `deal=batches` every worker decodes every block and cuts each n-th batch: the planned order, for
    more decoding. Workers live as long as the stream; with `persistent=false` each epoch starts its own, which is what
    DataLoader does by itself.

    `start=fork` copies this process instead of spawning new ones, locks of its threads included: it may hang, and is
    there to be measured against.
    """

    name = "workers"
    tensor_descriptors = 1
    count: int | None = knob(None, 0, 1, 2, 4, 8, low=0, high=256)
    prefetch: int = knob(2, 4, low=1, high=1_024)
    deal: str = knob("blocks", "batches")
    persistent: bool = knob(True, False)
    timeout_s: int = knob(120, low=1, high=86_400)
    start: str = knob("spawn", also=("fork",))

    def without_workers(self) -> Workers:
        return replace(self, count=0)

    def traits(self) -> LoaderTraits:
        count = self.asked_count
        if not count:
            return LoaderTraits("caller")
        return LoaderTraits(
            "processes", count, "count", "prefetch", restarts_knob=None if self.persistent else "persistent"
        )

    def prefetch_batches(self, plan: Plan) -> int:
        return self.started_count(plan) * self.prefetch

    def stream(self, plan: Plan) -> Stream:
        from feedrate.builtin.loaders._sharding import ShardedBatches

        count = self.started_count(plan)
        plan.report.workers_requested, plan.report.workers_resolved = self.count, count
        if count:
            self.demand_room(plan)
        by_batch, first = self.deal == "batches", plan.order.first_epoch
        dataset = ShardedBatches(replace(plan, report=LoaderReport()), by_batch=by_batch, epoch=first)
        started = _started(self, dataset, plan, count) if count else nullcontext(self._torch_loader(dataset, plan))
        with started as loader:
            for number in plan.epoch_numbers():
                # Workers that live on count their epochs themselves.
                dataset.epoch = number
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
    """An epoch's batches at each iteration, by the workers that are there, or by new ones."""

    loader: DataLoader[Batch]
    reports: SimpleQueue[Any]
    """What each worker looks like from inside, as it begins."""
    hang: Callable[[Iterable[int]], HangError]
    """Says of the processes of these ids that nothing came from them in time."""
    settings: tuple[Mapping[str, int], ...] = ()
    """Of those that were started last, as far as they have said so."""
    _running: Any = None
    """DataLoader's iterator, which has the workers."""
    _is_fresh: bool = False
    """Nothing was taken from it yet."""

    def start(self) -> None:
        """Start workers.

        Raises:
            WorkerError: one ended at once.
        """
        from feedrate.system.threadpools import one_thread_each

        with one_thread_each():
            self._running = iter(self.loader)
        self._is_fresh = True
        _demand_alive(self._running)

    def __iter__(self) -> Iterator[Batch]:
        if not self._is_fresh:
            self._go_on()
        self._is_fresh = False
        return self._batches()

    def _batches(self) -> Iterator[Batch]:
        """Yield what DataLoader does; of a worker that dies it says only that it did.

        Raises:
            WorkerError: one died, and how.
            HangError: none did, and no batch came; where each of them stands is in its dump.
        """
        try:
            yield from self._running
        except (RuntimeError, OSError, EOFError) as error:
            if str(error).startswith("DataLoader timed out"):
                raise self.hang(worker.pid for worker in self._running._workers) from error
            # The end of a pipe may be heard of before that of its process.
            closed = wait([worker.sentinel for worker in self._running._workers], _DYING_S)
            for worker in self._running._workers:
                if worker.sentinel in closed:
                    worker.join()
                if worker.exitcode:
                    end = f"worker {worker.pid} {end_of(worker.exitcode)}"
                    raise WorkerError(f"workers: {end} before its work was done") from error
            raise

    def _go_on(self) -> None:
        if self.loader.persistent_workers:
            iter(self.loader)
            return
        self.hear()
        self.start()

    def hear(self) -> None:
        """Take what workers have said since the last time."""
        self.settings = (
            tuple(self.reports.get() for _ in iter(lambda: not self.reports.empty(), False)) or self.settings
        )

    @property
    def sound(self) -> int:
        """Workers that live, or are through with an epoch after which others are to come."""
        if self.loader.persistent_workers:
            return alive(worker["pid"] for worker in self.settings)
        started = self._running._workers if self._running is not None else ()
        return sum(worker.exitcode in (None, 0) for worker in started)

    def end(self) -> None:
        """End all workers."""
        # DataLoader offers no other way to do so now: dropping it leaves that to whoever still holds a traceback that
        # passed through it.
        if self._running is not None:
            self._running._shutdown_workers()


def _demand_alive(running: Any) -> None:
    """Look once more: of a death before all workers were started DataLoader hears at its timeout only."""
    for worker in running._workers:
        if not worker.is_alive():
            raise WorkerError(f"workers: worker {worker.pid} {end_of(worker.exitcode)} as it was started")


@contextmanager
def _started(loader: Workers, dataset: ShardedBatches, plan: Plan, count: int) -> Iterator[Iterable[Batch]]:
    """An epoch's batches, again at each iteration, from workers none of which outlives the block."""
    from torch import multiprocessing

    from feedrate.builtin.loaders._sharding import WorkerInit

    context: Any = multiprocessing.get_context(loader.start)
    reports: SimpleQueue[Any] = context.SimpleQueue()
    torch_loader = loader._torch_loader(
        dataset,
        plan,
        num_workers=count,
        prefetch_factor=loader.prefetch,
        persistent_workers=loader.persistent,
        multiprocessing_context=context,
        timeout=loader.timeout_s,
        worker_init_fn=WorkerInit(plan.logs, reports),
    )
    epochs = _Epochs(torch_loader, reports, lambda pids: loader.hang(pids, plan.logs))
    try:
        epochs.start()
        yield epochs
    finally:
        epochs.hear()
        plan.report.worker_settings, plan.report.workers_alive = epochs.settings, epochs.sound
        epochs.end()
        reports.close()
