"""Time a person's training as it runs: both together, its step alone and its loader alone, by turns.

The loop asks for one batch after another, so whoever serves it decides what it sees. All here is a generator that gives
the loop its batches: between two of them lies a step of the script.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from feedrate.errors import UnavailableError
from feedrate.metering.pace_log import PaceClock
from feedrate.metering.ranks import Alone, Ranks
from feedrate.metering.round_schedule import Paces, Queue, RoundSchedule
from feedrate.metering.script.batches import bytes_of, samples_of
from feedrate.metering.script.epochs import Taken
from feedrate.records.answer import RoundTimes
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.digits import significant
from feedrate.records.epoch_starts import EpochStarts
from feedrate.records.window import Window
from feedrate.records.window_estimates import ratio_is_within
from feedrate.system.stopwatch import now_s, process_core_s, thread_core_s

if TYPE_CHECKING:
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.phase_clock import PhaseClock
    from feedrate.metering.script.batches import ReadyBatches
    from feedrate.metering.script.epochs import Epochs
    from feedrate.records.soak import Pace

__all__ = ["Loop", "ScriptRounds", "StreamWindow"]

_Kind: TypeAlias = Literal["full", "step", "loader"]
_ORDER: tuple[_Kind, ...] = ("full", "step", "loader")
_Batches: TypeAlias = Generator[Any, None, None]

_TRIES = 4
"""For a window within which the loop went elsewhere, as into a validation."""
_PACE_BATCHES = 8
_DIGITS = 5


@dataclass(frozen=True)
class StreamWindow:
    """One window of the stream, with what of it fell to the beginnings of epochs."""

    s: float
    samples: int
    taken: Taken

    def steady(self, begin_s: float, regular_s: float, epoch_batches: int | None) -> Window:
        """Give it as if each epoch's beginning were spread over all its batches.

        `begin_s`: what the beginning of an epoch takes longer than another batch in windows of this kind; `regular_s`:
        what asking for another batch takes in them. A window meets a whole beginning or none, and how many is chance.
        """
        spread_s = begin_s * self.taken.batches / epoch_batches if epoch_batches else 0.0
        s = self.s - self.taken.begin_s + self.taken.begins * regular_s + spread_s
        return Window(significant(max(s, 1e-9), _DIGITS), self.taken.batches, self.samples)


@dataclass
class Loop:
    """The script's loop, as far as it matters for its windows."""

    epochs: Epochs
    ready: ReadyBatches
    synchronize: Callable[[], None]
    """Waits for the device."""
    visits: Callable[[], int]
    """Counts how often the script began to iterate any other loader: within a window, it went elsewhere."""
    updates_every: int
    """Batches from one step of the optimizer to the next."""
    ahead: int
    """Batches that the loader may have ready before they are asked for."""
    ranks: Ranks = field(default_factory=Alone)
    """Train together: what hangs on time or on chance is agreed before a batch is served."""
    served: int = 0
    """Batches that the script was given since it is timed."""


