"""Note how long consecutive batches took, so that a pace that changes with their number shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from feedrate.records.soak import Pace
from feedrate.system.stopwatch import now_s, thread_wait_s

__all__ = ["PaceClock", "PaceLog"]


class PaceClock:
    """Reads the clocks of a pace when it is made, and again when it is asked."""

    def __init__(self, core_s: Callable[[], float]) -> None:
        """`core_s`: processor time of whoever works."""
        self._core_s = core_s
        self._wait, self._core, self._start = thread_wait_s(), core_s(), now_s()

    def pace(self, number: int, batches: int) -> Pace:
        """Give what so many batches took since then, the first of them after `number` others."""
        s, core_s, waited_s = now_s() - self._start, self._core_s() - self._core, thread_wait_s() - self._wait
        return Pace(number, batches, s, core_s, waited_s)


@dataclass
class PaceLog:
    """Keep the paces of one kind of work, in their order; six looks at a clock for each call, however many batches."""

    core_s: Callable[[], float]
    """Processor time of whoever works."""
    least_batches: int = 1
    """Fewer in one call are not noted."""
    paces: list[Pace] = field(default_factory=list)

    @contextmanager
    def noted(self, number: int, batches: int) -> Iterator[None]:
        """Note what the block takes: `batches` batches, the first of them after `number` others."""
        if batches < self.least_batches:
            yield
            return
        clock = PaceClock(self.core_s)
        yield
        self.paces.append(clock.pace(number, batches))
