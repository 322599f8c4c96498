"""Time the step, the loader and both together by turns, in many short windows beside one open stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from feedrate.records.answer import RoundTimes
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.epoch_starts import EpochStarts
from feedrate.system.events import counted
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.memory_sampler import MemorySampler
    from feedrate.metering.prepared_cell import PreparedCell
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.metering.round_schedule import RoundSchedule
    from feedrate.metering.training_loop import TrainingLoop, Work
    from feedrate.records.window import Window

__all__ = ["RoundTimer"]

_Kind: TypeAlias = Literal["full", "step", "loader"]
_THERE: tuple[_Kind, ...] = ("full", "step", "loader")
_WARMED_BATCHES = 4
"""Batches from which a window of the step is worth an untimed one before it."""


@dataclass
class RoundTimer:
    """Time the rounds of one stream; used once, when the stream has just been trained on."""

    prepared: PreparedCell
    feed: RecordedStream
    ready: Iterator[Batch]
    """Endless batches that are on the device."""
    schedule: RoundSchedule
    memory: MemorySampler
    """Takes a sample after each window of the stream, untimed."""
    _windows: dict[_Kind, list[Window]] = field(default_factory=lambda: {kind: [] for kind in _THERE})
    _gaps: list[list[float]] = field(default_factory=list)
    """Seconds from batch to batch of each full window."""
    _full_starts: list[int] = field(default_factory=list)
    """Number, in the stream, of the first batch of each full window."""
    _consumer: _Kind | None = "full"
    """Who took the last batch; None: that was before a pause."""
    _discarded: int = 0
    _cut: int = 0
    _copied: list[int] = field(default_factory=lambda: [0, 0])
    """Bytes that went to the device for windows of the stream, from page-locked and from other memory."""
    _waited_s: list[float] = field(default_factory=list)
    """Seconds that each full window waited for batches, of a rank."""
    _streamed: int = 0
    """Batches that were taken for them."""
    _events: Counter[str] = field(default_factory=Counter)
    """What was counted in full windows."""

    def times(self) -> RoundTimes:
        """Time all rounds: F S L, then L S F, and so on."""
        for numbers in self._turns():
            with self.prepared.watched():
                for number in numbers:
                    for kind in _THERE if number % 2 == 0 else reversed(_THERE):
                        self._windows[kind].append(self._window(kind))
        return RoundTimes(
            full_windows=tuple(self._windows["full"]),
            step_windows=tuple(self._windows["step"]),
            loader_windows=tuple(self._windows["loader"]),
            batch_gaps=BatchGaps.of(self._gaps, first=0),
            discarded_batches=self._discarded,
            cut_discards=self._cut,
            epoch_starts=self._epoch_starts(),
            loader_wait_s=self._wait_s(),
            events=self._events_a_batch(),
            **self._copied_a_batch(),
        )

    def _epoch_starts(self) -> EpochStarts | None:
        gaps: dict[bool, list[float]] = {True: [], False: []}
        for first, window in zip(self._full_starts, self._gaps, strict=True):
            for number, gap in enumerate(window, first):
                gaps[number % self.memory.epoch_batches == 0].append(gap)
        return EpochStarts.of(gaps[True], gaps[False], in_windows=len(gaps[True]))

    def _events_a_batch(self) -> dict[str, float]:
        batches = sum(window.batches for window in self._windows["full"])
        return {name: times / batches for name, times in self._events.items()}

    def _wait_s(self) -> float | None:
        batches = sum(window.batches for window in self._windows["full"])
        return sum(self._waited_s) / batches if self._waited_s else None

    def _copied_a_batch(self) -> dict[str, int]:
        if self._loop.device.copied_bytes is None or not any(self._copied):
            return {}
        pinned, pageable = (round(nbytes / max(1, self._streamed)) for nbytes in self._copied)
        return {"pinned_copy_bytes": pinned, "pageable_copy_bytes": pageable}

    def _turns(self) -> Iterator[Sequence[int]]:
        """Yield the numbers of the rounds that are timed without a pause: all, or one where another process measures.

        Others may have worked in a pause, and what the stream had ready is what it made before: nobody took it.
        """
        numbers = range(self.schedule.rounds)
        while numbers:
            paused = self.prepared.turns.wait()
            self._consumer = None if paused else self._consumer
            yield numbers[:1] if paused else numbers
            numbers = numbers[1:] if paused else numbers[:0]

    def _window(self, kind: _Kind) -> Window:
        with self._loop.device.named(kind):
            if kind == "step":
                return self._step_window()
            with self._copies_counted():
                return self._full_window() if kind == "full" else self._loader_window()

    @contextmanager
    def _copies_counted(self) -> Iterator[None]:
        before, taken = self._loop.device.copied_bytes, self.feed.taken
        yield
        after = self._loop.device.copied_bytes
        if before is not None and after is not None:
            self._copied = [total + now - then for total, now, then in zip(self._copied, after, before, strict=True)]
            self._streamed += self.feed.taken - taken

    def _step_window(self) -> Window:
        work, self._consumer = partial(self._loop.steps, self.ready), "step"
        if self.schedule.step_batches >= _WARMED_BATCHES:
            # The first step after a pause is slow whatever it does: caches, and threads that went to sleep.
            with self.prepared.clock.phase("discards"):
                work(1)
        window = self._timed(work, self.schedule.step_batches)
        self._loop.device.note_clock()
        return window

    def _full_window(self) -> Window:
        self._hand_stream_to("full", lambda count: self._loop.both(self.feed, count, []))
        self._full_starts.append(self.feed.taken)
        stamps: list[float] = []
        before_s = self.feed.waited_s

        def both(count: int) -> int:
            # A window of a slow step has one batch: what it waits for is a gap like any other.
            stamps.append(now_s())
            return self._loop.both(self.feed, count, stamps)

        counted_before = counted()
        window = self._timed(both, self.schedule.full_batches)
        self._events += counted() - counted_before
        if before_s is not None and self.feed.waited_s is not None:
            self._waited_s.append(self.feed.waited_s - before_s)
        self._gaps.append([after - before for before, after in pairwise(stamps)])
        self.memory.sample(training=True)
        return window

    def _loader_window(self) -> Window:
        self._hand_stream_to("loader", self.feed.drain)
        window = self._timed(self.feed.drain, self.schedule.loader_batches)
        self.memory.sample(training=False)
        return window

    def _hand_stream_to(self, consumer: _Kind, work: Work) -> None:
        """Use up, at the new consumer's pace, what was made for another one or while nobody asked."""
        if self._consumer == consumer:
            return
        self._consumer, before = consumer, self.feed.taken
        with self.prepared.clock.phase("discards"):
            self._loop.discard(work, self.schedule.discard, self.schedule.discard_s)
        self._discarded += self.feed.taken - before
        self._cut += self.feed.taken - before < self.schedule.discard

    def _timed(self, work: Work, batches: int) -> Window:
        with self.prepared.clock.phase("windows"):
            return self._loop.window(work, batches)

    @property
    def _loop(self) -> TrainingLoop:
        return self.prepared.loop
