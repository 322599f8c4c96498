"""Ranks that train together agree on what they do, and none waits without an end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from torch._C._distributed_c10d import HashStore

from feedrate.errors import UnavailableError
from feedrate.metering.ranks import Alone, Together, own_rank, ranks

T = TypeVar("T")


def of_each(work: Callable[[Together], T], count: int = 3) -> list[T]:
    """Give what each rank comes to."""
    store = HashStore()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda rank: work(Together(store, rank, count)), range(count)))


def test_all_ranks_get_the_largest_of_what_they_give_again_and_again() -> None:
    def agreed(rank: Together) -> list[float]:
        numbers = [rank.largest(rank.rank), rank.largest(-rank.rank), rank.largest(rank.rank == 1)]
        rank.leave()
        return numbers

    assert of_each(agreed) == [[2, 0, 1]] * 3


def test_one_rank_answers() -> None:
    assert of_each(lambda rank: rank.answers) == [True, False, False]
    assert Alone().answers


def test_a_rank_that_fails_says_why_to_those_that_wait_for_it() -> None:
    def told(rank: Together) -> str:
        if rank.rank == 1:
            rank.fail("no batch came")
            return "itself"
        with pytest.raises(UnavailableError) as error:
            rank.largest(0)
        return str(error.value)

    assert of_each(told) == ["no batch came", "itself", "no batch came"]


def test_a_rank_that_does_not_come_is_not_waited_for_without_an_end() -> None:
    alone = Together(HashStore(), 0, 2, patience_s=0.05)
    with pytest.raises(UnavailableError, match=r"waited 0.05 s in vain for another .* measure the script as one rank"):
        alone.largest(0)


def test_a_process_without_others_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert isinstance(ranks(), Alone)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert isinstance(ranks(), Alone)
    assert own_rank() == 0


def test_ranks_that_cannot_talk_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert own_rank() == 3
    with pytest.raises(UnavailableError, match=r"one of 4 ranks .* without torch.distributed: measure .* as one rank"):
        ranks()
