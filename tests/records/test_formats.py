"""Lines of the formats that hold columns say what the feedrate that measured them said."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from feedrate.diagnosis.diagnosis import Diagnosis, records
from feedrate.records.document import document
from feedrate.records.format_number import FORMAT
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.raw_results import append

FOLDER = Path(__file__).parent
FORMAT_3 = FOLDER / "format_3.jsonl"
"""Two measurements, a failure and a diagnosis as feedrate wrote them in format 3."""
FORMAT_4 = FOLDER / "format_4.jsonl"
"""The same in format 4."""
EXPECTED: list[dict[str, Any]] = json.loads((FOLDER / "format_3_expected.json").read_text())
"""What the feedrate that measured them gave programs of each, without the number of its format."""


def told(record: object) -> Any:
    """Give what is given to programs of a record, after JSON."""
    if isinstance(record, Diagnosis):
        of_parts = {
            "measured": [document(outcome) for outcome in record.measured],
            "ladders": [ladder.as_json() for ladder in record.ladders],
        }
        return without_format(json.loads(json.dumps(of_parts)))
    assert isinstance(record, Measurement | Failure)
    return without_format(json.loads(json.dumps(document(record))))


def without_format(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_format(item) for key, item in value.items() if key != "format"}
    return [without_format(item) for item in value] if isinstance(value, list) else value


def without_newer(value: Any, before: Any) -> Any:
    """Leave out fields that came later and have nothing to say of what was measured before."""
    if isinstance(value, dict) and isinstance(before, dict):
        kept = {key: item for key, item in value.items() if key in before or item not in ({}, None)}
        return {key: without_newer(item, before.get(key)) for key, item in kept.items()}
    if isinstance(value, list) and isinstance(before, list):
        return [without_newer(*pair) for pair in zip_longest(value, before)]
    return value


@pytest.mark.parametrize("file", [FORMAT_3, FORMAT_4], ids=lambda file: file.stem)
@pytest.mark.parametrize("place", range(len(EXPECTED)))
def test_a_line_gives_programs_what_it_gave(file: Path, place: int) -> None:
    assert without_newer(told(list(records(file))[place]), EXPECTED[place]) == EXPECTED[place]


def test_a_line_of_format_3_is_written_in_todays(tmp_path: Path) -> None:
    for record in records(FORMAT_3):
        assert isinstance(record, Measurement | Failure | Diagnosis)
        append(tmp_path / "raw.jsonl", record)

    assert list(records(tmp_path / "raw.jsonl")) == list(records(FORMAT_3))
    assert [json.loads(line)["format"] for line in (tmp_path / "raw.jsonl").read_text().splitlines()] == [FORMAT] * 4


def test_a_line_is_shorter_than_in_format_3_though_its_digits_are_those() -> None:
    before, after = ([len(line) for line in file.read_bytes().splitlines()] for file in (FORMAT_3, FORMAT_4))

    assert before == [3_565, 3_830, 826, 16_989]
    assert max(after[:2]) <= 3_610
    assert sum(after) <= sum(before) - 850
