"""Windows that met large and small batches are compared as if all had met the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from feedrate.diagnosis.batch_size_correction import Replicate, correct_for_batch_size
from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.ladder import Delayed, Ladder, Rung
from feedrate.records.window import Window
from tests.support.outcomes import measurement

MEAN, FIXED = 50.0, 25.0


def window(s: float, size: int) -> Window:
    """Ten batches of so many samples, where a batch of mean size takes `s` seconds, a third of it whatever its size."""
    return Window(10 * s * (FIXED + size) / (FIXED + MEAN), 10, 10 * size)


def replicate(sizes: Sequence[int] = (35, 64, 50, 42)) -> Replicate:
    """A step of 20 ms, a loader of 5, both together 30, and a copy that costs nothing."""
    first, second, third, fourth = sizes
    rungs = {
        "R0": Rung((window(0.020, second), window(0.020, first))),
        "R1": Rung((window(0.020, first), window(0.020, third))),
        "R3": Rung((window(0.026, first), window(0.026, first)), (window(0.004, second), window(0.004, third))),
        "R4": Rung((window(0.030, second), window(0.030, fourth)), (window(0.005, first), window(0.005, third))),
    }
    measured = measurement(
        batch_samples=MEAN,
        step_windows=(window(0.020, first), window(0.020, fourth)),
        loader_windows=(window(0.005, third), window(0.005, second)),
        full_windows=(window(0.030, first), window(0.030, third)),
    )
    delays = {"read": (Delayed(0.01, window(0.030, first), window(0.040, second)),)}
    beside = (window(0.022, second),)
    return measured, Ladder(rungs, delays, step_beside=beside, loader_beside=(window(0.006, first),), epoch_batches=100)


def test_what_a_batch_costs_whatever_its_size_is_found_and_taken_out() -> None:
    seen = Diagnosis.of([replicate(), replicate((64, 38, 45, 50))]).evidence

    found = (seen.step_s, seen.loader_s, seen.full_s, seen.parts["copy"], seen.unexplained_s, seen.slopes["read"])
    assert [one.mean for one in found if one] == pytest.approx([0.020, 0.005, 0.030, 0.0, 0.0, 1.0], abs=1e-9)
    assert seen.lumped["hand-over + decode"].mean == pytest.approx(0.006)
    assert seen.parts["read warm"].mean == pytest.approx(0.004)
    assert seen.contention_s is not None
    assert seen.contention_s.mean == pytest.approx(0.002)


def test_without_it_a_copy_that_costs_nothing_would_cost_time() -> None:
    one = replicate()

    def paces(ladder: Ladder) -> list[float]:
        return [window.s / window.samples for name in ("R0", "R1") for window in ladder.rungs[name].full]

    assert max(paces(one[1])) > 1.1 * min(paces(one[1]))
    assert paces(correct_for_batch_size([one])[0][1]) == pytest.approx([0.020 / MEAN] * 4)


def test_batches_of_one_size_are_left_as_they_are() -> None:
    even = replicate((50, 50, 51, 50))

    assert correct_for_batch_size([even]) == (even,)
