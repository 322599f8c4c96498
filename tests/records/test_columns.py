"""Lists of like objects as columns: they come back as they were, and what somebody has damaged is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedrate.errors import DataError
from feedrate.records.columns import packed, unpacked
from feedrate.records.raw_results import append, read
from tests.support.fuzzing import fuzzed
from tests.support.outcomes import failure, measurement

keys = st.sampled_from(("s", "batches", "columns", "columns_", "columns__", ""))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(10**9, 10**9 + 2)
    | st.sampled_from((0, 1, 0.0, -0.0, 1.0, "1", ""))
    | st.floats(allow_nan=False, allow_infinity=False)
)
rows = st.lists(keys, max_size=3, unique=True).flatmap(
    lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, scalars)), max_size=4)
)
documents = st.recursive(
    scalars | rows,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"s": inner, "columns": inner}), min_size=2, max_size=3)
    ),
    max_leaves=12,
)


def text(document: object) -> str:
    return json.dumps(document, allow_nan=False)


@pytest.mark.slow
@fuzzed(2)
@given(document=documents)
def test_what_is_packed_comes_back_to_the_last_sign(document: Any) -> None:
    assert text(unpacked(json.loads(text(packed(document))))) == text(document)


def test_a_key_stands_once_and_a_value_that_repeats_once() -> None:
    windows = [{"s": 0.5, "batches": 140, "samples": 8_960}, {"s": 0.25, "batches": 140, "samples": 8_961}]

    assert packed(windows) == {"columns": {"s": [0.5, 0.25], "batches": 140, "samples": [8_960, 8_961]}}


def test_values_that_come_again_and_again_stand_once() -> None:
    turn = (True, False, False, True)

    assert packed([{"s": place / 2, "training": turn[place % 4]} for place in range(8)]) == {
        "columns": {"s": [place / 2 for place in range(8)], "training": {"cycle": list(turn)}}
    }


def test_a_cycle_that_does_not_end_with_the_rows_is_written_in_full() -> None:
    training = [True, False, False, True, True]

    assert packed([{"s": 0.5, "training": value} for value in training]) == {
        "columns": {"s": [0.5] * 5, "training": training}
    }


def test_whole_numbers_that_lie_near_each_other_are_steps() -> None:
    host = (479_061_352, 479_033_640, 479_033_640, 479_562_888, 479_562_880, 479_562_888)

    assert packed([{"epochs": place, "host_bytes": value} for place, value in enumerate(host)]) == {
        "columns": {"epochs": [0, 1, 2, 3, 4, 5], "host_bytes": {"steps": [479_061_352, -27_712, 0, 529_248, -8, 8]}}
    }


@pytest.mark.parametrize(
    "values",
    [(5, 6, 5), (10_664, 10_633, 10_651), (5, 600_000, 7), (100_000.0, 100_001.0, 100_002.0), (True, 1, False)],
)
def test_other_values_are_a_list_as_they_are(values: tuple[object, ...]) -> None:
    assert packed([{"s": 0.5, "t": value} for value in values]) == {"columns": {"s": [0.5] * 3, "t": list(values)}}


@pytest.mark.parametrize(
    "objects", [[], [{"s": 1}], [{}, {}], [{"s": 1}, {"s": 1, "t": 2}], [{"s": 1, "t": 2}, {"t": 2, "s": 1}], [{}, 3]]
)
def test_objects_that_are_not_alike_stay_a_list(objects: object) -> None:
    assert packed(objects) == objects


def test_objects_in_objects_are_columns_of_columns() -> None:
    pairs = [{"delay_s": 0.5, "without": {"s": s, "batches": 4}} for s in (1.0, 2.0)]

    assert packed(pairs) == {
        "columns": {"delay_s": [0.5, 0.5], "without": {"columns": {"s": [1.0, 2.0], "batches": 4}}}
    }


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"s": [1.5, 2.5], "batches": [4]}, "full_windows has columns of 1 and 2 rows"),
        ({"s": 1.5, "batches": 4}, "full_windows has columns of no rows"),
        ({}, "full_windows has columns of no rows"),
        ([1.5], "full_windows has columns that are no object"),
        (
            {"s": [1] * 2_000, **{f"key {number}": 1 for number in range(100)}},
            "full_windows has 101 columns of 2,000 rows: no record has so many",
        ),
        ({"s": [1.5] * 4, "batches": {"cycle": [4, 5, 6]}}, "full_windows.batches is no cycle of 4 rows"),
        ({"s": [1.5] * 4, "batches": {"cycle": []}}, "full_windows.batches is no cycle of 4 rows"),
        ({"s": [1.5] * 4, "batches": {"cycle": 4}}, "full_windows.batches is no cycle of 4 rows"),
        ({"s": [1.5] * 2, "batches": {"steps": [4]}}, "full_windows.batches is not 2 steps in whole numbers"),
        ({"s": [1.5] * 2, "batches": {"steps": [4, 0.5]}}, "full_windows.batches is not 2 steps in whole numbers"),
        ({"s": [1.5] * 2, "batches": {"steps": 4}}, "full_windows.batches is not 2 steps in whole numbers"),
        (
            {"s": [1.5] * 2, "batches": {"x": 4}, "samples": 4},
            "full_windows[0].batches is an object, not a whole number",
        ),
        ({"s": [1.5, "x"], "batches": 4, "samples": 4}, "full_windows[1].s is 'x', not a number"),
        ({"s": [1.5, 2.5], "batches": 4}, "full_windows[0].samples is missing"),
    ],
)
def test_columns_that_hold_no_rows_are_named_and_take_no_other_line(value: object, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "raw.jsonl"
    append(file, measurement())
    with file.open("a") as lines:
        lines.write(text({**measurement().as_json(), "full_windows": {"columns": value}}) + "\n")
    append(file, failure())
    complaints: list[str] = []

    outcomes = list(read(file, lambda line: complaints.append(line.why)))

    assert complaints == [fault]
    assert outcomes == [measurement(), failure()]


def test_more_values_than_are_read_back_are_left_a_list() -> None:
    many = [{"s": 1, "t": 2}] * 50_001

    assert packed(many) == many
    assert unpacked(packed(many[:50_000])) == many[:50_000]


def test_a_line_of_columns_alone_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "raw.jsonl").write_text('{"columns": {"kind": ["failure"], "format": 3}}\n')

    with pytest.raises(DataError, match="line 1 is left out: its kind is none of measurement, failure, diagnosis"):
        list(read(tmp_path / "raw.jsonl"))
