"""Let a script's loop go on for a while, and watch pace and memory by owner, as the soak of a cell does."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from feedrate.metering.ablation.collector import CollectorWatch, cycles_counted, tracked_types
from feedrate.metering.ablation.soak import (
    CYCLE_BATCHES,
    LEAST_ROUNDS,
    LONG_S,
    MOST_BATCHES,
    NOTABLE_COLLECTION_S,
    ROUNDS,
    TIMES,
    descriptor_limit,
    pinned_bytes,
    quick_pace,
)
from feedrate.metering.pace_log import PaceClock
from feedrate.records.soak import Cycles, Holdings, Pace, Phase, Soak, Stretch
from feedrate.system.holdings import holdings
from feedrate.system.memory import available_bytes
from feedrate.system.stopwatch import now_s, process_core_s, thread_core_s

if TYPE_CHECKING:
    from feedrate.metering.script.rounds import Loop

__all__ = ["ScriptSoak"]


@dataclass
class ScriptSoak:
    """Serves one loop while it is watched; used once."""

    loop: Loop
    seconds: float
    """Aim of one of the three times."""
    device: str
    step_before: tuple[Pace, ...] = ()
    """The step alone, from its first window on."""
    loader_before: tuple[Pace, ...] = ()
    _watch: CollectorWatch = field(default_factory=CollectorWatch, init=False)
    _stretches: list[Stretch] = field(default_factory=list, init=False)

    def serve(self) -> Generator[Any, None, Soak]:
        """Give the loop its batches, round by round of step, loader and both, after one that is not counted."""
        on_cpu = self.device == "cpu"
        with self._watch.watching():
            yield from self._round()
            self._stretches.clear()
            begin, start = self._held(), now_s()
            for number in range(ROUNDS):
                if number >= LEAST_ROUNDS and now_s() - start > LONG_S:
                    break
                yield from self._round()
        longest_s = max(stretch.longest_collection_s for stretch in self._stretches)
        return Soak(
            begin=begin,
            stretches=tuple(self._stretches),
            step_before=self.step_before if on_cpu else (),
            loader_before=self.loader_before if on_cpu else (),
            cycles={"loader": self._loader_cycles(), "step": (yield from self._step_cycles())},
            tracked=tracked_types() if longest_s > NOTABLE_COLLECTION_S else {},
            epochs=self.loop.epochs.taken.batches / self.loop.epochs.least_length,
            available_bytes=available_bytes(),
            descriptor_limit=descriptor_limit(),
        )

    def _round(self) -> Generator[Any, None, None]:
        loop = self.loop
        yield from self._stretch("step", lambda: loop.served, loop.ready.take(MOST_BATCHES + 1), thread_core_s)
        # What lies ready costs nothing: it is used up before the loader is timed.
        for _ in range(loop.ahead):
            loop.epochs.take()
        self._loader_stretch()
        yield from self._stretch("both", lambda: loop.served, iter(loop.epochs.take, None), thread_core_s)

    def _stretch(
        self, phase: Phase, passed: Callable[[], int], batches: Iterable[Any], core_s: Callable[[], float]
    ) -> Generator[Any, None, None]:
        """Serve batches for a while, after one that is not timed: caches hold the data of another side."""
        source = iter(batches)
        yield next(source)
        number, singles = passed(), list[Pace]()
        self._watch.reset()
        clock, start = PaceClock(core_s), now_s()
        while not singles or (len(singles) < MOST_BATCHES and now_s() - start < self._stretch_s):
            single, collecting_s = PaceClock(core_s), self._watch.core_s
            yield next(source)
            self.loop.synchronize()
            singles.append(self._without_collector(single.pace(number + len(singles), 1), collecting_s))
        pace = clock.pace(number, len(singles))
        self._keep(phase, pace, quick_pace(singles), untimed=1)

    def _loader_stretch(self) -> None:
        """Drain the loader for a while, as the script waits for its next batch."""
        epochs, singles = self.loop.epochs, list[Pace]()
        number = epochs.taken.batches
        self._watch.reset()
        clock, start = PaceClock(process_core_s), now_s()
        while not singles or (len(singles) < MOST_BATCHES and now_s() - start < self._stretch_s):
            single, collecting_s = PaceClock(process_core_s), self._watch.core_s
            epochs.take()
            singles.append(self._without_collector(single.pace(number + len(singles), 1), collecting_s))
        pace = clock.pace(number, len(singles))
        self._keep("loader", pace, pace if self.loop.ahead else quick_pace(singles), untimed=self.loop.ahead)

    def _without_collector(self, pace: Pace, collecting_before_s: float) -> Pace:
        collected_s = self._watch.core_s - collecting_before_s
        return replace(pace, s=max(0.0, pace.s - collected_s), core_s=max(0.0, pace.core_s - collected_s))

    def _keep(self, phase: Phase, pace: Pace, quick: Pace, untimed: int) -> None:
        runs, collecting_s, longest_s = tuple(self._watch.runs), self._watch.core_s, self._watch.longest_s
        self._stretches.append(Stretch(phase, pace, self._held(), quick, untimed, runs, collecting_s, longest_s))

    @property
    def _stretch_s(self) -> float:
        return self.seconds * TIMES / (3 * ROUNDS)

    def _held(self) -> Holdings:
        return holdings(0, pinned_bytes(self.device))

    def _loader_cycles(self) -> Cycles:
        with cycles_counted(CYCLE_BATCHES) as count:
            for _ in range(CYCLE_BATCHES):
                self.loop.epochs.take()
        return count.cycles

    def _step_cycles(self) -> Generator[Any, None, Cycles]:
        batches = self.loop.ready.take(CYCLE_BATCHES)
        with cycles_counted(CYCLE_BATCHES) as count:
            yield from batches
        return count.cycles
