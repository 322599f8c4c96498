"""What follows from windows needs no record around them."""

from __future__ import annotations

import pytest

from feedrate.records.cell_times import CellTimes
from feedrate.records.window import Window

TIMES = CellTimes(
    step_windows=(Window(0.5, 10, 640), Window(0.25, 10, 640)),
    loader_windows=(Window(0.75, 10, 640), Window(1.0, 10, 640)),
    full_windows=(Window(1.0, 10, 640), Window(1.25, 10, 640)),
    ahead_batches=4,
    batch_samples=32.0,
    rounds=2,
    cut_discards=0,
    step_windows_before=(Window(0.5, 10, 640),),
)


def test_the_three_times_are_of_a_batch_of_mean_size() -> None:
    times = (TIMES.full_batch_mean_s, TIMES.loader_batch_s, TIMES.step_batch_s)

    assert times == pytest.approx((2.25 / 40, 1.75 / 40, 0.75 / 40))


def test_ceilings_divide_the_time_together_and_have_intervals() -> None:
    assert (TIMES.loader_ceiling, TIMES.step_ceiling) == pytest.approx((3.0, 2.25 / 1.75))
    low, high = TIMES.step_ceiling_low, TIMES.step_ceiling_high
    assert low is not None
    assert high is not None
    assert low < TIMES.step_ceiling < high
