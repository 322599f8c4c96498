"""Have spawned workers write batches straight into a shared-memory ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from feedrate.builtin.loaders._worker_loader import WorkerLoader
from feedrate.builtin.loaders.inline import Inline
from feedrate.errors import ContractError
from feedrate.loading.loader_report import LoaderReport
from feedrate.loading.ring import RingWorker, end_all, worker_with
from feedrate.plugin.strategy import knob
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.loading.buffers import Layout
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["RingWorkers"]


@dataclass(frozen=True)
class RingWorkers(WorkerLoader):
    """Let `count` spawned processes gather into `slots` buffers each, in memory that this process shares; 0: inline.

    What crosses between processes is the number of a slot: nothing is allocated, faulted in or copied twice. A slot
    goes back to its worker when the consumer has dropped the batch; a consumer that holds too many gets copies.
    Blocks are dealt and their batches come as they are ready, epoch by epoch; `deal=batches` keeps the planned order.
    """

    name = "ring_workers"
    count: int | None = knob(None, 0, 1, 2, 4, 8, low=0, high=256)
    slots: int = knob(4, 8, low=1, high=256)
    """A slot's number crosses in one byte."""
    deal: str = knob("blocks", "batches")
    timeout_s: int = knob(120, low=1, high=86_400)

    def without_workers(self) -> RingWorkers:
        return replace(self, count=0)

    def traits(self) -> LoaderTraits:
        count = self.asked_count
        if count == 0:
            return LoaderTraits("caller")
        return LoaderTraits("processes", count, "count", "slots", shares_memory=True)

    def prefetch_batches(self, plan: Plan) -> int:
        return self.started_count(plan) * self.slots

    def stream(self, plan: Plan) -> Stream:
        count = self.started_count(plan)
        plan.report.workers_requested, plan.report.workers_resolved = self.count, count
        if count == 0:
            yield from Inline(self.cast, self.copy, self.pin).stream(plan)
            return
        self.demand_room(plan)
        with _ring(self, plan, count) as ring:
            for epoch in plan.epoch_numbers():
                yield from ring.epoch(epoch)


@dataclass(frozen=True)
class _Ring:
    workers: tuple[RingWorker, ...]
    layout: Layout
    loader: RingWorkers
    logs: str
    """The folder that workers write to when they crash, or are asked what they do; empty: none."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch; those of the next wait in their slots."""
        running = deque(self.workers)
        while running:
            worker = self._next(running, epoch)
            written = worker.waiting.popleft()
            if written.slot < 0:
                running.remove(worker)
                continue
            yield self.layout.batch(worker.lend(written.slot), written.rows)
            running.rotate(-1 - running.index(worker))

    def _next(self, running: deque[RingWorker], epoch: int) -> RingWorker:
        """The worker whose batch comes next: the one whose turn it is, or the first that has one."""
        turn = (running[0],) if self.loader.serves == "order" else tuple(running)
        worker = worker_with(turn, epoch, self.loader.timeout_s)
        if worker is None:
            raise self.loader.hang((worker.process.pid or 0 for worker in self.workers), self.logs)
        return worker


@contextmanager
def _ring(loader: RingWorkers, plan: Plan, count: int) -> Iterator[_Ring]:
    """Workers that are at it, and are gone when the block is left; batches already handed out stay valid."""
    from feedrate.loading.buffers import Layout
    from feedrate.system.procfs import alive

    layout = Layout.of(plan)
    workers: list[RingWorker] = []
    try:
        with _registered(loader, plan, count, layout) as memory:
            for number in range(count):
                workers.append(_spawned(loader, plan, (number, count), memory[number], layout))
            yield _Ring(tuple(workers), layout, loader, plan.logs)
    finally:
        plan.report.workers_alive = alive(worker.process.pid or 0 for worker in workers)
        plan.report.worker_settings = tuple(worker.settings for worker in workers if worker.settings is not None)
        end_all(workers)


@contextmanager
def _registered(loader: RingWorkers, plan: Plan, count: int, layout: Layout) -> Iterator[Tensor]:
    """uint8 (count, slots, bytes) in shared memory, page-locked if the batches go to a device."""
    import torch

    memory = torch.empty((count, loader.slots, layout.nbytes), dtype=torch.uint8).share_memory_()
    accelerator = plan.accelerator if loader.pin else None
    if accelerator is None:
        yield memory
        return
    if not accelerator.lock_pages(memory):
        raise ContractError(f"{loader}: cannot page-lock {memory.nbytes / 1e6:.0f} MB of shared memory; try pin=false")
    try:
        yield memory
    finally:
        accelerator.synchronize()
        accelerator.unlock_pages(memory)


def _spawned(loader: RingWorkers, plan: Plan, place: tuple[int, int], memory: Tensor, layout: Layout) -> RingWorker:
    from torch import multiprocessing

    from feedrate.builtin.loaders._ring_worker import work
    from feedrate.system.threadpools import one_thread_each

    context: Any = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    arguments = (there, memory, layout, replace(plan, report=LoaderReport()), place, loader.deal == "batches")
    process = context.Process(target=work, args=arguments, daemon=True, name=f"ring_workers-{place[0]}")
    with one_thread_each():
        process.start()
    # With our copy of the worker's end open, its death would not read as the end of the pipe.
    there.close()
    return RingWorker(process, here, memory)
