"""What reading a record fills in by itself is not written, and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from feedrate.records.codec import decoded, encoded
from feedrate.records.defaults import without_defaults


@dataclass(frozen=True)
class Leaf:
    s: float
    count: int = 0
    ripe: bool = False


@dataclass(frozen=True)
class Tree:
    name: str
    leaves: tuple[Leaf, ...] = ()
    best: Leaf | None = None
    stalls: Mapping[str, float] = field(default_factory=dict)
    height_m: float | None = None


TREES = (
    Tree("bare"),
    Tree("one", (Leaf(0.5),), Leaf(1.5, count=3), {"cpu": 0.0}, 0.0),
    Tree("two", (Leaf(0.5, ripe=True), Leaf(0.25)), Leaf(1.5)),
)


def short(*trees: Tree) -> list[dict[str, object]]:
    return without_defaults(Tree, [encoded(tree) for tree in trees])


@pytest.mark.parametrize("tree", TREES)
def test_a_record_is_the_same_without_its_defaults(tree: Tree) -> None:
    assert decoded(Tree, short(tree)[0]) == tree


def test_records_that_are_listed_together_are_the_same_and_stay_alike() -> None:
    together = short(*TREES)

    assert [decoded(Tree, values) for values in together] == list(TREES)
    assert {tuple(values) for values in together} == {("name", "leaves", "best", "stalls", "height_m")}


@pytest.mark.parametrize(
    ("tree", "values"),
    [
        (TREES[0], {"name": "bare"}),
        (
            TREES[1],
            {
                "name": "one",
                "leaves": [{"s": 0.5}],
                "best": {"s": 1.5, "count": 3},
                "stalls": {"cpu": 0.0},
                "height_m": 0.0,
            },
        ),
        (
            TREES[2],
            {"name": "two", "leaves": [{"s": 0.5, "ripe": True}, {"s": 0.25, "ripe": False}], "best": {"s": 1.5}},
        ),
    ],
)
def test_a_default_is_left_out_where_all_records_of_a_list_have_it(tree: Tree, values: dict[str, Any]) -> None:
    assert short(tree) == [values]


def test_what_only_equals_a_default_is_kept() -> None:
    raw = {"s": 0.5, "count": False, "ripe": 0}

    assert without_defaults(Leaf, [raw]) == [raw]


def test_keys_that_are_no_fields_are_kept() -> None:
    assert without_defaults(Leaf, [{"kind": "leaf", "format": 4, "s": 0.5, "count": 0, "ripe": False}]) == [
        {"kind": "leaf", "format": 4, "s": 0.5}
    ]
