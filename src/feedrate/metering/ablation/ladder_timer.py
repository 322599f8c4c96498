"""Time every rung of the ladder twice on one open stream, in mirrored order, so that steady drift cancels.

By turns with another process the loader's rungs are timed more often, in windows no longer than otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feedrate.metering.ablation.contention import loader_beside, step_beside
from feedrate.metering.ablation.stream_tracker import StreamTracker
from feedrate.records.ladder import Delayed, Ladder, Rung
from feedrate.system.synthetic_load import sleep_s

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.loading.source_control import SwapPoint
    from feedrate.metering.ablation.source_switch import SourceSwitch
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.metering.round_schedule import Paces
    from feedrate.metering.training_loop import TrainingLoop, Work
    from feedrate.metering.turns import Turns
    from feedrate.records.window import Window

__all__ = ["LadderTimer"]

_DELAY, _LEAST_DELAY_S = 0.3, 3e-4
"""A delay is this share of T_F: more than windows scatter, less than what it might uncover. Shorter than the second it
would be the timer's own error."""
_SETTLE_S = 10.0
"""A loader that has served nothing new after this long is taken to follow no switch."""
_REST_S = 1.0
"""A loader is not waited for longer than this to have its queue full again and be at rest."""
_SOURCES = {"R4": "files", "R3": "memory", "R2": "decoded"}
_AT_READER = ("read", "decode", "hand-over")
_DELAYED = ("step", *_AT_READER)
_THERE = ("R0", "R1", "R4", *_DELAYED, "R3", "R2")
_BACK = ("R2", "R3", "R4", "R1", "R0")
"""The rungs there and back, so that what drifts steadily cancels; delays once, next to the rung they are compared with.
"""
_AGAIN = ("R1", "R4", "R3", "R2")
"""The rungs that are timed more often by turns: without the step, for that is what two commits are told apart by."""
_SIDES = ("R0", "R4")
"""The rungs that tell which side holds the cell back."""
_NOT_COLUMNS = "what is read are samples, which only the code of their data set knows"
_UNREAD = "the loader does not read through the plan's source, so the source cannot be swapped"
_THERE_ALREADY = "the loader serves batches that are there already"
_ON_DEVICE = "the loader serves batches that are on the device already: their copy is part of handing over"


@dataclass(frozen=True)
class _Supply:
    """How the batches that come next are made; the delays are seconds a batch."""

    stage: str = "files"
    """Where blocks come from."""
    read_s: float = 0.0
    decode_s: float = 0.0
    gather_s: float = 0.0


_AS_IT_IS = _Supply()


