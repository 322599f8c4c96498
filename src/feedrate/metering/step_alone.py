"""The step alone on batches that are ready: half of its windows before the stream, half after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.loading.ready_batches import one_of_each_size
from feedrate.records.answer import StepTimes
from feedrate.system.stopwatch import freeze_gc, timed

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.prepared_cell import PreparedCell
    from feedrate.records.window import Window

__all__ = ["StepBefore", "step_after", "step_before"]

_SIZES = 3
"""Sizes of batches that are met before timing."""


@dataclass(frozen=True)
class StepBefore:
    """The step alone before the stream, and what it took to get there."""

    windows: tuple[Window, ...]
    first_step_s: float
    pace_s: float
    """Seconds a batch."""
    compiles: int


def step_before(prepared: PreparedCell) -> StepBefore:
    """Time the first update, let the step compile what it will, find its pace, and time half of the windows."""
    loop = prepared.loop
    with prepared.resident() as batches:
        first_step_s = timed(lambda n: loop.steps(batches, n), 1, loop.device.synchronize).s
        freeze_gc()
        if _graphs():
            _meet_other_sizes(prepared)
        pace_s = loop.pace_s(lambda n: loop.steps(batches, n))
        compiles = _graphs()
        return StepBefore(_windows(prepared, batches, pace_s), first_step_s, pace_s, compiles)


def step_after(prepared: PreparedCell, before: StepBefore) -> StepTimes:
    """Time the other half of the windows, and put both halves together."""
    with prepared.resident() as batches:
        # The first step after a pause is slow whatever it does: caches, and threads that went to sleep.
        prepared.loop.steps(batches, 1)
        after = _windows(prepared, batches, before.pace_s)
    return StepTimes(
        windows=(*before.windows, *after),
        first_step_s=before.first_step_s,
        compiles=before.compiles,
        recompiles=_graphs() - before.compiles,
    )


def _windows(prepared: PreparedCell, batches: Iterator[Batch], pace_s: float) -> tuple[Window, ...]:
    loop, effort = prepared.loop, prepared.effort
    half = effort.windows // 2
    count = max(effort.least_batches // 2, int(effort.seconds / 2 / pace_s))
    return prepared.windows(lambda n: loop.steps(batches, n), half, -(-count // half), loop.device.note_clock)


def _meet_other_sizes(prepared: PreparedCell) -> None:
    """Train once on a batch of each of a few sizes: a compiled step compiles again for the second."""
    for batch in one_of_each_size(prepared.plan(), _SIZES):
        prepared.loop.update(batch)


def _graphs() -> int:
    """Count the graphs that torch.compile has built in this process."""
    if "torch._dynamo.utils" not in sys.modules:
        return 0
    return int(sys.modules["torch._dynamo.utils"].counters["stats"].get("unique_graphs", 0))
