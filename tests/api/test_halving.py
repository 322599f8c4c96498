"""Which loader of each family is left when all were measured, and the better half of them again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from feedrate.api.halving import Halving
from feedrate.records.measurement import Outcome
from tests.support.outcomes import failure, measurement

TORCH = tuple(f"dataloader[num_workers={number}]" for number in (1, 2, 4, 8))
OTHERS = ("threads[count=2]", "threads[count=4]", "ring_workers[count=2]", "ring_workers[count=4]")
MS = dict(zip((*TORCH, *OTHERS), (40.0, 20.0, 30.0, 50.0, 35.0, 45.0, 25.0, 15.0), strict=True))
"""Milliseconds a batch of each."""


@dataclass
class Measured:
    """Gives made-up outcomes, and counts how often it was asked for each."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, loader: str, to_go: int) -> Outcome:
        assert to_go > 0
        self.asked[loader] += 1
        return self.outcomes.get(loader, measurement(full_ms=MS[loader]))


def test_each_family_keeps_its_best_and_the_worse_half_is_measured_once() -> None:
    measured = Measured()
    halving = Halving(measured, lambda: False)
    assert halving.best((TORCH, OTHERS)) == ["dataloader[num_workers=2]", "ring_workers[count=4]"]
    assert {loader for loader, count in measured.asked.items() if count == 2} == {*TORCH[1:3], *OTHERS[2:]}
    assert halving.speed("ring_workers[count=4]") > halving.speed("dataloader[num_workers=2]")


def test_a_loader_that_cannot_take_the_scripts_place_is_asked_once_whatever_its_settings() -> None:
    unavailable = failure(why="unavailable", reason="the batch holds a str")
    measured = Measured(dict.fromkeys(OTHERS, unavailable))
    assert Halving(measured, lambda: False).best((TORCH, OTHERS)) == ["dataloader[num_workers=2]", ""]
    assert [measured.asked[loader] for loader in OTHERS] == [1, 0, 1, 0]


def test_a_setting_that_fails_leaves_the_others_in() -> None:
    measured = Measured({TORCH[1]: failure(why="unavailable"), OTHERS[3]: failure(why="exception")})
    assert Halving(measured, lambda: False).best((TORCH, OTHERS)) == [TORCH[2], OTHERS[2]]


def test_what_takes_more_memory_than_there_may_be_is_out() -> None:
    large = measurement(full_ms=MS[TORCH[1]], host_peak_bytes=2_000_000_000)
    assert Halving(Measured({TORCH[1]: large}), lambda: False, 1e9).best((TORCH,)) == [TORCH[2]]


def test_what_was_not_measured_in_time_is_out() -> None:
    measured = Measured()
    best = Halving(measured, lambda: measured.asked.total() >= 3).best((TORCH, OTHERS))
    assert best == [TORCH[1], ""]
    assert measured.asked.total() == 3
