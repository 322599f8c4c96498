"""Take batches through an update, in timed windows that nobody disturbs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feedrate.metering.pace_log import PaceLog
from feedrate.metering.ranks import Alone
from feedrate.system.stopwatch import now_s, thread_core_s, timed

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.device import Device
    from feedrate.metering.ranks import Ranks
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.records.window import Window
    from feedrate.system.sampling_flags import SamplingFlags

__all__ = ["TrainingLoop", "Work"]

Work = Callable[[int], int]
"""Does so many batches; returns the samples in them."""


@dataclass
class TrainingLoop:
    """One update on one device, and how long it is measured."""

    update: Callable[[Batch], object]
    device: Device
    marks: SamplingFlags
    effort: MeasurementBudget
    step_log: PaceLog = field(default_factory=lambda: PaceLog(thread_core_s))
    """What `steps` took, by number of the update."""
    updates: int = 0
    ranks: Ranks = field(default_factory=Alone)
    """Train together: what hangs on time is agreed, and windows begin together."""

    def steps(self, batches: Iterator[Batch], count: int) -> int:
        """Train on so many batches; returns the samples in them."""
        samples = 0
        with self.step_log.noted(self.updates, count):
            for _ in range(count):
                batch = next(batches)
                self.update(batch)
                samples += len(batch)
        self.updates += count
        return samples

    def both(self, feed: RecordedStream, count: int, stamps: list[float]) -> int:
        """The same with batches as a stream serves them; adds the time at which each was trained on to `stamps`."""
        samples = 0
        for _ in range(count):
            batch = feed.take()
            self.update(batch)
            samples += len(batch)
            stamps.append(now_s())
        self.updates += count
        return samples

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Ask the watcher to take no sample inside the block."""
        self.marks.set_busy(True)
        try:
            yield
        finally:
            self.marks.set_busy(False)

    def window(self, work: Work, batches: int) -> Window:
        """Time one window of so many batches; for use inside `undisturbed`."""
        self.ranks.largest(0.0)
        return timed(work, batches, self.device.synchronize)

    def windows(
        self, work: Work, count: int, batches: int, after: Callable[[], None] = lambda: None
    ) -> tuple[Window, ...]:
        """So many windows of so many batches each; `after` is called, untimed, when each has ended."""
        timed_windows = []
        with self.undisturbed():
            for _ in range(count):
                timed_windows.append(self.window(work, batches))
                after()
        return tuple(timed_windows)

    def pace_s(self, work: Work, block: int = 8, before_s: float | None = None) -> float:
        """Seconds a batch, from as few as will do.

        One takes too long where a block was read for it, or after a pause, and no time where it was cut from what lay
        ready: of two the quicker one counts, and quick ones are timed for a whole `block` of batches, or for half the
        time of a phase. `before_s`: seconds of the batch before, if it was timed.
        """
        agreed = self.ranks.largest
        before_s = None if before_s is None else agreed(before_s)
        if before_s is not None and before_s > self.effort.seconds:
            return before_s
        single_s = self.window(work, 1).s
        single_s = agreed(min(single_s, before_s or self.window(work, 1).s))
        if single_s > self.effort.seconds / 10:
            return single_s
        took_s, count = 0.0, 0
        while count < block and took_s < self.effort.seconds / 2:
            window = self.window(work, min(8, block - count))
            took_s, count = agreed(took_s + window.s), count + window.batches
        return took_s / count

    def discard(self, work: Work, batches: int, most_s: float | None = None) -> float:
        """Use up so many batches, but give up after `most_s`, or the time of a phase, with at least one.

        Returns the seconds of the last one.
        """
        until, last_s = now_s() + (self.effort.seconds if most_s is None else most_s), 0.0
        for _ in range(batches):
            start = now_s()
            work(1)
            self.device.synchronize()
            last_s = now_s() - start
            if self.ranks.largest(now_s() > until):
                break
        return last_s
