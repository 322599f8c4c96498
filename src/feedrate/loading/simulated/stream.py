"""Streams whose work waits until somebody forces it, or a schedule lets it go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from threading import RLock
from typing import TypeAlias

import torch
from torch.utils._python_dispatch import _disable_current_modes

__all__ = [
    "Mark",
    "Schedule",
    "Scheduler",
    "SimulatedEvent",
    "SimulatedStream",
    "at_random",
    "at_the_last",
    "copies_first",
]


@dataclass(eq=False)
class Mark:
    """A place in the work of a stream."""

    stream: SimulatedStream
    done: bool = False
    """All before it is done."""

    def force(self) -> None:
        """Do all before it."""
        while not self.done:
            self.stream.step(force=True)

    def reached(self) -> None:
        """Take note that the stream has come here."""
        self.done = True


@dataclass(frozen=True)
class _Work:
    run: Callable[[], object]
    needs: Mark | None = None
    """What must be done before, of another stream."""


Schedule: TypeAlias = "Callable[[Sequence[SimulatedStream]], SimulatedStream | None]"
"""Chooses the stream that does its next piece of work, of those that have some; None: the host goes on first."""


def at_the_last(streams: Sequence[SimulatedStream]) -> SimulatedStream | None:
    """Do nothing before somebody waits for it: a device that is as late as it may be."""
    del streams
    return None


def copies_first(streams: Sequence[SimulatedStream]) -> SimulatedStream | None:
    """Do what was given to other streams at once, and the step's work at the last."""
    return next((stream for stream in streams if stream.number and stream.is_free), None)


def at_random(seed: int) -> Schedule:
    """Do some of the work, with a pace of each stream's own that changes now and then."""
    draws = Random(seed)
    paces: dict[SimulatedStream, float] = {}

    def choose(streams: Sequence[SimulatedStream]) -> SimulatedStream | None:
        for stream in streams:
            if stream not in paces or draws.random() < 0.02:
                paces[stream] = draws.choice((0.0, 0.1, 0.5, 0.9))
        going = [stream for stream in streams if stream.is_free and draws.random() < paces[stream]]
        return draws.choice(going) if going else None

    return choose


class Scheduler:
    """Holds the work of all streams of one device; any thread of the host may give some, or wait for it."""

    def __init__(self, schedule: Schedule) -> None:
        self.lock = RLock()
        self.streams: list[SimulatedStream] = []
        self._schedule = schedule

    def stream(self) -> SimulatedStream:
        """Make a stream."""
        with self.lock:
            made = SimulatedStream(self, len(self.streams))
            self.streams.append(made)
            return made

    def advance(self) -> None:
        """Let work go on as far as the schedule says."""
        with self.lock:
            while (chosen := self._schedule([stream for stream in self.streams if stream.has_work])) is not None:
                chosen.step(force=False)

    def synchronize(self) -> None:
        """Do everything that was given."""
        with self.lock:
            while any(stream.has_work for stream in self.streams):
                for stream in list(self.streams):
                    stream.synchronize()

    @contextmanager
    def really(self) -> Iterator[None]:
        """Have torch's operations inside the block done by the host, now."""
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            yield


class SimulatedStream:
    """Does its work in the order in which it was given; see `feedrate.loading.accelerator.DeviceStream`."""

    def __init__(self, scheduler: Scheduler, number: int) -> None:
        self._scheduler = scheduler
        self.number = number
        """0: the one that operations go to unless another is said."""
        self._work: deque[_Work] = deque()

    @property
    def has_work(self) -> bool:
        """Whether something was given that is not done."""
        return bool(self._work)

    @property
    def is_free(self) -> bool:
        """Whether its next piece of work need wait for no other stream."""
        return self.has_work and (self._work[0].needs is None or self._work[0].needs.done)

    def give(self, run: Callable[[], object], needs: Mark | None = None) -> None:
        """Add a piece of work."""
        with self._scheduler.lock:
            self._work.append(_Work(run, needs))
        self._scheduler.advance()

    def step(self, *, force: bool) -> None:
        """Do the next piece of work; `force`: after what it must wait for, else only if it need not wait."""
        with self._scheduler.lock:
            needs = self._work[0].needs
            if needs is not None and not needs.done:
                if not force:
                    return
                needs.force()
            work = self._work.popleft()
            with self._scheduler.really():
                work.run()

    def mark(self) -> Mark:
        """Mark the end of what it was given so far."""
        with self._scheduler.lock:
            mark = Mark(self, done=not self._work)
        if not mark.done:
            self.give(mark.reached)
        return mark

    def wait_event(self, event: SimulatedEvent) -> None:
        """See `DeviceStream`."""
        if event.mark is not None:
            self.give(_nothing, needs=event.mark)

    def wait_stream(self, stream: SimulatedStream) -> None:
        """See `DeviceStream`."""
        self.give(_nothing, needs=stream.mark())

    def synchronize(self) -> None:
        """See `DeviceStream`."""
        with self._scheduler.lock:
            while self._work:
                self.step(force=True)


class SimulatedEvent:
    """See `feedrate.loading.accelerator.Event`."""

    def __init__(self, current: Callable[[], SimulatedStream], scheduler: Scheduler) -> None:
        self._current, self._scheduler = current, scheduler
        self.mark: Mark | None = None
        """What was recorded last."""

    def record(self) -> None:
        """See `Event`."""
        self.mark = self._current().mark()

    def query(self) -> bool:
        """See `Event`."""
        self._scheduler.advance()
        return self.mark is None or self.mark.done

    def synchronize(self) -> None:
        """See `Event`."""
        if self.mark is not None:
            with self._scheduler.lock:
                self.mark.force()


def _nothing() -> None:
    """Only wait."""
