"""One open stream of the loader: its rows checked, then the loader alone, then loader and step together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from feedrate.contract.reference import Reference, check_batch, demand_unchanged
from feedrate.loading.transfer import delivered
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.metering.row_check import demand_planned
from feedrate.records.answer import StreamTimes
from feedrate.records.batch_gaps import BatchGaps
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.ablation.ablation import Ablation
    from feedrate.metering.loop import Work
    from feedrate.metering.prepared_cell import PreparedCell
    from feedrate.records.conditions import MemorySample
    from feedrate.records.window import Window

__all__ = ["StreamTimer"]


@dataclass
class StreamTimer:
    """Times one stream of a plan; used once."""

    prepared: PreparedCell
    plan: Plan
    ablation: Ablation | None = None
    """Takes the stream apart while it is open, after the two times; None: nobody asked why."""
    _samples: list[MemorySample] = field(default_factory=list)

    def times(self) -> StreamTimes:
        """Open the stream, compare its first batches with the generator, measure T_L and T_F, and close it.

        Raises:
            ContractError: the loader served a wrong row; there is no number then.
        """
        prepared, plan, loader = self.prepared, self.plan, self.prepared.cell.loader
        ahead = loader.prefetch_batches(plan)
        start = now_s()
        with closing(delivered(loader, plan)) as stream:
            feed = RecordedStream(stream)
            first = feed.take()
            prepared.device.synchronize()
            first_batch_s = now_s() - start
            checked = self._checked(feed, first)
            del first
            loader_windows = self._phase(feed.drain, ahead, partial(self._look, feed, training=False))
            stamps: list[float] = []
            discarded = feed.taken
            both = partial(prepared.loop.both, feed, stamps=stamps)
            full_windows = self._phase(both, ahead, partial(self._look, feed, training=True))
            discarded = feed.taken - discarded - sum(window.batches for window in full_windows)
            gaps = BatchGaps.of(_gaps(stamps, full_windows))
            self._memory_stretch(feed)
            if self.ablation is not None:
                self.ablation.time_rungs(prepared.loop, feed, plan, prepared.resident)
        demand_planned(loader, plan, feed.ids)
        return StreamTimes(
            loader_windows=loader_windows,
            full_windows=full_windows,
            batch_gaps=gaps,
            looks=tuple(self._samples),
            first_batch_s=first_batch_s,
            batch_samples=plan.samples / plan.epoch_batches,
            batch_bytes=round(plan.samples / plan.epoch_batches * _sample_bytes(plan)),
            ahead_batches=ahead,
            discarded_batches=discarded,
            checked_batches=checked,
        )

    def _look(self, feed: RecordedStream, *, training: bool) -> None:
        epochs = feed.taken / self.plan.epoch_batches
        self._samples.append(self.prepared.device.look(epochs, feed.kept_bytes, training=training))

    def _phase(self, work: Work, ahead: int, look: Callable[[], None]) -> tuple[Window, ...]:
        """Discard what was made ahead for another consumer, find the pace, then measure; `look` after each window."""
        loop, effort, block = self.prepared.loop, self.prepared.effort, self.plan.max_block_batches
        pace_s = loop.pace_s(work, block, loop.discard(work, max(1, ahead)))
        total = effort.batches(pace_s, effort.least_batches, ahead, self.plan.epoch_batches)
        return self.prepared.windows(work, effort.windows, effort.whole(-(-total // effort.windows), block), look)

    def _checked(self, feed: RecordedStream, first: Batch) -> int:
        """Compare batches with the generator: the first epoch, or as much of it as the effort allows."""
        loader, reference = self.prepared.cell.loader, Reference(self.prepared.cell.recipe, self.plan)
        budget = self.prepared.effort.check_bytes // max(1, first.bytes)
        copy = first.copied()
        batch, checked = first, 0
        while True:
            check_batch(loader, batch, reference)
            checked += 1
            if checked >= min(self.plan.epoch_batches, max(1, budget)):
                break
            batch = feed.take()
        # It has been held all the while.
        demand_unchanged(loader, first, copy, 0)
        return checked

    def _memory_stretch(self, feed: RecordedStream) -> None:
        """Go on untimed until somebody has looked at the memory of the running loop."""
        loop = self.prepared.loop
        until = now_s() + self.prepared.effort.memory_s
        loop.marks.request_sample()
        while True:
            loop.both(feed, 1, [])
            if not loop.marks.sample_requested or now_s() > until:
                return


def _sample_bytes(plan: Plan) -> int:
    return sum(field.sample_bytes(plan.cast) for field in plan.batch_fields)


def _gaps(stamps: list[float], windows: tuple[Window, ...]) -> Iterator[list[float]]:
    """Yield, for each window, seconds from batch to batch; the first of each window has no predecessor."""
    timed_stamps = stamps[-sum(window.batches for window in windows) :]
    for window in windows:
        inside, timed_stamps = timed_stamps[: window.batches], timed_stamps[window.batches :]
        yield [after - before for before, after in pairwise(inside)]
