"""Time loader and step at work side by side without waiting for each other: what each costs the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

from feedrate.system.stopwatch import now_s, timed

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.loop import Loop
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.records.window import Window

__all__ = ["loader_beside", "step_beside"]


def step_beside(
    loop: Loop, feed: RecordedStream, batches: Iterator[Batch], pace_s: float, count: int
) -> tuple[Window, ...]:
    """Windows of the step on ready batches while the loader serves one batch every `pace_s`, which is dropped."""
    begin = feed.taken
    with _paced(lambda: feed.drain(1), pace_s) as loader:
        # The first steps meet a loader that only begins: beside a thread that holds the interpreter, for a while.
        while feed.taken < begin + _BATCHES_UNTIL_BUSY and not loader.done():
            loop.steps(batches, 1)
        return loop.windows(lambda n: loop.steps(batches, n), 2, count)


def loader_beside(
    loop: Loop, feed: RecordedStream, batches: Iterator[Batch], pace_s: float, count: int
) -> tuple[Window, ...]:
    """Windows of the loader, drained, while the step trains on a ready batch every `pace_s`."""
    with ThreadPoolExecutor(1, "feedrate-drain") as pool:
        # The step stays in the thread that it always ran in: its pools and caches are that thread's.
        draining = pool.submit(lambda: [timed(feed.drain, count, _nothing) for _ in range(2)])
        due = now_s()
        while not draining.done():
            loop.steps(batches, 1)
            due = max(due + pace_s, now_s())
            _wait(draining.done, due)
        return tuple(draining.result())


def _nothing() -> None:
    """The consumer of a drained batch waits for nothing."""


def _wait(done: Callable[[], bool], until: float) -> None:
    pause = Event()
    while not done() and now_s() < until:
        pause.wait(min(_LOOK_S, max(0.0, until - now_s())))


_LOOK_S = 0.005


_BATCHES_UNTIL_BUSY = 2
"""Batches after which a loader is at work as it will go on."""


@contextmanager
def _paced(work: Callable[[], object], pace_s: float) -> Iterator[Future[None]]:
    """Do `work` every `pace_s` on a thread of its own, until the block is left; what it raises is raised there."""
    stop = Event()

    def go() -> None:
        due = now_s()
        while not stop.is_set():
            work()
            due = max(due + pace_s, now_s())
            stop.wait(max(0.0, due - now_s()))

    with ThreadPoolExecutor(1, "feedrate-paced") as pool:
        running = pool.submit(go)
        try:
            yield running
        finally:
            stop.set()
            running.result()
