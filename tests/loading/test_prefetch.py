"""`ahead` starts work on the next items and gives results in order."""

from __future__ import annotations

import pytest

from feedrate import ahead


def started_when_each_came(items: int, depth: int) -> list[int]:
    """How many items had been started when each result came."""
    started: list[int] = []

    def start(item: int) -> int:
        started.append(item)
        return item

    return [len(started) for _ in ahead(start, range(items), depth)]


@pytest.mark.parametrize("depth", [0, 1, 3, 10])
def test_every_result_comes_once_in_order(depth: int) -> None:
    assert list(ahead(lambda item: item * item, range(6), depth)) == [0, 1, 4, 9, 16, 25]


def test_depth_more_items_are_started_and_never_more() -> None:
    assert started_when_each_came(5, 0) == [1, 2, 3, 4, 5]
    assert started_when_each_came(5, 2) == [3, 4, 5, 5, 5]


def test_nothing_is_started_before_the_first_result_is_asked_for() -> None:
    started: list[int] = []
    results = ahead(started.append, range(3), 1)
    assert started == []
    next(results)
    assert started == [0, 1]


def test_items_behind_the_one_that_is_waited_for_are_not_asked_for() -> None:
    items = iter(range(10))
    results = ahead(int, items, 2)
    next(results)
    assert next(items) == 3
