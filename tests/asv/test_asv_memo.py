from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from feedrate.asv.benchmarks import Feed
from feedrate.asv.metrics import METRICS
from feedrate.asv.sample_cache import SampleCache
from feedrate.asv.settings import AsvSettings, identity
from feedrate.errors import DataError, UsageError
from feedrate.records.document import document
from feedrate.records.measurement import Failure
from feedrate.records.raw_results import read
from feedrate.revisions.invoke import CellDocument, run_cell
from tests.support.outcomes import measurement

CELL = "toy/tiny/inline/fp32/cpu"


@dataclass
class Harness:
    """Measures at once: one second, or a failure."""

    fails: bool = False
    measured: list[tuple[str, int]] = field(default_factory=list)

    def measure(self, cell: str, replicate: int, folder: Path) -> dict[str, object]:
        self.measured.append((cell, replicate))
        return {"failure": {"kind": "hang", "reason": "600 s"}} if self.fails else {"metrics": {"time_per_sample_s": 1}}

    def memo(self, folder: Path, run: str = "first") -> SampleCache:
        return SampleCache(folder, run, self.measure)


def test_a_sample_is_measured_once(tmp_path: Path) -> None:
    harness = Harness()
    for _ in range(2):
        harness.memo(tmp_path).samples(CELL, range(2))

    assert harness.measured == [(CELL, 0), (CELL, 1)]


def test_a_failure_ends_a_cell(tmp_path: Path) -> None:
    harness = Harness(fails=True)
    (found,) = harness.memo(tmp_path).samples(CELL, range(5))

    assert (found.kind, found.reason, harness.measured) == ("hang", "600 s", [(CELL, 0)])


def test_each_metric_counts_its_own_samples(tmp_path: Path) -> None:
    memo = Harness().memo(tmp_path)
    memo.serve(CELL, "time_per_sample", 3)

    assert (memo.served(CELL, "time_per_sample"), memo.served(CELL, "first_batch")) == (3, 0)


@pytest.mark.parametrize("torn", [b"", b'{"metrics": {"time_per', b"[1]", b'{"metrics": 3}', b'"\xff"', b"[" * 100_000])
def test_a_sample_that_cannot_be_read_is_measured_again(tmp_path: Path, torn: bytes) -> None:
    harness = Harness()
    whole = harness.memo(tmp_path).samples(CELL, range(1))
    (file,) = (tmp_path / "samples").iterdir()
    file.write_bytes(torn)

    assert [harness.memo(tmp_path).samples(CELL, range(1)) for _ in range(2)] == [whole, whole]
    assert harness.measured == [(CELL, 0)] * 2


@pytest.mark.parametrize("torn", [b"", b"-1", b"3 ", b"\xff"])
def test_a_torn_count_is_named_with_the_way_out(tmp_path: Path, torn: bytes) -> None:
    memo = Harness().memo(tmp_path)
    memo.serve(CELL, "time_per_sample", 3)
    next(file for file in (tmp_path / "served").rglob("*-time_per_sample")).write_bytes(torn)

    with pytest.raises(DataError, match=r"is no count of samples: delete .* start asv again"):
        memo.served(CELL, "time_per_sample")


def test_asv_is_told_of_a_torn_count_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SampleCache(tmp_path, "none", Harness().measure).serve("toy/small/inline/fp32/cpu", "time_per_sample", 3)
    for file in (tmp_path / "served/none").iterdir():
        file.write_text("")
    toy = type("toy", (Feed,), {"workload": "toy"})()

    with pytest.raises(SystemExit, match=r"^toy/inline/fp32: .* is no count of samples: delete .*$"):
        toy.samples(METRICS[0], "inline", "fp32")


def test_what_says_neither_numbers_nor_why_is_a_failure_and_measured_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def measure(cell: str, replicate: int, folder: Path) -> dict[str, object]:
        asked.append(replicate)
        return {}

    for _ in range(2):
        (found,) = SampleCache(tmp_path, "first", measure).samples(CELL, range(1))
    assert (found.kind, asked) == ("invalid", [0])


