"""Meet the beginning of an epoch on purpose, loader and step together, where no window met one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from feedrate.records.epoch_starts import EpochStarts
from feedrate.records.window import mean_batch_s
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.metering.prepared_cell import PreparedCell
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.records.answer import RoundTimes

__all__ = ["met_epoch_start"]

_BESIDE = 8
"""Batches before the beginning that are trained on and timed, besides those that may be ready: what is usual."""


def met_epoch_start(prepared: PreparedCell, feed: RecordedStream, plan: Plan, rounds: RoundTimes) -> EpochStarts | None:
    """Drain an epoch up to its last batches, and train over its end; None: that takes longer than it may.

    What the loader has ready there is what it makes ahead of a step that trains, as in a training.
    """
    ahead, epoch = prepared.cell.loader.prefetch_batches(plan), plan.epoch_batches
    # None of them begins an epoch itself.
    before = ahead + min(_BESIDE, epoch - 1)
    start = -(-(feed.taken + before) // epoch) * epoch
    drained = start - before - feed.taken
    took_s = drained * mean_batch_s(rounds.loader_windows) + before * mean_batch_s(rounds.full_windows)
    if took_s > prepared.effort.epoch_start_s:
        return None
    loop, clock = prepared.loop, prepared.clock
    with clock.phase("discards"):
        feed.drain(drained)
        loop.both(feed, ahead, [])
    with clock.phase("windows"), loop.undisturbed():
        loop.device.synchronize()
        stamps = [now_s()]
        loop.both(feed, before - ahead + 1, stamps)
    *others, first = (after - earlier for earlier, after in pairwise(stamps))
    return EpochStarts.of([first], others, in_windows=0.0)
