from __future__ import annotations

import math

import pytest

from feedrate.records.estimate import estimate, replicates_for


def test_the_interval_is_students() -> None:
    # t(0.975; 2) = 4.303, tabled; s = 1.
    found = estimate([9, 10, 11])

    assert found.mean == 10
    assert found.half == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
    assert found.low == pytest.approx(10 - 2.484, abs=1e-3)


def test_one_value_has_no_interval() -> None:
    found = estimate([10])

    assert (found.mean, found.half, found.high) == (10, None, math.inf)


def test_no_value_is_refused() -> None:
    with pytest.raises(ValueError, match="no value"):
        estimate([])


def test_replicates_that_scatter_less_than_asked_need_one_more() -> None:
    assert replicates_for(estimate([1.0, 1.1, 0.9]), 3, half=1.0) == 4


def test_the_replicates_asked_for_bring_the_interval_down() -> None:
    scattered = [1.0, 1.4, 0.6]
    wanted = estimate(scattered * 4).half
    assert wanted is not None

    assert 10 <= replicates_for(estimate(scattered), 3, half=wanted) <= 18
    assert replicates_for(estimate(scattered), 3, half=1e-6) == 100
