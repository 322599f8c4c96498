"""Rounds are laid out from paces, and timed by turns; no loader runs here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, repeat
from pathlib import Path
from typing import cast

import pytest

from feedrate.loading.batch import Batch
from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.device import Device
from feedrate.metering.memory_sampler import MemorySampler
from feedrate.metering.phase_clock import PhaseClock
from feedrate.metering.prepared_cell import PreparedCell
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.metering.round_schedule import Paces, Queue, RoundSchedule
from feedrate.metering.round_timer import RoundTimer
from feedrate.metering.training_loop import TrainingLoop
from feedrate.metering.turns import Turns
from feedrate.records.answer import RoundTimes
from feedrate.records.phases import Phases, summed
from feedrate.system.sampling_flags import SamplingFlags

BUDGET = MeasurementBudget()


def schedule(full_ms: float, step_ms: float, loader_ms: float, *, ahead: int = 0, block: int = 1) -> RoundSchedule:
    paces = Paces(full_ms / 1e3, step_ms / 1e3, loader_ms / 1e3)
    return RoundSchedule.of(paces, Queue(ahead, block, epoch=1_000), BUDGET, BUDGET.seconds)


# --- the layout


def test_a_quick_cell_has_many_short_rounds_and_takes_no_longer() -> None:
    quick = schedule(1, 0.5, 0.7, ahead=4)

    assert quick.rounds == 12
    assert quick.full_batches * quick.rounds == pytest.approx(400, rel=0.05)
    assert quick.loader_batches * quick.rounds == pytest.approx(400 / 0.7, rel=0.05)
    assert quick.step_batches * quick.rounds == pytest.approx(800, rel=0.05)
    assert quick.discard == 4


def test_a_slow_step_with_a_long_queue_has_fewer_rounds_and_shorter_discards() -> None:
    slow = schedule(150, 140, 4, ahead=8)

    assert slow.rounds == 4
    assert (slow.full_batches, slow.step_batches) == (2, 1)
    assert slow.discard_s * slow.rounds == pytest.approx(BUDGET.discards * BUDGET.seconds)


def test_a_step_of_seconds_is_taken_as_often_as_it_must_be() -> None:
    very_slow = schedule(4_000, 4_000, 4)

    assert (very_slow.rounds, very_slow.full_batches, very_slow.step_batches) == (4, 1, 1)


def test_a_window_is_of_whole_blocks() -> None:
    gzip = schedule(1.6, 0.01, 1.6, block=32)

    assert gzip.rounds == 6
    assert (gzip.full_batches, gzip.loader_batches) == (32, 32)


def test_a_window_is_longer_than_what_a_queue_may_hold() -> None:
    queued = schedule(5, 5, 5, ahead=4)

    assert queued.full_batches >= 20


def test_rounds_come_in_pairs() -> None:
    assert {schedule(ms, ms, ms, ahead=ahead).rounds % 2 for ms in (0.1, 1, 3, 7, 30) for ahead in (0, 1, 4)} == {0}


# --- the turns


@dataclass
class Feed:
    """A stream of batches of one sample that writes down who takes them."""

    log: list[str]
    taken: int = 0
    kept_bytes: int = 0
    waited_s: float | None = None

    def take(self) -> bytes:
        self.taken += 1
        return b"b"

    def drain(self, count: int) -> int:
        self.log += ["L"] * count
        self.taken += count
        return count


@dataclass
class Prepared:
    """What a timer asks of a prepared cell."""

    loop: TrainingLoop
    turns: Turns
    clock: PhaseClock = field(default_factory=PhaseClock)

    @contextmanager
    def watched(self) -> Iterator[None]:
        with self.loop.undisturbed():
            yield


class Shared(Turns):
    """Turns with somebody who is quick: there is a pause before each."""

    def wait(self) -> bool:
        return True


def timed(
    folder: Path, layout: RoundSchedule, turns: type[Turns] = Turns
) -> tuple[RoundTimes, str, tuple[float, ...], Phases]:
    """What was timed, who took a batch (in the order of time), epochs at the samples of memory, and the phases."""
    log: list[str] = []
    feed, device = Feed(log), Device("cpu")
    loop = TrainingLoop(
        lambda batch: log.append("S" if bytes(cast(bytes, batch)) == b"r" else "F"),
        device,
        SamplingFlags(folder),
        BUDGET,
    )
    prepared = Prepared(loop, turns(None, SamplingFlags(folder)))
    memory = MemorySampler(device, cast(RecordedStream, feed), epoch_batches=10)
    timer = RoundTimer(
        cast(PreparedCell, prepared), cast(RecordedStream, feed), cast("Iterator[Batch]", repeat(b"r")), layout, memory
    )
    times = timer.times()
    return times, "".join(log), tuple(sample.epochs for sample in memory.samples), prepared.clock.phases()


@pytest.mark.slow
def test_windows_alternate_there_and_back_and_each_new_consumer_discards_what_was_queued(tmp_path: Path) -> None:
    layout = RoundSchedule(4, full_batches=5, step_batches=1, loader_batches=7, discard=2, discard_s=9.0)

    times, log, epochs, phases = timed(tmp_path, layout)

    runs = [(taker, len(list(batches))) for taker, batches in groupby(log)]
    # F S L, L S F, F S L, L S F: after a pause, or another consumer, two more than are timed.
    assert runs == [
        *(("F", 5), ("S", 1), ("L", 2 + 7 + 7), ("S", 1), ("F", 2 + 5 + 5)),
        *(("S", 1), ("L", 2 + 7 + 7), ("S", 1), ("F", 2 + 5)),
    ]
    assert [window.batches for window in times.full_windows] == [5] * 4
    assert [window.batches for window in times.loader_windows] == [7] * 4
    assert [window.batches for window in times.step_windows] == [1] * 4
    assert (times.discarded_batches, times.cut_discards) == (8, 0)
    assert times.batch_gaps.count == 4 * 5
    assert len(epochs) == 8
    assert epochs == tuple(sorted(epochs))
    assert phases.windows_s > 0
    assert phases.discards_s > 0


@pytest.mark.slow
def test_each_round_between_two_turns_of_another_process_begins_as_after_a_pause(tmp_path: Path) -> None:
    layout = RoundSchedule(4, full_batches=5, step_batches=1, loader_batches=7, discard=2, discard_s=9.0)

    times, log, *_ = timed(tmp_path, layout, Shared)

    # F S L, then L S F: whoever takes the first batch of a turn uses up what was made before it.
    runs = [(taker, len(list(batches))) for taker, batches in groupby(log)]
    there, back = [("F", 2 + 5), ("S", 1), ("L", 2 + 7)], [("L", 2 + 7), ("S", 1), ("F", 2 + 5)]
    assert runs == _joined([*there, *back, *there, *back])
    assert (times.discarded_batches, times.cut_discards) == (16, 0)


def _joined(runs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The same with neighbours of one taker as one."""
    log = "".join(taker * count for taker, count in runs)
    return [(taker, len(list(batches))) for taker, batches in groupby(log)]