@dataclass
class ScriptRounds:
    """Serves one loop, and times it meanwhile; used once."""

    loop: Loop
    effort: MeasurementBudget
    clock: PhaseClock
    step_before: list[Window] = field(default_factory=list)
    """The step alone, before the rounds."""
    step_paces: list[Pace] = field(default_factory=list)
    """Of the windows of the step alone, by number of the batch."""
    loader_paces: list[Pace] = field(default_factory=list)
    _full: list[StreamWindow] = field(default_factory=list)
    _loader: list[StreamWindow] = field(default_factory=list)
    _step: list[Window] = field(default_factory=list)
    _gaps: list[list[float]] = field(default_factory=list)
    _consumer: _Kind = "full"
    _discarded: int = 0
    _cut: int = 0
    batch_bytes: int = 0

    def serve(self) -> _Batches:
        """Give the loop its batches until all rounds are timed; the loop has trained on some already.

        Raises:
            UnavailableError: it is no loop that can be timed.
        """
        with self.clock.phase("warm_up"):
            schedule = yield from self._schedule()
        number = 0
        while number < schedule.rounds or self._goes_on(number, schedule):
            for kind in _ORDER if number % 2 == 0 else reversed(_ORDER):
                yield from self._window(kind, schedule)
            number += 1
        if not self.loop.epochs.taken.begins and self.loop.epochs.length is not None:
            self.loop.epochs.begin_again()

    @property
    def begin_s(self) -> float:
        """Give what the beginning of an epoch takes longer than another batch; 0 where none was met."""
        return self._begin_s(self._loader)

    @property
    def batch_samples(self) -> float:
        """Give the mean samples of a batch of the stream; the last one of an epoch may have fewer.

        Windows may meet it always or never, where they are as long as epochs: whole epochs come first.
        """
        whole = self.loop.epochs.mean_samples
        if whole is not None:
            return whole
        windows = (*self._full, *self._loader)
        return sum(window.samples for window in windows) / sum(window.taken.batches for window in windows)

    def times(self) -> RoundTimes:
        """Give the rounds that were timed."""
        return RoundTimes(
            full_windows=tuple(self._steady(self._full)),
            step_windows=tuple(self._step),
            loader_windows=tuple(self._steady(self._loader)),
            batch_gaps=BatchGaps.of(self._gaps, first=0),
            discarded_batches=self._discarded,
            cut_discards=self._cut,
            epoch_starts=self._epoch_starts(),
        )

    def _epoch_starts(self) -> EpochStarts | None:
        """Sum up the beginnings that were met, of which windows of both together have the mean spread over them."""
        taken, length = self.loop.epochs.taken, self.loop.epochs.length
        if not taken.begins or length is None:
            return None
        batches = sum(window.taken.batches for window in self._full)
        return EpochStarts(taken.begins, significant(self._begin_s(self._full), 4), None, batches / length)

    def _goes_on(self, number: int, schedule: RoundSchedule) -> bool:
        """Tell whether more rounds than were laid out are wanted; of two that belong together both are timed."""
        if number % 2:
            return True
        if number >= self.effort.most_times * schedule.rounds:
            return False
        # All ranks go on where one must.
        return self.loop.ranks.largest(not self._is_known()) > 0

    def _is_known(self) -> bool:
        """Whether both ceilings of this process are as sure as they are to be."""
        times = self.times()
        others = (times.step_windows, times.loader_windows)
        return all(ratio_is_within(times.full_windows, other, self.effort.close) for other in others)

    def _steady(self, windows: Sequence[StreamWindow]) -> Iterator[Window]:
        # Where workers fetch ahead of a slower step a batch costs nothing, and the first of an epoch all its fetching.
        begin_s, regular_s = self._begin_s(windows), _regular_s(windows)
        return (window.steady(begin_s, regular_s, self.loop.epochs.length) for window in windows)

    def _begin_s(self, windows: Sequence[StreamWindow]) -> float:
        """Give what the beginning of an epoch takes longer than another batch of such windows."""
        taken = self.loop.epochs.taken
        return max(0.0, taken.begin_s / taken.begins - _regular_s(windows)) if taken.begins else 0.0

    # --- what is to be timed

    def _schedule(self) -> Generator[Any, None, RoundSchedule]:
        """Keep batches for the step alone, find the three paces, and lay out the rounds."""
        loop, every = self.loop, self.loop.updates_every
        full_s = yield from self._full_pace_s()
        loader_s = self._loader_pace_s()
        # The first step after a pause is slow whatever it does.
        yield from loop.ready.take(every)
        count = every * max(1, -(-_PACE_BATCHES // 2 // every))
        for _ in range(2):
            self.step_before.append((yield from self._timed_step(count)))
        step_s = min(window.batch_s for window in self.step_before)
        paces = Paces(*map(loop.ranks.largest, (full_s, step_s, loader_s)))
        queue = Queue(loop.ahead, 1, int(loop.ranks.largest(loop.epochs.length or 1 << 30)))
        return RoundSchedule.of(paces, queue, self.effort, self.effort.seconds)

    def _full_pace_s(self) -> Generator[Any, None, float]:
        """Keep copies of the batches that come, and time those for which nothing is copied any more."""
        loop, every, keeps, all_keep = self.loop, self.loop.updates_every, True, 1.0
        sizes: list[int] = []
        most = _kept_of(loop.epochs.length)
        # Whole updates, so that the next window begins with one.
        while all_keep or len(sizes) % every:
            batch = loop.epochs.take()
            sizes.append(bytes_of(batch))
            keeps = keeps and len(loop.ready) < most and loop.ready.keep(batch)
            all_keep = loop.ranks.largest(keeps)
            yield batch
        self.batch_bytes = round(sum(sizes) / len(sizes))
        for _ in range(loop.ahead // every * every):
            yield loop.epochs.take()
        loop.synchronize()
        start, count, gaps = now_s(), 0, [0.0]
        while count < _PACE_BATCHES or count % every:
            yield loop.epochs.take()
            count += 1
            gaps.append(now_s() - start)
            if count % every == 0 and loop.ranks.largest(gaps[-1]) > self.effort.seconds:
                break
        loop.synchronize()
        return (now_s() - start) / count

    def _loader_pace_s(self) -> float:
        for _ in range(max(1, self.loop.ahead)):
            self.loop.epochs.take()
        start, count = now_s(), 0
        while count < _PACE_BATCHES and (count == 0 or now_s() - start < self.effort.seconds / 2):
            self.loop.epochs.take()
            count += 1
        self._consumer = "loader"
        return (now_s() - start) / count

    # --- windows

    def _window(self, kind: _Kind, schedule: RoundSchedule) -> _Batches:
        """Time one window; once more if the loop went elsewhere within it."""
        for _ in range(_TRIES):
            visits = self.loop.visits()
            if kind == "step":
                window = yield from self._step_window(schedule)
                if self._stayed(visits):
                    self._step.append(window)
                    return
            elif kind == "full":
                timed, gaps = yield from self._full_window(schedule)
                if self._stayed(visits):
                    self._full.append(timed)
                    self._gaps.append(gaps)
                    return
            else:
                self._loader.append((yield from self._loader_window(schedule)))
                return
        raise UnavailableError("the loop goes elsewhere every few batches, as into a validation: make that rarer")

    def _stayed(self, visits: int) -> bool:
        """Whether no rank went elsewhere since this one had counted so many visits."""
        return not self.loop.ranks.largest(self.loop.visits() - visits)

    def _full_window(self, schedule: RoundSchedule) -> Generator[Any, None, tuple[StreamWindow, list[float]]]:
        yield from self._hand_stream_to("full", schedule)
        loop, samples, count = self.loop, 0, self._whole(schedule.full_batches)
        with self.clock.phase("windows"):
            loop.synchronize()
            loop.ranks.largest(0.0)
            before, stamps = loop.epochs.taken, [now_s()]
            for _ in range(count):
                batch = loop.epochs.take()
                samples += _samples_of(batch)
                yield batch
                stamps.append(now_s())
            loop.synchronize()
            end = now_s()
        window = StreamWindow(end - stamps[0], samples, loop.epochs.taken.since(before))
        return window, [after - earlier for earlier, after in pairwise(stamps)]

    def _loader_window(self, schedule: RoundSchedule) -> Generator[Any, None, StreamWindow]:
        """Drain the loader while the script waits for its next batch."""
        yield from self._hand_stream_to("loader", schedule)
        loop, samples = self.loop, 0
        with self.clock.phase("windows"):
            loop.ranks.largest(0.0)
            before, clock = loop.epochs.taken, PaceClock(process_core_s)
            start = now_s()
            for _ in range(schedule.loader_batches):
                samples += _samples_of(loop.epochs.take())
            end = now_s()
        self.loader_paces.append(clock.pace(before.batches, schedule.loader_batches))
        # Of ranks that step together, the slowest loader is the one that all wait for.
        window_s = loop.ranks.largest(end - start)
        return StreamWindow(window_s, samples, loop.epochs.taken.since(before))

    def _step_window(self, schedule: RoundSchedule) -> Generator[Any, None, Window]:
        self._consumer = "step"
        with self.clock.phase("discards"):
            yield from self.loop.ready.take(self.loop.updates_every)
        return (yield from self._timed_step(self._whole(schedule.step_batches)))

    def _timed_step(self, count: int) -> Generator[Any, None, Window]:
        """Serve so many batches that are ready; between one and the next lies the step alone."""
        loop, samples = self.loop, 0
        batches = loop.ready.take(count)
        with self.clock.phase("windows"):
            loop.synchronize()
            loop.ranks.largest(0.0)
            number, clock = loop.served, PaceClock(thread_core_s)
            start = now_s()
            for batch in batches:
                samples += _samples_of(batch)
                yield batch
            loop.synchronize()
            end = now_s()
        self.step_paces.append(clock.pace(number, count))
        return Window(significant(end - start, _DIGITS), count, samples)

    def _hand_stream_to(self, consumer: _Kind, schedule: RoundSchedule) -> _Batches:
        """Use up, at the new consumer's pace, what was made for another one or while nobody asked."""
        if self._consumer == consumer:
            return
        self._consumer, start, used = consumer, now_s(), 0
        every, ranks = (self.loop.updates_every, self.loop.ranks) if consumer == "full" else (1, Alone())
        with self.clock.phase("discards"):
            while used < schedule.discard or used % every:
                if used and used % every == 0 and ranks.largest(now_s() - start) > schedule.discard_s:
                    self._cut += 1
                    break
                batch = self.loop.epochs.take()
                used += 1
                if consumer == "full":
                    yield batch
        self._discarded += used

    def _whole(self, batches: int) -> int:
        """As many batches, or a few more, as make whole steps of the optimizer."""
        every = self.loop.updates_every
        return -(-batches // every) * every


def _kept_of(epoch: int | None) -> int:
    """Count the batches to be kept: of short epochs whole ones, as the last batch of an epoch may be smaller."""
    if epoch is None or epoch > 2 * _PACE_BATCHES:
        return _PACE_BATCHES
    return max(1, _PACE_BATCHES // epoch) * epoch


def _samples_of(batch: Any) -> int:
    """Count the samples of a batch; one that does not tell is one."""
    return max(1, samples_of(batch))


def _regular_s(windows: Sequence[StreamWindow]) -> float:
    """Seconds that asking for a batch takes which begins no epoch."""
    parts = [window.taken for window in windows]
    return sum(part.wait_s for part in parts) / max(1, sum(part.batches - part.begins for part in parts))
