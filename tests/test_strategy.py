"""Knobs, the text that turns them, needs, and names that nearly match."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from feedrate.errors import UsageError
from feedrate.strategy import Need, Strategy, knob, near, package, split_spec


@dataclass(frozen=True)
class Idea(Strategy):
    name = "idea"
    count: int | None = knob(None, 0, 4)
    share: float = knob(0.75)
    mode: str = knob("slow", "fast")
    eager: bool = knob(False, True)


@dataclass(frozen=True)
class Bounded(Strategy):
    name = "bounded"
    count: int = knob(1, 2)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count={self.count} is below 1")


def test_a_strategy_at_its_defaults_is_called_by_its_name() -> None:
    assert str(Idea()) == "idea"


def test_turned_knobs_stand_in_its_name_in_the_order_of_the_fields() -> None:
    assert str(Idea(eager=True, count=4, mode="fast")) == "idea[count=4,mode=fast,eager=true]"


def test_the_first_value_of_a_knob_is_the_default_and_all_are_the_sweep() -> None:
    assert Idea.defaults() == {"count": None, "share": 0.75, "mode": "slow", "eager": False}
    assert Idea.sweeps() == {"count": (None, 0, 4), "share": (0.75,), "mode": ("slow", "fast"), "eager": (False, True)}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("count", "7", 7),
        ("count", "auto", None),
        ("share", "0.5", 0.5),
        ("share", "1", 1.0),
        ("mode", "fast", "fast"),
        ("eager", "true", True),
        ("eager", "False", False),
    ],
)
def test_a_knob_is_turned_by_text(key: str, text: str, value: object) -> None:
    turned = Idea().turned({key: text}).knobs[key]
    assert turned == value
    assert type(turned) is type(value)


@pytest.mark.parametrize(
    ("strategy", "knobs", "text"),
    [
        (Idea(), {"cuont": "1"}, "idea: no knob 'cuont'; did you mean count?"),
        (Idea(), {"zzz": "1"}, "idea: no knob 'zzz'; there are: count, eager, mode, share"),
        (Idea(), {"count": "many"}, "idea: count=many is not a whole number or auto"),
        (Idea(), {"count": "1.5"}, "idea: count=1.5 is not a whole number or auto"),
        (Idea(), {"share": "half"}, "idea: share=half is not a number"),
        (Idea(), {"eager": "yes"}, "idea: eager=yes is not true or false"),
        (Idea(), {"mode": "fats"}, "idea: mode=fats is not one of slow, fast; did you mean fast?"),
        (Bounded(), {"count": "0"}, "bounded: count=0 is below 1"),
    ],
)
def test_text_that_turns_no_knob_is_refused_with_the_way_out(
    strategy: Strategy, knobs: dict[str, str], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        strategy.turned(knobs)
    assert str(caught.value) == text


def test_a_sweep_holds_every_combination_once_its_own_values_first() -> None:
    swept = list(Idea(count=2).swept())
    assert len(swept) == len(set(swept)) == 4 * 2 * 2
    assert swept[0] == Idea(count=2)


def test_what_a_strategy_is_called_gives_it_back() -> None:
    for idea in Idea().swept():
        name, knobs = split_spec(str(idea))
        assert (name, Idea().turned(knobs)) == ("idea", idea)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("workers", ("workers", {})),
        ("workers[]", ("workers", {})),
        (" workers[count=2,cast=host] ", ("workers", {"count": "2", "cast": "host"})),
        ("my-loader.v2[a = b]", ("my-loader.v2", {"a": "b"})),
        ("a[b=c=d]", ("a", {"b": "c=d"})),
    ],
)
def test_a_spec_is_a_name_and_the_texts_of_its_knobs(text: str, parts: tuple[str, dict[str, str]]) -> None:
    assert split_spec(text) == parts


@pytest.mark.parametrize("text", ["", "a b", "a[b]", "a[b=]", "a[b=1", "a]b[", "a[b=1]c", "a[b=[1]]"])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form name or name"):
        split_spec(text)


def test_near_matches_come_best_first() -> None:
    assert near("wokers", ["workers", "ring_workers", "inline"]) == "did you mean workers or ring_workers?"


def test_without_a_near_match_everything_is_listed() -> None:
    assert near("zzz", ["b", "a"]) == "there are: a, b"
    assert near("zzz", []) == "there are: none"


def test_an_unmet_need_says_how_to_meet_it() -> None:
    @dataclass(frozen=True)
    class Far(Strategy):
        name = "far"
        needs = (package("no_such.module", "no-such"), package("json"), Need("luck", lambda: False, "try again"))

    assert [need.reason for need in Far.unmet()] == [
        "needs the package 'no_such.module': `pip install no-such` provides it",
        "needs luck: try again",
    ]
