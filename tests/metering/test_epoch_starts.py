"""The beginning of an epoch is met on purpose, wherever windows ended; the clock is one that the stream sets."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.contract import written
from feedrate.loading.plan import Plan
from feedrate.metering.ablation import stream_tracker
from feedrate.metering.ablation.source_switch import SourceSwitch
from feedrate.metering.ablation.stream_tracker import StreamTracker
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.plugin.loader import Stream

AHEAD = 2


class Clock:
    """Seconds that pass while batches are made."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stream_tracker, "now_s", clock)
    return clock


def waiting(plan: Plan, clock: Clock) -> Stream:
    """Each batch takes 1 ms, the first of each epoch 50 more."""
    for number, batch in enumerate(Inline().stream(plan)):
        clock.now_s += 0.001 + 0.050 * (number % plan.epoch_batches == 0)
        yield batch


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return written(BoardMoves(), tmp_path / "data").plan.for_epochs(None)


@pytest.mark.parametrize("taken", range(9))
def test_an_epoch_that_begins_slowly_is_seen_wherever_the_last_window_ended(
    taken: int, plan: Plan, clock: Clock, tmp_path: Path
) -> None:
    with closing(waiting(plan, clock)) as stream:
        feed = RecordedStream(stream)
        tracker = StreamTracker(feed, plan, SourceSwitch.create(tmp_path / "switch", len(plan.stored_blocks)), AHEAD)
        feed.drain(taken)
        while tracker.boundary_s is None and feed.taken < 20 * plan.epoch_batches:
            tracker.pass_epoch_start(plan.epoch_batches + AHEAD + 1)

    assert tracker.boundary_s == pytest.approx(0.050)


def test_an_epoch_that_ends_too_late_is_not_waited_for(plan: Plan, clock: Clock, tmp_path: Path) -> None:
    with closing(waiting(plan, clock)) as stream:
        feed = RecordedStream(stream)
        tracker = StreamTracker(feed, plan, SourceSwitch.create(tmp_path / "switch", len(plan.stored_blocks)), AHEAD)
        feed.drain(1)
        tracker.pass_epoch_start(plan.epoch_batches - 1)

    assert feed.taken == 1