@pytest.mark.parametrize("text", ["", "0", "-1", "five", "1e3", "٣", "9" * 5000])
def test_a_setting_that_is_no_number_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="FEEDRATE_REPLICATES is "):
        AsvSettings.read({"FEEDRATE_REPLICATES": text})


def test_an_interrupted_run_starts_over_with_the_samples_it_had(tmp_path: Path) -> None:
    harness = Harness()
    harness.memo(tmp_path).serve(CELL, "time_per_sample", 3)

    assert harness.memo(tmp_path, run="second").served(CELL, "time_per_sample") == 0


@pytest.mark.process
def test_a_feedrate_that_cannot_run_says_its_last_words(tmp_path: Path) -> None:
    settings = AsvSettings.read({"FEEDRATE_RAW": str(tmp_path / "raw"), "FEEDRATE_LOGS": str(tmp_path / "logs")})
    found = CellDocument.read(run_cell(settings.invocation, "toy/tiny/inline/fp32/no such device", 0, tmp_path))

    assert (found.kind, "no such device" in found.reason) == ("unavailable", True)


@pytest.mark.process
def test_a_feedrate_that_writes_nothing_is_kept_as_a_failure(tmp_path: Path) -> None:
    settings = replace(AsvSettings.read({"FEEDRATE_RAW": str(tmp_path)}), deadline_s=-1)
    found = CellDocument.read(run_cell(settings.invocation, CELL, 0, tmp_path))
    (kept,) = read(tmp_path / "none.jsonl")

    assert (found.kind, found.reason) == ("exception", kept.reason if isinstance(kept, Failure) else "")


@pytest.mark.parametrize("value", [math.inf, math.nan, "fast", True, 10**400])
def test_no_infinity_reaches_asv(value: float) -> None:
    with pytest.raises(DataError, match="time_per_sample_s"):
        METRICS[0].value({"time_per_sample_s": value})


def test_every_metric_stands_in_the_document_of_a_measurement_and_no_name_of_before_has_changed() -> None:
    metrics = document(measurement())["metrics"]

    assert isinstance(metrics, dict)
    assert {metric.key for metric in METRICS} <= metrics.keys()
    assert [metric.name for metric in METRICS] == [
        *("time_per_sample", "samples_per_s", "loader_time_per_sample", "step_time_per_sample", "first_batch"),
        *("host_peak", "device_peak", "batch_gap_p99", "longest_stall"),
    ]


def test_no_metric_is_ever_zero_so_asv_can_divide_by_it() -> None:
    assert all((metric.value({metric.key: 0.0}) or 0) > 0 for metric in METRICS)


def test_an_unmeasured_metric_is_none() -> None:
    assert METRICS[0].value({"time_per_sample_s": None}) is None


def test_the_silence_asv_allows_is_longer_than_all_deadlines() -> None:
    settings = AsvSettings.read({"FEEDRATE_REPLICATES": "5", "FEEDRATE_DEADLINE_S": "100"})

    assert settings.silence_s > 5 * 100


def test_the_size_follows_the_device() -> None:
    assert identity({}, gpu=False) == {"FEEDRATE_DEVICE": "cpu", "FEEDRATE_SIZE": "small"}
    assert identity({}, gpu=True) == {"FEEDRATE_DEVICE": "cuda", "FEEDRATE_SIZE": "full"}
    assert identity({"FEEDRATE_DEVICE": "cpu"}, gpu=True)["FEEDRATE_SIZE"] == "small"


def test_a_device_without_speed_has_no_history() -> None:
    with pytest.raises(UsageError, match="a simulated device has no speed to track: name cpu or cuda"):
        identity({"FEEDRATE_DEVICE": "simulated"}, gpu=False)
