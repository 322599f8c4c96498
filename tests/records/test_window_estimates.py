"""Intervals from the windows of one process, held against noise that was recorded beside busy neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest

from feedrate.records.estimate import Estimate
from feedrate.records.step_at_rest import slowdown_beside
from feedrate.records.window import Window
from feedrate.records.window_estimates import Ratio, clearly_slower, paired_ratio, sample_time, unpaired_ratio
from tests.support.outcomes import measurement
from tests.support.pace_trace import FULL_S, LOADER_S, STEP_S, PaceTrace

CELLS = 500
ROUNDS = (4, 6, 8, 10, 12)


def windows(*batch_ms: float) -> tuple[Window, ...]:
    return tuple(Window(10 * ms / 1e3, 10, 640) for ms in batch_ms)


def holds(ratio: Ratio, truth: float) -> bool:
    assert ratio.log.half is not None
    return ratio.log.low <= math.log(truth) <= ratio.log.high


def coverage(name: str) -> tuple[float, float]:
    """Share of simulated cells whose intervals of x_L, and of x_S, hold the truth; as many of each number of rounds."""
    trace, rng = PaceTrace.load(name), np.random.default_rng(0)
    cells = [trace.paired(rng, rounds) for rounds in ROUNDS for _ in range(CELLS // len(ROUNDS))]
    loader = [holds(paired_ratio(cell.full, cell.step), FULL_S / STEP_S) for cell in cells]
    step = [holds(paired_ratio(cell.full, cell.loader), FULL_S / LOADER_S) for cell in cells]
    return float(np.mean(loader)), float(np.mean(step))


def test_19_of_20_intervals_hold_the_ceilings_beside_neighbours_that_take_both_cores() -> None:
    shares = coverage("two_threads")

    assert min(shares) >= 0.93
    assert max(shares) <= 0.97


def test_intervals_are_rather_too_wide_beside_neighbours_that_hit_a_window_now_and_then() -> None:
    assert min(coverage("one_thread")) >= 0.95


@pytest.mark.parametrize("name", ["one_thread", "two_threads"])
def test_windows_by_turns_are_nearer_to_the_truth_than_blocks(name: str) -> None:
    trace, rng = PaceTrace.load(name), np.random.default_rng(1)
    turns = [trace.paired(rng, 12) for _ in range(CELLS)]
    blocks = [trace.in_blocks(rng, 4) for _ in range(CELLS)]
    misses = [
        np.std([paired_ratio(cell.full, cell.step).log.mean for cell in turns]),
        np.std([unpaired_ratio(cell.full, cell.step).log.mean for cell in blocks]),
    ]

    assert misses[0] < 0.75 * misses[1]


def test_a_pace_that_both_share_leaves_no_interval() -> None:
    full, step = windows(20, 40, 10, 30), windows(10, 20, 5, 15)

    ratio = paired_ratio(full, step)

    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))
    wide = unpaired_ratio(full, step)
    assert wide.low is not None
    assert wide.low < 1


def test_what_one_window_in_four_waits_for_is_part_of_the_ratio() -> None:
    ratio = paired_ratio(windows(10, 10, 10, 50), windows(10, 10, 10, 10))

    assert ratio.value == pytest.approx(2)


def test_a_time_is_total_over_total_and_its_interval_students() -> None:
    # t(0.975; 2) = 4.303, tabled; s = 1 ms; neighbours do not go together.
    found = sample_time(windows(9, 11, 10))

    assert found.mean == pytest.approx(0.010 / 64)
    assert found.half == pytest.approx(4.303e-3 / math.sqrt(3) / 64, rel=0.02)


def test_neighbours_that_go_together_count_for_fewer() -> None:
    scattered, drifting = sample_time(windows(8, 12, 9, 11, 8, 12)), sample_time(windows(8, 8, 9, 11, 12, 12))

    assert scattered.half is not None
    assert drifting.half is not None
    assert drifting.half > 1.4 * scattered.half


def test_one_window_has_no_interval() -> None:
    ratio = paired_ratio(windows(20), windows(10))

    assert ratio.value == pytest.approx(2)
    assert ratio.low is ratio.high is None
    assert sample_time(windows(20)).half is None
    assert not clearly_slower(windows(20), windows(10), 1.05)


def test_over_processes_each_is_one_value() -> None:
    one, other = Ratio(Estimate(math.log(2), 0.01)), Ratio(Estimate(math.log(8), 0.01))

    assert Ratio.over([one]) == one
    both = Ratio.over([one, other])
    assert both.value == pytest.approx(4)
    assert both.low is not None
    assert both.low < 1, "two processes that differ by four"


# --- the step beside a loader that rests


def test_a_step_that_is_slow_only_while_the_stream_is_open_is_taken_without_it() -> None:
    beside, before, after = windows(30, 31, 29, 30), windows(6, 6.1, 6, 5.9), windows(6, 6, 6.2, 6)

    assert slowdown_beside(beside, before, after) == pytest.approx(5, rel=0.02)
    found = measurement(
        step_windows=beside,
        loader_windows=windows(1, 1, 1, 1),
        full_windows=windows(33, 30, 33, 30),
        rounds=4,
        step_windows_before=before,
        step_windows_after=after,
        batch_samples=64.0,
    )
    assert found.step_batch_s == pytest.approx(0.006, rel=0.02)
    assert found.loader_ceiling == pytest.approx(31.5 / 6, rel=0.02)
    assert found.loader_ceiling_low is not None
    assert 4 < found.loader_ceiling_low < found.loader_ceiling


@pytest.mark.parametrize("place", range(3))
def test_one_moment_in_which_the_machine_was_busy_hides_no_loader_that_slows_the_step(place: int) -> None:
    groups = [[30.0, 31.0, 29.0, 30.0], [6.0, 6.1, 6.0, 5.9], [6.0, 6.0, 6.2, 6.0]]
    groups[place][1] = 300.0

    assert slowdown_beside(*(windows(*group) for group in groups)) == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize(
    ("beside", "before", "after"),
    [
        (windows(6.2, 6.1, 6.2, 6.2), windows(6, 6, 6, 6), windows(6, 6, 6, 6)),
        (windows(10, 30, 6, 6), windows(6, 6, 6, 6), windows(6, 6, 6, 6)),
        (windows(30, 30, 31, 30), windows(6, 6, 6, 6), windows(30, 30, 29, 30)),
        (windows(30, 30, 31, 30), windows(6, 6, 6, 6), windows(25, 25, 25, 25)),
        (windows(30, 30, 31, 30), windows(6, 6, 6, 6), ()),
    ],
    ids=["hardly slower", "within the noise", "the machine", "rather the machine", "nobody asked"],
)
def test_a_step_that_may_be_slow_for_another_reason_is_taken_from_the_rounds(
    beside: tuple[Window, ...], before: tuple[Window, ...], after: tuple[Window, ...]
) -> None:
    assert slowdown_beside(beside, before, after) is None


# --- a measurement by turns


def test_batches_made_before_flatter_only_where_discards_were_cut() -> None:
    whole, cut = (
        measurement(full_ms=13, ahead_batches=4, rounds=2, cut_discards=cut, step_windows_before=windows(10, 10))
        for cut in (0, 2)
    )

    assert whole.prefetch_bias == 0
    # 8 of 40 batches were not waited for.
    assert cut.prefetch_bias == pytest.approx(8 / 32)


def test_the_pace_of_the_step_is_its_scatter_over_rounds() -> None:
    found = measurement(rounds=2, step_windows=windows(9, 11), step_windows_before=windows(10, 10))

    assert found.step_drift == pytest.approx(math.sqrt(2) / 10)


def test_a_record_in_blocks_has_ceilings_and_no_interval() -> None:
    found = measurement(full_ms=20, step_ms=10, loader_ms=16)

    assert (found.loader_ceiling, found.step_ceiling) == pytest.approx((2, 1.25))
    assert (found.loader_ceiling_low, found.step_ceiling_high) == (None, None)
    assert found.full_time().half is None
    assert found.step_time().mean == pytest.approx(0.010)
