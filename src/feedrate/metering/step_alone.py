"""The step alone on batches that are ready, while there is no stream: before it, and after it where that tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from feedrate.loading.ready_batches import one_of_each_size
from feedrate.metering.compilation import compiled_so_far
from feedrate.records.answer import Compilation, DeviceBefore, StepTimes
from feedrate.records.step_at_rest import is_slower_beside
from feedrate.system.stopwatch import freeze_gc, timed

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.device import Device
    from feedrate.metering.prepared_cell import PreparedCell
    from feedrate.records.window import Window

__all__ = ["StepBefore", "step_before", "step_times"]

_SIZES = 3
"""Sizes of batches that are met before timing."""
_WINDOWS = 4
"""In half the time of a phase; two, of one step each, of a step that takes a quarter of it."""
_SLOW = 0.25


@dataclass(frozen=True)
class StepBefore:
    """The step alone before the stream, and what it took to get there."""

    windows: tuple[Window, ...]
    first_step_s: float
    pace_s: float
    """Seconds a batch."""
    compiled: Compilation
    device: DeviceBefore


def step_before(prepared: PreparedCell) -> StepBefore:
    """Time the first update, let the step compile what it will, find its pace, and time a few windows."""
    loop, clock, device = prepared.loop, prepared.clock, prepared.device
    device.reset_peaks()
    built_bytes = device.allocated_bytes
    with prepared.resident() as ready:
        held_bytes = device.allocated_bytes
        with prepared.fitting(ready) as batches, clock.phase("compile"):
            first_step_s = timed(partial(loop.steps, batches), 1, loop.device.synchronize).s
            freeze_gc()
            _settle(prepared)
        with clock.phase("warm_up"):
            singles = loop.windows(partial(loop.steps, batches), 2, 1)
            pace_s = loop.ranks.largest(min(window.s for window in singles))
            if pace_s <= _SLOW * prepared.effort.seconds:
                pace_s = loop.pace_s(partial(loop.steps, batches), before_s=pace_s)
        compiled = compiled_so_far()
        # Of a step that takes longer than a phase these two are enough.
        windows = singles if pace_s > prepared.effort.seconds else _windows(prepared, batches, pace_s)
        # The machine may have been busy for one of them.
        pace_s = loop.ranks.largest(min(window.batch_s for window in windows))
        taken = _taken(device, built_bytes, held_bytes)
        return StepBefore(windows, first_step_s, pace_s, compiled, taken)


def _taken(device: Device, built_bytes: int | None, held_bytes: int | None) -> DeviceBefore:
    """Leave out of the peak what was held when the batches had come to the model."""
    peak_bytes = device.peaks().allocated_bytes
    if built_bytes is None or held_bytes is None or peak_bytes is None:
        return DeviceBefore()
    return DeviceBefore(*device.capacity, built_bytes, peak_bytes - (held_bytes - built_bytes))


def step_times(prepared: PreparedCell, before: StepBefore, beside: Sequence[Window]) -> StepTimes:
    """Sum up the step alone; it is timed once more if the windows `beside` the open stream were clearly slower."""
    after: tuple[Window, ...] = ()
    if prepared.loop.ranks.largest(is_slower_beside(beside, before.windows)):
        with prepared.resident() as batches:
            # The first step after a pause is slow whatever it does: caches, and threads that went to sleep.
            prepared.loop.steps(batches, 1)
            after = _windows(prepared, batches, before.pace_s)
    return StepTimes(
        windows_before=before.windows,
        windows_after=after,
        first_step_s=before.first_step_s,
        compiled=before.compiled,
        recompiles=compiled_so_far().graphs - before.compiled.graphs,
        device=before.device,
    )


def _windows(prepared: PreparedCell, batches: Iterator[Batch], pace_s: float) -> tuple[Window, ...]:
    loop, seconds = prepared.loop, prepared.effort.seconds
    number = _WINDOWS if pace_s <= _SLOW * seconds else _WINDOWS // 2
    count = max(1, int(prepared.step_seconds / 2 / number / pace_s))
    with prepared.clock.phase("windows"), prepared.monitor.watched():
        return loop.windows(partial(loop.steps, batches), number, count, loop.device.note_clock)


def _settle(prepared: PreparedCell) -> None:
    """Train on a batch of each of a few sizes: once if the step is compiled, again for the second, or as it asks."""
    times = max(prepared.cell.step.settles_after - 1, int(compiled_so_far().graphs > 0))
    sizes = one_of_each_size(prepared.plan(), _SIZES) if times else []
    for batch in sizes * times:
        prepared.loop.update(batch)
