"""Work that a simulated device has noted, to be done again on the addresses that it was noted with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from feedrate.loading.simulated.stream import Mark, Scheduler, SimulatedStream

__all__ = ["CapturingStream", "SimulatedGraph"]

_NUMBER = -1
"""Of a stream that no schedule chooses."""


class CapturingStream(SimulatedStream):
    """Notes what it is given and does none of it, and so nobody may wait for it."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler, _NUMBER)
        self.noted: list[Callable[[], object]] = []
        self._marks: list[Mark] | None = []
        """None: the capture has ended."""

    def close(self) -> None:
        """End the capture: what is given from now on is memory that goes back, which replays may still write to."""
        for mark in self._marks or ():
            mark.reached()
        self._marks = None

    def give(self, run: Callable[[], object], needs: Mark | None = None) -> None:
        """See `SimulatedStream`.

        Raises:
            RuntimeError: it is to wait for another stream.
        """
        if self._marks is None:
            return
        if needs is not None:
            self.refuse()
        self.noted.append(run)

    def mark(self) -> Mark:
        """See `SimulatedStream`; it is reached when the capture ends."""
        mark = Mark(self, done=self._marks is None)
        if self._marks is not None:
            self._marks.append(mark)
        return mark

    def step(self, *, force: bool) -> None:
        """Refuse; raises `RuntimeError`."""
        del force
        self.refuse()

    def synchronize(self) -> None:
        """Refuse; raises `RuntimeError`."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """Say that something waits, or has to, while there is nothing to wait for.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("operation not permitted while a graph is captured: it waits for the simulated device")


@dataclass(frozen=True, eq=False)
class SimulatedGraph:
    """See `feedrate.loading.accelerator.Graph`."""

    current: Callable[[], SimulatedStream]
    noted: Sequence[Callable[[], object]]

    def replay(self) -> None:
        """See `Graph`."""
        noted = self.noted

        def again() -> None:
            for run in noted:
                run()

        self.current().give(again)
