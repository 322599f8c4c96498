"""Drain a stream until every queued batch was read after the last change of its source."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.ablation.source_switch import SourceSwitch
    from feedrate.metering.recorded_stream import RecordedStream

__all__ = ["StreamTracker"]

_EPOCHS = 2
"""Epochs within which a loader that reads through the plan at all has come to a block that it reads anew."""
_MANY = 20
"""Gaps between batches from which it is known what is usual."""


@dataclass
class StreamTracker:
    """Drains a stream until what comes was made as the switch says."""

    feed: RecordedStream
    plan: Plan
    switch: SourceSwitch
    ahead: int
    """Batches that may have been made before they are asked for."""
    _usual_s: list[float] = field(default_factory=list)
    _boundary_s: list[float] = field(default_factory=list)

    def settle(self, most_s: float) -> bool:
        """Take batches until none is left that was made before the last turn; False: that never comes to be.

        A loader that reads natively, or that keeps what it read, never serves anything new.
        """
        if not self.switch.readers:
            return False
        start, new = now_s(), 0
        for number in range(_EPOCHS * self.plan.epoch_batches + 4 * self.ahead + 1):
            batch = self._timed_batch(number)
            # Several processes take turns, and one may still be at an old block: all of a queue must be new.
            new = new + 1 if self.switch.is_new(self._block(batch)) else 0
            if new > self.ahead:
                return True
            if now_s() - start > most_s:
                break
        return False

    def pass_epoch_start(self, most_batches: float) -> None:
        """Take batches until one is the first of an epoch and was not ready, unless that takes more than so many."""
        epoch, taken = self.plan.epoch_batches, self.feed.taken
        # The next number, beyond those that may be ready, that begins an epoch.
        first = -(-(taken + self.ahead) // epoch) * epoch
        if first - taken < most_batches:
            for number in range(first - taken + 1):
                self._timed_batch(number)

    def _timed_batch(self, number: int) -> Batch:
        """Take a batch and note how long it took; `number`: of those that were taken one after the other before it."""
        first_of_epoch = self.feed.taken % self.plan.epoch_batches == 0
        start = now_s()
        batch = self.feed.take()
        if not first_of_epoch:
            self._usual_s.append(now_s() - start)
        # One that lay ready says nothing of what an epoch's beginning takes.
        elif number >= self.ahead:
            self._boundary_s.append(now_s() - start)
        return batch

    @property
    def readers(self) -> float:
        """Processes or threads that share the reading: n if each block is read once by one of n."""
        reads = float(self.switch.reads["times"].sum())
        blocks = len(self.plan.stored_blocks) * self.feed.taken / self.plan.epoch_batches
        return max(1.0, self.switch.readers * min(1.0, blocks / reads)) if reads else 1.0

    @property
    def boundary_s(self) -> float | None:
        """Seconds that the first batch of an epoch took longer than nearly all others; None: none was seen."""
        if not self._boundary_s or len(self._usual_s) < _MANY:
            return None
        # Others begin a block, too, and the wait for one that is read is nothing that epochs bring.
        usual = float(np.quantile(self._usual_s, 0.95))
        return max(0.0, statistics.fmean(self._boundary_s) - usual)

    def _block(self, batch: Batch) -> int:
        return int(self.plan.block_of(batch.ids[:1]))
