from __future__ import annotations

import numpy as np
import pytest

from feedrate.data.counter_rng import CounterRng


@pytest.mark.parametrize("words", [1, 3, 4, 5, 12, 70_000])
@pytest.mark.parametrize("kind", ["uint64", "bytes", "uniform", "normal"])
def test_a_row_is_the_same_in_whatever_range_it_is_drawn(words: int, kind: str) -> None:
    draw = getattr(CounterRng(7, 1, words), kind)
    assert np.array_equal(draw(3, 9)[2:4], draw(5, 7))


def test_rows_streams_and_seeds_differ() -> None:
    first = CounterRng(7, 1, 8).uint64(0, 50)
    others = CounterRng(7, 2, 8).uint64(0, 50), CounterRng(8, 1, 8).uint64(0, 50)
    every = np.concatenate([first, *others])
    assert len(np.unique(every)) == every.size


def test_uniform_numbers_fill_the_unit_interval_and_stay_below_one() -> None:
    drawn = CounterRng(1, 1, 100).uniform(0, 1_000)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert np.histogram(drawn, bins=10, range=(0, 1))[0] == pytest.approx(20_000, rel=0.05)


def test_normal_numbers_have_mean_0_and_variance_1() -> None:
    drawn = CounterRng(1, 1, 100).normal(0, 2_000)
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.std() == pytest.approx(1, abs=0.01)
