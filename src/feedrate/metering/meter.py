"""The three times of a cell, measured in this process."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import torch

from feedrate.contract.reference import Reference, check_batch, demand_unchanged
from feedrate.errors import UnavailableError
from feedrate.loading.plan import Placement
from feedrate.loading.ready_batches import ready_on_device
from feedrate.loading.transfer import delivered
from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.device import Device
from feedrate.metering.loop import Loop, Work
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.metering.row_check import demand_planned
from feedrate.metering.training_check import TrainingCheck
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.validity import read_from_disk
from feedrate.system import memory, page_cache
from feedrate.system.load_monitor import LoadMonitor
from feedrate.system.stopwatch import freeze_gc, now_s, timed
from feedrate.system.threadpools import pools

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Cast
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.ablation.ablation import Ablation
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.loader import Loader
    from feedrate.records.conditions import MemorySample
    from feedrate.records.measurement import Window
    from feedrate.system.sampling_flags import SamplingFlags

__all__ = ["Meter"]

_RESIDENT_BYTES = 64 << 20
"""Of the batches behind T_S: more than the last-level caches hold."""


class Idle(torch.optim.Optimizer):
    """An optimizer of nothing, for steps that train nothing: a real one takes seconds to import."""

    def __init__(self) -> None:
        self._optimizer_step_post_hooks = OrderedDict()


@dataclass
class Meter:
    """Measures one cell; `raw` collects the fields of a `Measurement`."""

    cell: Cell
    data: DataSet
    effort: MeasurementBudget
    marks: SamplingFlags
    """Where it says when it must not be disturbed from outside, and when a look at its memory is due."""
    logs: str = ""
    probe: Ablation | None = None
    """Takes the stream apart stage by stage after the three times; None: nobody asked why."""
    raw: dict[str, object] = field(default_factory=dict)

    def measure(self) -> Mapping[str, object]:
        """Measure T_S, T_L, T_F and T_S again.

        Raises:
            ContractError: the loader served a wrong row, or the step does not train; there is no number then.
            UnavailableError: this loader cannot do what this workload asks.
        """
        start = now_s()
        self._surroundings = LoadMonitor()
        self._device = Device(self.cell.device)
        self._demand_order()
        self._demand_memory()
        page_cache.warm(self._files)
        torch.manual_seed(0)
        workload, size = self.cell.workload, self.cell.size
        if self.cell.step.trains:
            model = workload.model(size).to(self.cell.device).train()
            optimizer = workload.trainer(model)
        else:
            model, optimizer = torch.nn.Identity(), Idle()
        health = TrainingCheck(model, optimizer)
        update = self.cell.step.bind(model, workload.loss, optimizer)
        self._update: Callable[[Batch], object] = update
        if self.cell.step.trains:
            watched = health.watched(update)
            # What the step alone met must be what loaders serve, or it compiles again when the loader comes.
            self._update = lambda batch: watched(batch.without_views())
        self._loop = Loop(self._update, self._device, self.marks, self.effort)
        self.raw["build_s"] = now_s() - start
        freeze_gc()
        before = self._step_alone(first=True)
        plan = self._plan(self.cell.loader)
        if self.probe is not None:
            plan = self.probe.staged(plan)
        self._device.reset_peaks()
        loader_windows, full_windows = self._streamed(plan)
        self.raw |= self._device.peaks()
        after = self._step_alone(first=False)
        self.raw["recompiles"] = _graphs() - int(str(self.raw["compiles"]))
        self.raw |= {"step_windows": (*before, *after), "loader_windows": loader_windows, "full_windows": full_windows}
        with self._resident() as batches:
            self.raw |= health.verdict(self.cell, model, next(batches)) if self.cell.step.trains else _UNTRAINED
        self.raw["page_cache"] = self._page_cache((*loader_windows, *full_windows))
        if self.probe is not None:
            self.raw["ladder"] = self.probe.found(self._loop, plan, self._resident)
        self.raw["observed"] = pools() | {"device": self.cell.device} | dict(plan.notes)
        return self.raw

    def _page_cache(self, windows: tuple[Window, ...]) -> str:
        """`warm` when the files are in memory, and next to nothing was read from a device while windows were timed."""
        self.raw["conditions"] = found = replace(self._surroundings.conditions(), **self._device.state())
        served = sum(window.batches for window in windows) * float(str(self.raw["batch_bytes"]))
        cold = page_cache.cached_share(self._files) < _WARM or read_from_disk(found.disk_read_bytes, served)
        return "unknown" if cold else "warm"

    def _demand_order(self) -> None:
        if self.cell.workload.in_order and not self.cell.loader.keeps_order:
            raise UnavailableError(f"{self.cell.loader}: {self.cell.workload} needs its order kept; try deal=batches")

    def _demand_memory(self) -> None:
        plan, free = self._plan(self.cell.loader), memory.available_bytes()
        largest = max(map(plan.block_bytes, plan.stored_blocks))
        if 2 * largest > free:
            raise UnavailableError(
                f"{self.cell.workload}/{self.cell.size}: needs twice {largest / 1e9:.1f} GB, a decoded block, and"
                f" {free / 1e9:.1f} GB of memory are free; choose a smaller size, or smaller blocks"
            )

    @property
    def _files(self) -> list[Path]:
        return [self.data.path(index) for index in range(len(self.data.shards))]

    def _plan(self, loader: Loader) -> Plan:
        cast: Cast = "host" if loader.cast == "host" else "device"
        plan = self.cell.workload.plan(self.data, self.cell.size, epochs=None, cast=cast)
        return replace(plan, placement=Placement(self.cell.device, self._device.room_bytes(), self.logs))

    # --- the step alone

    @contextmanager
    def _resident(self) -> Iterator[Iterator[Batch]]:
        """Batches that are there already, in all sizes that an epoch has if there is room, again and again."""
        plan = self._plan(self.cell.loader)
        most = plan.max_batch_rows * sum(field.sample_bytes("host") for field in plan.batch_fields)
        count = max(8, min(plan.epoch_batches, _RESIDENT_BYTES // most))
        with closing(ready_on_device(plan, count)) as stream:
            yield stream

    def _step_alone(self, *, first: bool) -> tuple[Window, ...]:
        with self._resident() as batches:
            if first:
                self.raw["first_step_s"] = timed(lambda n: self._loop.steps(batches, n), 1, self._device.synchronize).s
                freeze_gc()
                if _graphs():
                    self._meet_other_sizes(batches)
                self._step_pace_s = self._loop.pace_s(lambda n: self._loop.steps(batches, n))
                self.raw["compiles"] = _graphs()
            else:
                # The first step after a pause is slow whatever it does: caches, and threads that went to sleep.
                self._loop.steps(batches, 1)
            half = self.effort.windows // 2
            count = max(self.effort.least_batches // 2, int(self.effort.seconds / 2 / self._step_pace_s))
            note = self._device.note_clock
            return self._windows(lambda n: self._loop.steps(batches, n), half, -(-count // half), note)

    def _windows(self, work: Work, count: int, batches: int, after: Callable[[], None]) -> tuple[Window, ...]:
        """Windows during which the machine is watched."""
        with self._surroundings.watched():
            return self._loop.windows(work, count, batches, after)

    def _meet_other_sizes(self, batches: Iterator[Batch]) -> None:
        """Train once on batches of each of a few sizes: a compiled step compiles again for the second."""
        met: set[int] = set()
        for batch in islice(batches, _SIZES_WITHIN):
            if len(batch) not in met and len(met) < _SIZES:
                self._update(batch)
                met.add(len(batch))

    # --- the loader alone, then both together, in one stream

    def _streamed(self, plan: Plan) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
        self.raw["ahead_batches"] = ahead = self.cell.loader.prefetch_batches(plan)
        start = now_s()
        with closing(delivered(self.cell.loader, plan)) as stream:
            feed = RecordedStream(stream)
            first = feed.take()
            self._device.synchronize()
            self.raw["first_batch_s"] = now_s() - start
            self.raw["batch_samples"] = plan.samples / plan.epoch_batches
            self.raw["batch_bytes"] = round(plan.samples / plan.epoch_batches * self._sample_bytes(plan))
            self.raw["checked_batches"] = self._checked(feed, first, plan)
            del first
            looks: list[MemorySample] = []

            def look(*, training: bool) -> None:
                epochs = feed.taken / plan.epoch_batches
                looks.append(self._device.look(epochs, feed.kept_bytes, training=training))

            loader_windows = self._phase(feed.drain, plan, ahead, partial(look, training=False))
            stamps: list[float] = []
            discarded = feed.taken
            both = partial(self._loop.both, feed, stamps=stamps)
            full_windows = self._phase(both, plan, ahead, partial(look, training=True))
            self.raw["looks"] = tuple(looks)
            self.raw["discarded_batches"] = feed.taken - discarded - sum(window.batches for window in full_windows)
            self.raw["batch_gaps"] = BatchGaps.of(_gaps(stamps, full_windows))
            self._memory_stretch(feed)
            if self.probe is not None:
                self.probe.look(self._loop, feed, plan, self._resident)
        demand_planned(self.cell.loader, plan, feed.ids)
        return loader_windows, full_windows

    def _phase(self, work: Work, plan: Plan, ahead: int, look: Callable[[], None]) -> tuple[Window, ...]:
        """Discard what was made ahead for another consumer, find the pace, then measure; `look` after each window."""
        effort, block = self.effort, plan.max_block_batches
        pace_s = self._loop.pace_s(work, block, self._loop.discard(work, max(1, ahead)))
        total = effort.batches(pace_s, effort.least_batches, ahead, plan.epoch_batches)
        return self._windows(work, effort.windows, effort.whole(-(-total // effort.windows), block), look)

    def _checked(self, feed: RecordedStream, first: Batch, plan: Plan) -> int:
        """Compare batches with the generator: the first epoch, or as much of it as the effort allows."""
        reference = Reference(self.cell.recipe, plan)
        budget = self.effort.check_bytes // max(1, first.bytes)
        copy = first.copied()
        batch, checked = first, 0
        while True:
            check_batch(self.cell.loader, batch, reference)
            checked += 1
            if checked >= min(plan.epoch_batches, max(1, budget)):
                break
            batch = feed.take()
        # It has been held all the while.
        demand_unchanged(self.cell.loader, first, copy, 0)
        return checked

    def _memory_stretch(self, feed: RecordedStream) -> None:
        """Go on untimed until somebody has looked at the memory of the running loop."""
        until = now_s() + self.effort.memory_s
        self.marks.request_sample()
        while True:
            self._loop.both(feed, 1, [])
            if not self.marks.sample_requested or now_s() > until:
                return

    def _sample_bytes(self, plan: Plan) -> int:
        return sum(field.sample_bytes(plan.cast) for field in plan.batch_fields)


_SIZES, _SIZES_WITHIN = 3, 256
"""Sizes of batches that are met before timing, and among how many batches they are looked for."""
_WARM = 0.99
_UNTRAINED: dict[str, object] = {"loss_first": None, "loss_last": None, "skipped_updates": 0}


def _graphs() -> int:
    """Graphs that torch.compile has built in this process."""
    if "torch._dynamo.utils" not in sys.modules:
        return 0
    return int(sys.modules["torch._dynamo.utils"].counters["stats"].get("unique_graphs", 0))


def _gaps(stamps: list[float], windows: tuple[Window, ...]) -> Iterator[list[float]]:
    """Yield, for each window, seconds from batch to batch; the first of each window has no predecessor."""
    timed_stamps = stamps[-sum(window.batches for window in windows) :]
    for window in windows:
        inside, timed_stamps = timed_stamps[: window.batches], timed_stamps[window.batches :]
        yield [after - before for before, after in pairwise(inside)]