@dataclass
class LadderTimer:
    """What is known of one stream so far; nobody else takes from it meanwhile."""

    loop: TrainingLoop
    feed: RecordedStream
    plan: Plan
    switch: SourceSwitch
    ahead: int
    """Batches that may have been made before they are asked for."""
    rounds: Paces
    """What the rounds took, which are the same runs as the first and the last rung."""
    lacking: str
    """Why there is nothing in memory to read from; empty: there is."""
    swap_points: tuple[SwapPoint, ...] = ()
    """What a loader that reads natively swaps by itself; empty: it reads through the plan's source, or not at all."""
    stages: bool = True
    """Whether the stages of loading are told apart."""
    details: bool = True
    """Whether their rungs are timed without the step, too, and delays put into them."""
    turns: Turns = field(kw_only=True)
    """With another process that takes the same cell apart; each rung is one."""
    step_seconds: float = field(kw_only=True)
    """Aim of the rungs that need no loader."""
    _full: dict[str, list[Window]] = field(default_factory=dict)
    _alone: dict[str, list[Window]] = field(default_factory=dict)
    _absent: dict[str, str] = field(default_factory=dict)
    _delays: dict[str, list[Delayed]] = field(default_factory=dict)
    _paces: dict[str, float] = field(default_factory=dict)
    """Seconds a batch of everything that is timed, from its last time."""
    _set: _Supply = _AS_IT_IS
    """What the switch was last turned to."""
    _refill_s: float = field(init=False)
    """What making all batches ahead takes, as far as `_REST_S`."""
    _rested: int = 0
    """Batches that had been taken when it was last left alone."""
    _paused: bool = False
    """It stood still, with the loader, since batches were last taken."""
    _stays: bool = False
    """The loader follows no switch."""

    _ready: Mapping[str, Iterator[Batch]] = field(default_factory=dict, init=False)
    """Batches that need no loader, by rung."""
    _tracker: StreamTracker = field(init=False)
    _block: int = field(init=False)
    """Batches of the block that has most."""

    def __post_init__(self) -> None:
        self._tracker = StreamTracker(self.feed, self.plan, self.switch, self.ahead)
        self._block = self.plan.max_block_batches
        self._refill_s = min(_REST_S, self.ahead * self.rounds.loader_s)

    @property
    def _effort(self) -> MeasurementBudget:
        """Of one rung, timed twice."""
        return self.loop.effort.part

    def ladder(self, ready: Mapping[str, Iterator[Batch]]) -> Ladder:
        """Every rung timed twice, by turns those of the loader alone more often.

        `ready`: endless batches on the device for R0, and through the transfer for R1; without, R1 is not measured.
        """
        self._ready = ready
        # The first one measures what a delay is counted in.
        self.loop.device.delay(0.0)
        delay_s = max(_DELAY * self.rounds.full_s, _LEAST_DELAY_S)
        self._paces |= self._known_paces(delay_s)
        for order in (_THERE, _BACK) if self.stages else (_SIDES, _SIDES[::-1]):
            self._round(order, delay_s)
            if self.stages:
                self._tracker.pass_epoch_start(self._effort.seconds / self.rounds.loader_s)
        self._time_again()
        step, loader = self._beside() if self.ahead else ((), ())
        return Ladder(
            rungs={name: self._rung(name) for name in ("R0", "R1", *reversed(_SOURCES))},
            delays={stage: tuple(pairs) for stage, pairs in self._delays.items()},
            step_beside=step,
            loader_beside=loader,
            readers=self._tracker.readers,
            boundary_s=self._tracker.boundary_s,
            epoch_batches=self.plan.epoch_batches,
        )

    def _known_paces(self, delay_s: float) -> Mapping[str, float]:
        """Say how long a batch of each kind takes that the rounds had, or had but for a delay, at most."""
        paces = self.rounds
        delayed = dict.fromkeys(_DELAYED, paces.full_s + delay_s)
        return {"R0": paces.step_s, "R4": paces.full_s, "R4 alone": paces.loader_s, **delayed}

    def _rung(self, name: str) -> Rung:
        full, alone = (tuple(windows.get(name, ())) for windows in (self._full, self._alone))
        return Rung(full, alone, self._absent.get(name, "" if full else self.lacking))

    def _lacking_stage(self, stage: str) -> str:
        """Why blocks cannot come from there; empty: they can."""
        if stage == "decoded" and not self.plan.has_columns:
            return self.lacking or _NOT_COLUMNS
        return "" if stage == "files" else self.lacking

    def _round(self, order: tuple[str, ...], delay_s: float) -> None:
        names = [name for name in order if self.details or name not in _DELAYED]
        timed_rungs = {name: window for name in names if (window := self._in_turn(name, delay_s)) is not None}
        for name, window in timed_rungs.items():
            if name in _DELAYED:
                self._delays.setdefault(name, []).append(Delayed(delay_s, timed_rungs["R4"], window))
            else:
                self._full.setdefault(name, []).append(window)

    def _time_again(self) -> None:
        """By turns: time the rungs of the loader alone so often more that each has its share of the budget."""
        if not (self.turns.are_taken and self.stages and self.details):
            return
        for number in range(2 * (self.loop.effort.times - 1)):
            for name in _AGAIN if number % 2 else _AGAIN[::-1]:
                if name in self._alone:
                    self._paused = self.turns.wait() or self._paused
                    self._time_alone(name)

    def _time_alone(self, name: str) -> None:
        """Time a rung without the step that was timed before."""
        if name == "R1":
            self._rest()
            batches = self._ready[name]
            window = self._timed("R1 alone", lambda n: sum(len(next(batches)) for _ in range(n)), in_blocks=False)
        elif self._turned(_Supply(_SOURCES[name])):
            window = self._timed(f"{name} alone", self.feed.drain)
        else:
            return
        self._alone.setdefault(name, []).append(window)

    def _in_turn(self, name: str, delay_s: float) -> Window | None:
        """Visit a rung when no other process measures."""
        self._paused = self.turns.wait() or self._paused
        return self._visited(name, delay_s)

    def _visited(self, name: str, delay_s: float) -> Window | None:
        """One window of a rung or with a delay; None, and the reason kept, where that cannot be."""
        if name in self._ready:
            return self._visited_ready(name)
        if name == "R1":
            self._absent[name] = _THERE_ALREADY
            return None
        if name == "step":
            self._turned(_AS_IT_IS)
            return self._timed(name, lambda n: self._train_slowly(n, delay_s))
        read_s, decode_s, gather_s = (delay_s * (name == stage) for stage in _AT_READER)
        if not self._turned(_Supply(_SOURCES.get(name, "files"), read_s, decode_s, gather_s)):
            self._absent[name] = self._lacking_stage(_SOURCES.get(name, "files")) or _UNREAD
            return None
        if name in _SOURCES and self._is_timed_alone(name):
            self._time_alone(name)
        return self._timed(name, self._train)

    def _visited_ready(self, name: str) -> Window | None:
        batches = self._ready[name]
        self._rest()
        if name == "R1":
            if self.plan.report.batches_arrive_on == "device":
                self._absent[name] = _ON_DEVICE
                return None
            if self._is_timed_alone(name):
                self._time_alone(name)
        return self._timed(name, lambda n: self.loop.steps(batches, n), in_blocks=False)

    def _is_timed_alone(self, name: str) -> bool:
        """Whether a rung is timed without the step: the last one always, as T_L is taken from it, too."""
        return self.details or name in _SIDES

    def _rest(self) -> None:
        """Wait until the loader has made up for what was taken: it would be measured, too."""
        if self._rested != self.feed.taken:
            sleep_s(self._refill_s)
            self._rested = self.feed.taken

    def _turned(self, wanted: _Supply) -> bool:
        """Make what comes come from there, with these delays; False: it cannot be."""
        if wanted == self._set:
            return True
        if self._stays or self._lacking_stage(wanted.stage) or not self._offered(wanted):
            return False
        self._turn(wanted)
        if not self._tracker.settle(_SETTLE_S):
            self._stays = True
            self._turn(_AS_IT_IS)
            return False
        return True

    def _turn(self, supply: _Supply) -> None:
        self.switch.turn(supply.stage, supply.read_s, supply.decode_s, supply.gather_s)
        self._set = supply

    def _offered(self, wanted: _Supply) -> bool:
        """Whether the loader can do that: one that swaps by itself takes no delays."""
        if not self.swap_points:
            return True
        delays = wanted.read_s, wanted.decode_s, wanted.gather_s
        return wanted.stage in ("files", *self.swap_points) and not any(delays)

    def _timed(self, key: str, work: Work, *, in_blocks: bool = True) -> Window:
        effort = self._effort
        if in_blocks and (self._paused or self._rested == self.feed.taken):
            # It was left alone, or stood still: what it had made by then lies ready.
            self.loop.discard(work, max(1, self.ahead))
            self._paused = False
        elif key in self._paces:
            # The first batch after a pause is slow whatever it does.
            work(1)
        if key not in self._paces:
            self._paces[key] = self.loop.pace_s(work, self._block if in_blocks else 8)
        half = -(-self._batches(self._paces[key], in_blocks=in_blocks) // 2)
        with self.loop.device.named(key):
            window = self.loop.windows(work, 1, effort.whole(half, self._block if in_blocks else 1))[0]
        self._paces[key] = window.batch_s
        return window

    def _batches(self, pace_s: float, *, in_blocks: bool) -> int:
        """Count the batches of both windows of a kind together."""
        effort = self._effort
        if in_blocks:
            return effort.batches(pace_s, effort.least_batches, self.ahead, self.plan.epoch_batches)
        # Batches that are ready have no queue, and of a step that trains nothing little time tells.
        return max(effort.least_batches, int(self.step_seconds / self.loop.effort.times / pace_s))

    def _train(self, count: int) -> int:
        return self.loop.both(self.feed, count, [])

    def _train_slowly(self, count: int, delay_s: float) -> int:
        samples = 0
        for _ in range(count):
            samples += self.loop.both(self.feed, 1, [])
            self.loop.device.delay(delay_s)
        return samples

    def _beside(self) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
        self._turned(_AS_IT_IS)
        pace_s = self._full["R4"][-1].batch_s
        step_count, loader_count = self._full["R0"][-1].batches, self._alone["R4"][-1].batches
        batches = self._ready["R0"]
        step = step_beside(self.loop, self.feed, batches, pace_s, step_count)
        return step, loader_beside(self.loop, self.feed, batches, pace_s, loader_count)
