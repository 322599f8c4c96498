"""After another process's turn: what a loader had made before, and has yet to make, is no part of a rung."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import repeat
from types import SimpleNamespace
from typing import Any, cast

import pytest

from feedrate.metering.ablation import ladder_timer
from feedrate.metering.ablation.ladder_timer import LadderTimer
from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.round_schedule import Paces
from feedrate.records.window import Window

AHEAD = 4


class Loop:
    """Takes what it is asked to, and notes what for."""

    effort = MeasurementBudget()
    device = SimpleNamespace(named=lambda name: nullcontext())

    def __init__(self) -> None:
        self.log: list[str] = []
        self.feed = SimpleNamespace(taken=0, drain=self._drain)

    def _drain(self, count: int) -> int:
        self.feed.taken += count
        return count

    def both(self, feed: object, count: int, stamps: list[float]) -> int:
        del feed, stamps
        return self._drain(count)

    def steps(self, batches: object, count: int) -> int:
        del batches
        return count

    def discard(self, work: Any, count: int) -> None:
        self.log.append(f"discards {count}")
        work(count)

    def windows(self, work: Any, count: int, batches: int) -> tuple[Window, ...]:
        del count
        work(batches)
        self.log.append("window")
        return (Window(0.001 * batches, batches, batches),)


def timer(loop: Loop, *, by_turns: bool) -> LadderTimer:
    plan = SimpleNamespace(max_block_batches=1, epoch_batches=100, report=SimpleNamespace(batches_arrive_on="host"))
    parts: Any = (loop, loop.feed, plan, None, AHEAD, Paces(0.001, 0.001, 0.002), "")
    turns = cast(Any, SimpleNamespace(wait=lambda: by_turns, are_taken=by_turns))
    made = LadderTimer(*parts, turns=turns, step_seconds=0.1)
    made._paces |= {"R0": 0.001, "R4": 0.001, "R4 alone": 0.002}
    made._ready = {"R0": cast(Any, repeat(None))}
    return made


@pytest.mark.parametrize("by_turns", [False, True])
def test_the_step_alone_waits_for_a_loader_that_has_yet_to_fill_its_queue(
    by_turns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(ladder_timer, "sleep_s", slept.append)
    loop = Loop()
    made = timer(loop, by_turns=by_turns)
    loop.feed.taken = 7
    made._in_turn("R0", 0.0)
    assert slept == [AHEAD * 0.002], "it stood still while the other worked, and made nothing then"


@pytest.mark.parametrize(("by_turns", "queues"), [(False, 0), (True, 1)])
def test_what_was_made_before_a_pause_is_used_up_once(by_turns: bool, queues: int) -> None:
    loop = Loop()
    made = timer(loop, by_turns=by_turns)
    loop.feed.taken = 7
    made._in_turn("R4", 0.0)
    assert loop.log == [f"discards {AHEAD}"] * queues + ["window", "window"], "alone, then with the step"


@pytest.mark.parametrize(("by_turns", "more"), [(False, 0), (True, 4)])
def test_a_rung_of_the_loader_alone_is_timed_more_often_and_no_longer(by_turns: bool, more: int) -> None:
    loop = Loop()
    usual, made = timer(loop, by_turns=by_turns), timer(loop, by_turns=by_turns)
    for each in (usual, made):
        each._paces["R4 alone"] = 0.001
    usual._in_turn("R4", 0.0)
    loop.effort = MeasurementBudget.by_turns(3 * MeasurementBudget.seconds)
    made._in_turn("R4", 0.0)
    made._time_again()

    sizes = [window.batches for window in made._alone["R4"]]
    assert sizes == [usual._alone["R4"][0].batches] * (1 + more)
