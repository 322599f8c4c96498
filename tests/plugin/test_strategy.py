"""Knobs, the text that turns them, needs, and names that nearly match."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, make_dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from feedrate.builtin.loaders.workers import Workers
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Need, Strategy, knob, near, package
from feedrate.records.cell_key import split_spec
from tests.support import ROOT


@dataclass(frozen=True)
class Idea(Strategy):
    name = "idea"
    count: int | None = knob(None, 0, 4)
    share: float = knob(0.75, low=0, high=1)
    mode: str = knob("slow", "fast")
    eager: bool = knob(False, True)


@dataclass(frozen=True)
class Bounded(Strategy):
    name = "bounded"
    count: int = knob(1, 2, low=0)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count={self.count} is below 1")


@dataclass(frozen=True)
class Plain(Strategy):
    """Declares nothing."""

    name = "plain"
    size: int = 3
    parts: tuple[int, ...] = (1, 2)


def test_a_strategy_at_its_defaults_is_called_by_its_name() -> None:
    assert str(Idea()) == "idea"


def test_turned_knobs_stand_in_its_name_in_the_order_of_the_fields() -> None:
    assert str(Idea(eager=True, count=4, mode="fast")) == "idea[count=4,mode=fast,eager=true]"


def test_the_first_value_of_a_knob_is_the_default_and_all_are_the_sweep() -> None:
    assert Idea.defaults() == {"count": None, "share": 0.75, "mode": "slow", "eager": False}
    values = {"count": (None, 0, 4), "share": (0.75,), "mode": ("slow", "fast"), "eager": (False, True)}
    assert Idea.knob_values() == values


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
    turned = Idea().with_knobs({key: text}).knobs[key]
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
        (Bounded(), {"count": "-1"}, "bounded: count=-1 is out of range: 0 to 1,000,000"),
        (Idea(), {"count": "-1"}, "idea: count=-1 is out of range: 0 to 1,000,000"),
        (Idea(), {"count": "1000001"}, "idea: count=1000001 is out of range: 0 to 1,000,000"),
        (Idea(), {"share": "1.5"}, "idea: share=1.5 is out of range: 0 to 1"),
        (Idea(), {"share": "nan"}, "idea: share=nan is out of range: 0 to 1"),
        (Idea(), {"share": "inf"}, "idea: share=inf is out of range: 0 to 1"),
        (Plain(), {"size": "0"}, "plain: size=0 is out of range: 1 to 1,000,000"),
        (
            Plain(),
            {"parts": "x"},
            "plain: parts cannot be set: its type is none of bool, int, float, str, alone or with None",
        ),
    ],
)
def test_text_that_turns_no_knob_is_refused_with_the_way_out(
    strategy: Strategy, knobs: dict[str, str], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        strategy.with_knobs(knobs)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"count": -5}, "idea: count=-5 is out of range: 0 to 1,000,000"),
        ({"count": 2.5}, "idea: count=2.5 is not a whole number or auto"),
        ({"count": True}, "idea: count=true is not a whole number or auto"),
        ({"share": float("nan")}, "idea: share=nan is out of range: 0 to 1"),
        ({"share": "0.5"}, "idea: share=0.5 is not a number"),
        ({"mode": "fats"}, "idea: mode=fats is not one of slow, fast; did you mean fast?"),
        ({"eager": 1}, "idea: eager=1 is not true or false"),
    ],
)
def test_a_strategy_that_a_program_makes_is_held_to_the_same(values: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as made:
        Idea(**values)
    with pytest.raises(UsageError) as replaced:
        replace(Idea(), **values)

    assert [str(made.value), str(replaced.value)] == [text, text]


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [
        ((2, 4), 1, 1_000_000),
        ((0, 4), 0, 1_000_000),
        ((-3,), -3, 1_000_000),
        ((0.25,), 0, 1_000_000),
        ((5_000_000,), 1, 5_000_000),
        ((None, 8), 1, 1_000_000),
    ],
)
def test_a_range_that_nobody_declared_is_one_to_a_million_and_holds_the_knobs_own_values(
    values: tuple[float | None, ...], least: float, most: float
) -> None:
    made = make_dataclass("Made", [("amount", float | None, knob(*values))], bases=(Strategy,), frozen=True)

    assert made.ranges() == {"amount": (least, most)}  # type: ignore[attr-defined]


def test_a_word_that_no_sweep_tries_is_taken_all_the_same() -> None:
    spawned, forked = Workers(count=1), Workers(count=1).with_knobs({"start": "fork"})

    assert str(forked) == "workers[count=1,start=fork]"
    assert {variant.start for variant in spawned.sweep()} == {"spawn"}
    assert Workers.knob_choices()["start"] == ("spawn", "fork")
    with pytest.raises(UsageError, match="start=thread is not one of spawn, fork"):
        spawned.with_knobs({"start": "thread"})


def test_a_knob_whose_own_values_are_out_of_its_range_is_refused_where_it_is_declared() -> None:
    with pytest.raises(ValueError, match=r"^knob\(8\) is out of its own range: 1 to 4$"):
        knob(2, 8, low=1, high=4)
    with pytest.raises(ValueError, match="a range is for numbers"):
        knob("slow", "fast", high=4)


def test_every_number_that_ships_declares_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    shipped = Registry.load([ROOT / "examples/next_block.py"])
    spec = spec_from_file_location(
        "rust_loader", ROOT / "plugins/rust_prefetch/python/feedrate_rust_prefetch/loader.py"
    )
    assert spec is not None
    assert spec.loader is not None
    rust = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rust_loader", rust)
    spec.loader.exec_module(rust)
    every = (*shipped.loaders.values(), *shipped.steps.values(), *shipped.workloads.values())

    declared = {
        f"{one.name}.{field.name}": (field.metadata["low"], field.metadata["high"])
        for one in (*map(type, every), rust.RustPrefetch)
        for field in fields(one)
        if field.name in one.ranges()
    }

    assert {"threads.depth", "fp16.log2_scale", "boardmoves.nan_ratio", "next_block.depth"} < set(declared)
    assert {"paced.delay_us", "gpu_chunk.chunk", "rust_prefetch.readers"} < set(declared)
    assert [name for name, ends in declared.items() if None in ends] == []


@pytest.mark.parametrize(
    "spec",
    [
        *("ring_workers[slots=0]", "gpu_chunk[chunk=-1]", "gpu_chunk[buffers=0]", "threads[depth=-5]"),
        *("threads[count=1000000000]", "workers[prefetch=0]", "workers[timeout_s=0]", "paced[reads=0]"),
    ],
)
def test_a_number_that_would_hang_or_crash_a_loader_is_refused_before_anything_runs(
    spec: str, registry: Registry
) -> None:
    with pytest.raises(UsageError, match=r"is out of range: "):
        registry.loader(spec)


def test_a_sweep_holds_every_combination_once_its_own_values_first() -> None:
    swept = list(Idea(count=2).sweep())
    assert len(swept) == len(set(swept)) == 4 * 2 * 2
    assert swept[0] == Idea(count=2)


def test_what_a_strategy_is_called_gives_it_back() -> None:
    for idea in Idea().sweep():
        name, knobs = split_spec(str(idea))
        assert (name, Idea().with_knobs(knobs)) == ("idea", idea)


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


@pytest.mark.parametrize(
    "text", ["", "a b", "a[b]", "a[b=]", "a[b=1", "a]b[", "a[b=1]c", "a[b=[1]]", "a[b=1\n2]", "a[b=\x1b]"]
)
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form name or name"):
        split_spec(text)


def test_near_matches_come_best_first() -> None:
    assert near("wokers", ["workers", "ring_workers", "inline"]) == "did you mean workers or ring_workers?"


def test_without_a_near_match_everything_is_listed() -> None:
    assert near("zzz", ["b", "a"]) == "there are: a, b"
    assert near("zzz", []) == "there are: none"


def test_a_need_that_fails_to_say_whether_it_is_met_is_not_met_and_says_why() -> None:
    def broken() -> bool:
        raise OSError("the library has no\nsymbol")

    class Odd(Strategy):
        name = "odd"
        needs = (Need("a camera", broken, "plug it in"),)

    assert [need.reason for need in Odd.unmet_needs()] == [
        "needs a camera: whether it is here cannot be told (OSError: the library has no symbol); plug it in"
    ]


def test_an_unmet_need_says_how_to_meet_it() -> None:
    @dataclass(frozen=True)
    class Far(Strategy):
        name = "far"
        needs = (package("no_such.module", "no-such"), package("json"), Need("luck", lambda: False, "try again"))

    assert [need.reason for need in Far.unmet_needs()] == [
        "needs the package 'no_such.module': `pip install no-such` provides it",
        "needs luck: try again",
    ]
