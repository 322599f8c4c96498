"""Take batches through an update, in timed windows that nobody disturbs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.system.stopwatch import now_s, timed

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.device import Device
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.records.window import Window
    from feedrate.system.sampling_flags import SamplingFlags

__all__ = ["Loop", "Work"]

Work = Callable[[int], int]
"""Does so many batches; returns the samples in them."""


@dataclass
class Loop:
    """One update on one device, and how long it is measured."""

    update: Callable[[Batch], object]
    device: Device
    marks: SamplingFlags
    effort: MeasurementBudget

    def steps(self, batches: Iterator[Batch], count: int) -> int:
        """Train on so many batches; returns the samples in them."""
        samples = 0
        for _ in range(count):
            batch = next(batches)
            self.update(batch)
            samples += len(batch)
        return samples

    def both(self, feed: RecordedStream, count: int, stamps: list[float]) -> int:
        """The same with batches as a stream serves them; adds the time at which each was trained on to `stamps`."""
        samples = 0
        for _ in range(count):
            batch = feed.take()
            self.update(batch)
            samples += len(batch)
            stamps.append(now_s())
        return samples

    def windows(
        self, work: Work, count: int, batches: int, after: Callable[[], None] = lambda: None
    ) -> tuple[Window, ...]:
        """So many windows of so many batches each; `after` is called, untimed, when each has ended."""
        timed_windows = []
        self.marks.set_busy(True)
        try:
            for _ in range(count):
                timed_windows.append(timed(work, batches, self.device.synchronize))
                after()
        finally:
            self.marks.set_busy(False)
        return tuple(timed_windows)

    def pace_s(self, work: Work, block: int = 8, before_s: float | None = None) -> float:
        """Seconds a batch, from as few as will do.

        One takes too long where a block was read for it, or after a pause, and no time where it was cut from what lay
        ready: of two the quicker one counts, and quick ones are timed for a whole `block` of batches, or for half the
        time of a phase. `before_s`: seconds of the batch before, if it was timed.
        """
        single_s = timed(work, 1, self.device.synchronize).s
        single_s = min(single_s, before_s or timed(work, 1, self.device.synchronize).s)
        if single_s > self.effort.seconds / 10:
            return single_s
        took_s, count = 0.0, 0
        while count < block and took_s < self.effort.seconds / 2:
            window = timed(work, min(8, block - count), self.device.synchronize)
            took_s, count = took_s + window.s, count + window.batches
        return took_s / count

    def discard(self, work: Work, batches: int) -> float:
        """Use up so many batches, but give up after the time of a phase: a slow step empties no queue anyway.

        Returns the seconds of the last one.
        """
        until, last_s = now_s() + self.effort.seconds, 0.0
        for _ in range(batches):
            last_s = timed(work, 1, self.device.synchronize).s
            if now_s() > until:
                break
        return last_s
