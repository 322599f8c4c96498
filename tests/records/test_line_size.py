"""How long a line of raw results is, of records that were measured once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

from feedrate.diagnosis.diagnosis import Diagnosis, records
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.raw_results import append, read
from tests.support import ROOT
from tests.support.outcomes import measurement

FORMAT_2 = Path(__file__).parent / "format_2.jsonl"
"""Two measurements, a failure and a diagnosis as feedrate wrote them in format 2."""
EXPECTED: list[dict[str, Any]] = json.loads((FORMAT_2.parent / "format_2_expected.json").read_text())
"""What the feedrate of then said of each."""


def properties(of: object, names: dict[str, Any]) -> dict[str, object]:
    return {name: getattr(of, name) for name in names if name != "gaps"}


@pytest.mark.parametrize("place", range(len(EXPECTED)))
def test_a_line_of_format_2_says_what_it_said(place: int) -> None:
    record, expected = list(records(FORMAT_2))[place], EXPECTED[place]

    if isinstance(record, Measurement):
        assert properties(record, expected) | {"gaps": properties(record.batch_gaps, expected["gaps"])} == expected
        sample_s = json.loads(FORMAT_2.read_text().splitlines()[place])["batch_gaps"]["sample_s"]
        assert record.batch_gaps.sample_s == pytest.approx(sample_s, rel=1e-9)
    elif isinstance(record, Failure):
        assert properties(record, expected) == expected
    else:
        assert isinstance(record, Diagnosis)
        assert [properties(one, expected["measured"][0]) for one in record.measured] == expected["measured"]


def test_a_sample_of_format_2_that_is_none_is_named() -> None:
    raw = json.loads(FORMAT_2.read_text().splitlines()[0])
    raw["batch_gaps"]["sample_s"][3] = "x"

    with pytest.raises(Exception, match=r"^batch_gaps.sample_s\[3\] is 'x', not a number$"):
        Measurement.from_json(raw)


@pytest.fixture
def rewritten(tmp_path: Path) -> Path:
    """The records of format 2 in today's."""
    for record in records(FORMAT_2):
        assert isinstance(record, Measurement | Failure | Diagnosis)
        append(tmp_path / "raw.jsonl", record)
    return tmp_path / "raw.jsonl"


def test_a_measured_line_has_about_three_thousand_bytes(rewritten: Path) -> None:
    assert list(records(rewritten)) == list(records(FORMAT_2))
    before, after = ([len(line) for line in file.read_bytes().splitlines()] for file in (FORMAT_2, rewritten))
    assert before == [4739, 4312, 940, 16027]
    assert max(after[:2]) <= 3_200
    assert after[3] <= 11_000


def test_what_is_none_is_left_out_of_a_line_and_comes_back(tmp_path: Path) -> None:
    append(tmp_path / "raw.jsonl", measurement(loss_last=None))

    assert None not in json.loads((tmp_path / "raw.jsonl").read_text()).values()
    assert list(read(tmp_path / "raw.jsonl")) == [measurement(loss_last=None)]


@pytest.mark.parametrize("record", [Measurement, Failure])
def test_whatever_of_a_record_may_be_none_is_so_unless_a_line_says_otherwise(record: type[Any]) -> None:
    hints = get_type_hints(record)
    optional = [field for field in fields(record) if NoneType in get_args(hints[field.name])]
    assert {field.default for field in optional} <= {None}


@pytest.mark.process
def test_the_bytes_of_lines_are_printed_by_key(rewritten: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/line_bytes.py"), str(rewritten)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    lines = rewritten.read_bytes().splitlines()
    (total,) = (line for line in printed if line.startswith("failure"))
    assert total == f"failure: 1 lines of {len(lines[2]):,} bytes on average"
    keys = [line.split() for line in printed[printed.index(total) + 1 :] if line.startswith(" ")]
    of_failure = keys[: len(json.loads(lines[2]))]
    # Besides the keys there is one brace more than there are commas.
    assert sum(float(count.replace(",", "")) for count, _ in of_failure) == len(lines[2]) - 1
