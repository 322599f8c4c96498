"""Let the loop go on as a program of the user's would, the collector on, and watch pace and memory by owner."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from feedrate.loading.accelerator import accelerator_of
from feedrate.metering.ablation.collector import CollectorWatch, count_cycles, tracked_types
from feedrate.metering.pace_log import PaceClock
from feedrate.records.soak import Holdings, Pace, Phase, Soak, Stretch
from feedrate.system.holdings import holdings
from feedrate.system.memory import available_bytes
from feedrate.system.stopwatch import now_s, process_core_s, thread_core_s

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.metering.training_loop import TrainingLoop

__all__ = [
    "CYCLE_BATCHES",
    "LEAST_ROUNDS",
    "LONG_S",
    "MOST_BATCHES",
    "NOTABLE_COLLECTION_S",
    "ROUNDS",
    "TIMES",
    "SoakRunner",
    "descriptor_limit",
    "pinned_bytes",
    "quick_pace",
]

ROUNDS, LEAST_ROUNDS = 12, 6
"""Of step, loader and both; the fewer where they take long."""
TIMES = 3.0
"""All rounds together aim at so many times the aim of one of the three times."""
LONG_S = 8.0
"""After so long no round is begun beyond the least."""
MOST_BATCHES = 200
"""Of a stretch."""
LONG_BATCH_S = 0.1
"""A batch of longer fills caches in a small part of its time, and is a stretch of its own."""
CYCLE_BATCHES = 4
"""Batches whose cycles are counted."""
NOTABLE_COLLECTION_S = 1e-3
"""Processor time of one collection above which the objects that it goes through are counted: that takes as long."""


@dataclass
class SoakRunner:
    """Watches one stream while nobody else takes from it."""

    loop: TrainingLoop
    feed: RecordedStream
    plan: Plan
    ready: Iterator[Batch]
    """Endless batches that are on the device."""
    ahead: int
    """Batches that may have been made before they are asked for."""
    _watch: CollectorWatch = field(default_factory=CollectorWatch, init=False)
    _slow: set[Phase] = field(default_factory=set, init=False)
    """Sides whose batches take long."""

    def soak(self) -> Soak:
        """Go through the rounds, after one that is not counted."""
        on_cpu = self.plan.device == "cpu"
        step_before, loader_before = tuple(self.loop.step_log.paces), tuple(self.feed.drain_log.paces)
        self.loop.marks.set_busy(True)
        try:
            with self._watch.watching():
                begin, stretches = self._rounds()
            longest_s = max(stretch.longest_collection_s for stretch in stretches)
            return Soak(
                begin=begin,
                stretches=stretches,
                # Elsewhere a call ends before its work does.
                step_before=step_before if on_cpu else (),
                loader_before=loader_before if on_cpu else (),
                cycles={
                    "loader": count_cycles(self.feed.drain, CYCLE_BATCHES),
                    "step": count_cycles(lambda n: self.loop.steps(self.ready, n), CYCLE_BATCHES),
                },
                tracked=tracked_types() if longest_s > NOTABLE_COLLECTION_S else {},
                epochs=self.feed.taken / self.plan.epoch_batches,
                available_bytes=available_bytes(),
                descriptor_limit=descriptor_limit(),
            )
        finally:
            self.loop.marks.set_busy(False)

    def _rounds(self) -> tuple[Holdings, tuple[Stretch, ...]]:
        list(self._round())
        begin, start = self._held(), now_s()
        stretches: list[Stretch] = []
        for number in range(ROUNDS):
            if number >= LEAST_ROUNDS and now_s() - start > LONG_S:
                break
            stretches += self._round()
        return begin, tuple(stretches)

    def _round(self) -> Iterator[Stretch]:
        loop, feed = self.loop, self.feed
        yield self._stretch("step", lambda: loop.updates, lambda: loop.steps(self.ready, 1), thread_core_s)
        # What lies ready costs nothing: it is used up before the loader is timed.
        feed.drain(self.ahead)
        yield self._stretch("loader", lambda: feed.taken, lambda: feed.drain(1), process_core_s)
        yield self._stretch("both", lambda: loop.updates, lambda: loop.both(feed, 1, []), thread_core_s)

    def _stretch(
        self, phase: Phase, passed: Callable[[], int], one_batch: Callable[[], object], core_s: Callable[[], float]
    ) -> Stretch:
        """Do batches of one phase for a while, after one that is not timed: caches hold the data of another side.

        That one is left out where a batch takes so long that filling them is nothing. `passed`: batches of that side so
        far.
        """
        budget_s, warm = self.loop.effort.seconds * TIMES / (3 * ROUNDS), phase not in self._slow
        if warm:
            one_batch()
        number, batches = passed(), 0
        self._watch.reset()
        clock, start, singles = PaceClock(core_s), now_s(), []
        while batches == 0 or (batches < MOST_BATCHES and now_s() - start < budget_s):
            singles.append(self._single(number + batches, one_batch, core_s))
            batches += 1
        pace = clock.pace(number, batches)
        quick = pace if phase == "loader" and self.ahead else quick_pace(singles)
        if pace.s > max(budget_s, LONG_BATCH_S) * batches:
            self._slow.add(phase)
        runs, collecting_s, longest_s = tuple(self._watch.runs), self._watch.core_s, self._watch.longest_s
        untimed = warm + (self.ahead if phase == "loader" else 0)
        return Stretch(phase, pace, self._held(), quick, untimed, runs, collecting_s, longest_s)

    def _single(self, number: int, one_batch: Callable[[], object], core_s: Callable[[], float]) -> Pace:
        """Do one batch, and leave the time of the collector out."""
        clock, collecting_s = PaceClock(core_s), self._watch.core_s
        one_batch()
        self.loop.device.synchronize()
        pace, collected_s = clock.pace(number, 1), self._watch.core_s - collecting_s
        return replace(pace, s=max(0.0, pace.s - collected_s), core_s=max(0.0, pace.core_s - collected_s))

    def _held(self) -> Holdings:
        return holdings(self.feed.kept_bytes, pinned_bytes(self.plan.device))


def quick_pace(singles: Sequence[Pace]) -> Pace:
    """Pick the batch at the lower quartile of undisturbed times."""
    return sorted(singles, key=lambda pace: pace.undisturbed_s)[len(singles) // 4]


def pinned_bytes(device: str) -> int:
    """Count page-locked memory of torch's own, on versions of torch that count it."""
    accelerator = accelerator_of(device)
    return 0 if accelerator is None else accelerator.pinned_bytes()


def descriptor_limit() -> int:
    """Read how many files this process may have open; 0: as many as it likes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else soft
