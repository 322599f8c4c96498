"""The beginning of an epoch is told from other batches, met by chance or on purpose; the stream sets the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import cast

import pytest

from feedrate.loading.batch import Batch
from feedrate.loading.plan import Plan
from feedrate.metering import epoch_start, round_timer, training_loop
from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.device import Device
from feedrate.metering.epoch_start import met_epoch_start
from feedrate.metering.memory_sampler import MemorySampler
from feedrate.metering.phase_clock import PhaseClock
from feedrate.metering.prepared_cell import PreparedCell
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.metering.round_schedule import RoundSchedule
from feedrate.metering.round_timer import RoundTimer
from feedrate.metering.training_loop import TrainingLoop
from feedrate.metering.turns import Turns
from feedrate.records.answer import RoundTimes
from feedrate.records.window import Window
from feedrate.system.sampling_flags import SamplingFlags

EPOCH = 10
BUDGET = MeasurementBudget(epoch_start_s=10.0)


@dataclass
class Clock:
    """Seconds that pass while batches are made."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Feed:
    """Each batch takes 1 ms, the first of each epoch `boundary_s` more."""

    clock: Clock
    boundary_s: float = 0.050
    taken: int = 0
    kept_bytes: int = 0
    waited_s: float | None = None
    epoch: int = EPOCH

    def take(self) -> bytes:
        self.clock.now_s += 0.001 + self.boundary_s * (self.taken % self.epoch == 0)
        self.taken += 1
        return b"b"

    def drain(self, count: int) -> int:
        for _ in range(count):
            self.take()
        return count


class NoLoader:
    """A loader that has so many batches ready."""

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead

    def prefetch_batches(self, plan: object) -> int:
        del plan
        return self.ahead


@dataclass
class OfCell:
    """What is asked of a cell."""

    loader: NoLoader


@dataclass
class Prepared:
    """What is asked of a prepared cell."""

    loop: TrainingLoop
    cell: OfCell
    turns: Turns
    effort: MeasurementBudget = BUDGET
    clock: PhaseClock = field(default_factory=PhaseClock)

    @contextmanager
    def watched(self) -> Iterator[None]:
        yield


@dataclass
class OfPlan:
    """What is asked of a plan."""

    epoch_batches: int = EPOCH


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (epoch_start, round_timer, training_loop):
        monkeypatch.setattr(module, "now_s", clock)
    return clock


def prepared(folder: Path, ahead: int = 0) -> PreparedCell:
    loop = TrainingLoop(lambda _: None, Device("cpu"), SamplingFlags(folder), BUDGET)
    return cast(PreparedCell, Prepared(loop, OfCell(NoLoader(ahead)), Turns(None, SamplingFlags(folder))))


def rounds(clock: Clock, feed: Feed, folder: Path, full_batches: int) -> RoundTimes:
    layout = RoundSchedule(4, full_batches, step_batches=1, loader_batches=3, discard=0, discard_s=9.0)
    memory = MemorySampler(Device("cpu"), cast(RecordedStream, feed), epoch_batches=EPOCH)
    ready = cast("Iterator[Batch]", repeat(b"r"))
    return RoundTimer(prepared(folder), cast(RecordedStream, feed), ready, layout, memory).times()


def test_beginnings_that_windows_meet_are_told_from_other_batches(clock: Clock, tmp_path: Path) -> None:
    feed = Feed(clock, taken=3)

    starts = rounds(clock, feed, tmp_path, full_batches=20).epoch_starts

    assert starts is not None
    assert starts.count == starts.in_windows == 8
    assert starts.mean_s == pytest.approx(0.050)
    assert starts.spread_s == pytest.approx(0, abs=1e-9)


def test_a_loader_that_begins_epochs_at_once_adds_nothing(clock: Clock, tmp_path: Path) -> None:
    starts = rounds(clock, Feed(clock, boundary_s=0.0, taken=3), tmp_path, full_batches=20).epoch_starts

    assert starts is not None
    assert starts.mean_s == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("epoch", [6, 8, EPOCH])
@pytest.mark.parametrize("ahead", [0, 4])
@pytest.mark.parametrize("taken", range(1, 12))
def test_a_beginning_is_met_on_purpose_wherever_the_last_window_ended(
    taken: int, ahead: int, epoch: int, clock: Clock, tmp_path: Path
) -> None:
    feed = Feed(clock, taken=taken, epoch=epoch)

    starts = met_epoch_start(prepared(tmp_path, ahead), cast(RecordedStream, feed), plan(epoch), timed(0.001))

    assert starts is not None
    assert (starts.count, starts.in_windows) == (1, 0)
    assert starts.mean_s == pytest.approx(0.050)


def test_a_beginning_that_is_too_far_away_is_not_waited_for(clock: Clock, tmp_path: Path) -> None:
    feed = Feed(clock, taken=1)

    assert met_epoch_start(prepared(tmp_path), cast(RecordedStream, feed), plan(), timed(2.0)) is None
    assert feed.taken == 1


def plan(epoch: int = EPOCH) -> Plan:
    return cast(Plan, OfPlan(epoch))


def timed(batch_s: float) -> RoundTimes:
    """Rounds whose windows say that a batch takes so long."""
    from feedrate.records.batch_gaps import BatchGaps

    window = (Window(batch_s, 1, 1),)
    return replace(RoundTimes(window, window, window, BatchGaps(), 0, 0))