def test_rounds_grow_in_number_with_the_time_of_a_process_that_takes_turns() -> None:
    plain, shared = MeasurementBudget(seconds=2.0), MeasurementBudget.by_turns(2.0)
    paces, queue = Paces(full_s=2e-3, step_s=1e-4, loader_s=2e-3), Queue(ahead=0, block=16, epoch=100)

    alone = RoundSchedule.of(paces, queue, plain, 0.2)
    turns = RoundSchedule.of(paces, queue, shared, 0.2, by_turns=True)

    assert (alone.rounds, turns.rounds) == (12, 60)
    # As long altogether, in whole blocks, and each of them no longer than those of a shorter process.
    assert turns.full_batches == 16
    assert abs(turns.rounds * turns.full_batches - alone.rounds * alone.full_batches) <= 60
    # Two that saw the machine at unlike paces have as many.
    others = [Paces(full_s=s, step_s=1e-4, loader_s=s) for s in (2.3e-3, 2.5e-3)]
    assert [RoundSchedule.of(one, queue, shared, 0.2, by_turns=True).rounds for one in others] == [48, 48]


@pytest.mark.slow
def test_a_discard_that_takes_too_long_is_cut_and_counted(tmp_path: Path) -> None:
    layout = RoundSchedule(2, full_batches=5, step_batches=1, loader_batches=7, discard=50, discard_s=0.0)

    times, *_ = timed(tmp_path, layout)

    assert (times.discarded_batches, times.cut_discards) == (2, 2)


@pytest.mark.slow
def test_a_step_of_many_batches_is_warm_when_its_window_begins(tmp_path: Path) -> None:
    layout = RoundSchedule(2, full_batches=1, step_batches=4, loader_batches=1, discard=1, discard_s=9.0)

    _, log, *_ = timed(tmp_path, layout)

    assert log.count("S") == 2 * (1 + 4)


def test_phases_inside_one_another_count_once() -> None:
    clock = PhaseClock()

    with clock.phase("checks"), clock.phase("data"):
        sum(range(100_000))
    phases = clock.phases()

    assert phases.data_s > phases.checks_s
    assert phases.total_s == pytest.approx(phases.data_s + phases.checks_s)
    assert summed([phases, phases]).total_s == pytest.approx(2 * phases.total_s)
    assert summed([]) == Phases()
