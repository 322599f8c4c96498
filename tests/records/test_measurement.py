from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from feedrate.errors import DataError
from feedrate.records.jsonl import Unreadable
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.raw_results import append, read, results
from feedrate.records.window import Window
from tests.support.outcomes import failure, measurement


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    written: list[Outcome] = [measurement(), failure(why="hang", reason="took too long")]
    for outcome in written:
        append(tmp_path / "new/folder/raw.jsonl", outcome)

    assert list(read(tmp_path / "new/folder/raw.jsonl")) == written


def test_a_half_written_last_line_is_survived(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    append(raw, measurement(replicate=0))
    append(raw, measurement(replicate=1))
    raw.write_bytes(raw.read_bytes()[:-40])
    append(raw, measurement(replicate=2))

    torn: list[Unreadable] = []
    assert [outcome.replicate for outcome in read(raw, torn.append)] == [0, 2]
    assert [(line.line, "it is cut off" in line.why) for line in torn] == [(2, True)]


def test_a_file_of_something_else_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"name": "value"}\n')

    with pytest.raises(
        DataError, match=r"other\.jsonl: line 1 is left out: its kind is none of measurement, failure, diagnosis"
    ):
        list(read(tmp_path / "other.jsonl"))


def test_pandas_reads_the_raw_results_by_itself(tmp_path: Path) -> None:
    append(tmp_path / "raw.jsonl", measurement())
    append(tmp_path / "raw.jsonl", failure())

    found = pd.read_json(tmp_path / "raw.jsonl", lines=True)

    assert list(found["kind"]) == ["measurement", "failure"]
    assert found["first_batch_s"].notna().tolist() == [True, False]


def test_a_failure_holds_no_number() -> None:
    record = json.loads(json.dumps(failure().as_json()))

    assert not [key for key in record if key.endswith(("_s", "_bytes", "_windows"))]
    assert not [name for name in dir(Failure) if name.endswith(("_s", "ceiling"))]


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        append(tmp_path / "raw.jsonl", measurement(loss_last=float("nan")))

    assert not (tmp_path / "raw.jsonl").exists()


def test_times_a_batch_are_of_the_mean_size_whatever_the_windows_met() -> None:
    small = (Window(s=1.0, batches=10, samples=100), Window(s=1.0, batches=30, samples=900))
    large = (Window(s=4.0, batches=20, samples=2000),)

    found = measurement(full_windows=small, step_windows=large, batch_samples=50.0)

    assert found.samples_per_s == pytest.approx(500)
    assert found.full_batch_mean_s == pytest.approx(0.1)
    assert found.step_batch_s == pytest.approx(0.1)
    assert found.loader_ceiling == pytest.approx(1)


def test_a_record_from_before_the_mean_size_was_kept_is_read() -> None:
    record = measurement(full_ms=20).as_json()
    del record["batch_samples"]

    assert Measurement.from_json(record).full_batch_mean_s == pytest.approx(0.02)


def test_the_ceilings_say_what_either_side_can_gain() -> None:
    found = measurement(full_ms=20, loader_ms=16, step_ms=10)

    assert found.loader_ceiling == pytest.approx(2)
    assert found.step_ceiling == pytest.approx(1.25)
    assert found.stall_share == pytest.approx(0.5)
    assert found.overlap == pytest.approx(0.6)


def test_results_gathers_every_file_below_a_folder(tmp_path: Path) -> None:
    append(tmp_path / "one.jsonl", measurement(replicate=0))
    append(tmp_path / "box/two.jsonl", measurement(replicate=1))

    assert sorted(results(tmp_path)["replicate"]) == [0, 1]
