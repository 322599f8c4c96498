"""Records both ways, and lines that an earlier or a later feedrate wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedrate.cli import main
from feedrate.diagnosis.diagnosis import Diagnosis, records
from feedrate.diagnosis.evidence import STAGES, Evidence, StagePart
from feedrate.errors import DataError
from feedrate.records.batch_gaps import BatchGaps, LongGap
from feedrate.records.codec import Record, decoded, encoded
from feedrate.records.conditions import Conditions, GpuClock, MemorySample
from feedrate.records.estimate import Estimate
from feedrate.records.format_number import FORMAT
from feedrate.records.ladder import Delayed, Ladder, Rung
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.phases import Phases
from feedrate.records.raw_results import append, read
from feedrate.records.step_profile import StepProfile
from feedrate.records.window import Window
from tests.report.test_picture import diagnosis
from tests.support.fuzzing import fuzzed
from tests.support.outcomes import failure, measurement

FORMAT_1 = Path(__file__).parent / "format_1.jsonl"
"""Two measurements, a failure and a diagnosis as feedrate wrote them when lines had no number of a format."""
EXPECTED: list[dict[str, Any]] = json.loads((FORMAT_1.parent / "format_1_expected.json").read_text())
"""What the feedrate of then said of each."""

numbers = st.floats(-1e99, 1e99)
counts = st.integers(1, 10**9)
texts = st.text(max_size=9)
json_values = st.recursive(st.none() | st.booleans() | counts | texts, lambda inner: st.lists(inner, max_size=2))
objects = st.dictionaries(texts, json_values, max_size=3)
windows = st.builds(Window, s=st.floats(1e-9, 1e9), batches=counts, samples=counts)
groups = st.lists(windows, min_size=2, max_size=4).map(tuple)
few = st.lists(windows, max_size=2).map(tuple)
gaps = st.lists(st.lists(st.floats(1e-9, 1e3), max_size=150), max_size=3).map(BatchGaps.of)
samples = st.builds(MemorySample, numbers, counts, counts, device_bytes=st.none() | counts, training=st.booleans())
conditions = st.builds(
    Conditions,
    *(numbers, counts, numbers, numbers, numbers),
    disk_read_bytes=st.none() | counts,
    stalled_s=st.dictionaries(st.sampled_from(("cpu", "io", "memory")), numbers),
    clocks=st.lists(st.builds(GpuClock, counts, counts, counts), max_size=2).map(tuple),
)
phases = st.builds(Phases, *[numbers] * 10)
measurements = st.builds(
    measurement,
    replicate=counts,
    environment=objects,
    step_windows=groups,
    loader_windows=groups,
    full_windows=groups,
    batch_gaps=gaps,
    loss_last=st.none() | numbers,
    host_peak_bytes=st.none() | counts,
    requested=objects,
    observed=objects,
    batch_samples=st.none() | st.floats(1, 1e9),
    conditions=st.none() | conditions,
    looks=st.lists(samples, max_size=3).map(tuple),
    rounds=st.none() | st.just(2),
    cut_discards=counts,
    step_windows_before=groups,
    step_windows_after=few,
    phases=st.none() | phases,
)
profiles = st.builds(StepProfile, st.none() | numbers, st.sampled_from(("fp32", "bf16")), st.none() | numbers)
rungs = st.builds(Rung, few, few, texts)
ladders = st.builds(
    Ladder,
    rungs=st.dictionaries(st.sampled_from(("R0", "R4")), rungs),
    delays=st.dictionaries(texts, st.lists(st.builds(Delayed, numbers, windows, windows), max_size=2).map(tuple)),
    step_beside=few,
    readers=numbers,
    boundary_s=st.none() | numbers,
    facts=st.none() | profiles,
)
estimates = st.builds(Estimate, numbers, st.none() | numbers)
parts = st.builds(StagePart, st.tuples(st.sampled_from(STAGES)), estimates)
evidence = st.builds(
    Evidence,
    *[estimates] * 8,
    stage_parts=st.lists(st.builds(StagePart, st.sampled_from(STAGES).map(lambda stage: (stage,)), estimates)).map(
        tuple
    ),
    unexplained_s=st.none() | estimates,
    facts=st.none() | profiles,
)


def through_json(values: dict[str, object]) -> Any:
    return json.loads(json.dumps(values, allow_nan=False))


@pytest.mark.slow
@fuzzed(0.25)
@given(record=st.one_of(windows, gaps, samples, conditions, profiles, rungs, ladders, estimates, evidence))
def test_a_record_is_what_it_was_after_json(record: Record) -> None:
    assert decoded(type(record), through_json(encoded(record))) == record


@fuzzed(0.25)
@given(outcome=measurements | st.builds(failure, replicate=counts, reason=texts))
def test_an_outcome_is_what_it_was_after_json(outcome: Outcome) -> None:
    line = through_json(outcome.as_json())

    assert type(outcome).from_json(line) == outcome
    assert line["format"] == FORMAT


@fuzzed(0.25)
@given(ladder=ladders)
def test_a_ladder_is_what_it_was_after_json(ladder: Ladder) -> None:
    assert Ladder.from_json(through_json(ladder.as_json())) == ladder


def test_a_diagnosis_is_what_it_was_after_json() -> None:
    found = diagnosis(Window(0.2, 10, 2_560))
    line = through_json(found.as_json())

    assert Diagnosis.from_json(line) == found
    assert [line["format"], line["measured"][0]["format"]] == [FORMAT, FORMAT]


@dataclass(frozen=True)
class Circle:
    kind: ClassVar[str] = "circle"
    radius: float


@dataclass(frozen=True)
class Square:
    kind: ClassVar[str] = "square"
    side: float
    file: Path = Path("a/b")


@dataclass(frozen=True)
class Shapes:
    shapes: tuple[Circle | Square, ...]
    best: Circle | Square | None = None


def test_the_classes_of_a_union_are_told_apart_by_their_kind() -> None:
    shapes = Shapes((Circle(1.5), Square(2.5, Path("c"))), Square(0.5))

    assert decoded(Shapes, through_json(encoded(shapes))) == shapes


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        ({"kind": "oval"}, "shapes[0].kind is 'oval', not one of circle, square"),
        ({"radius": 1.5}, "shapes[0].kind is missing"),
        ({"kind": "circle"}, "shapes[0].radius is missing"),
        ({"kind": "square", "side": 1.5, "file": 3}, "shapes[0].file is 3, not a text"),
        (7, "shapes[0] is 7, not an object"),
    ],
)
def test_what_is_wrong_with_one_of_a_union_is_said(shape: object, fault: str) -> None:
    with pytest.raises(DataError) as caught:
        decoded(Shapes, {"shapes": [shape]})
    assert str(caught.value) == fault


def properties(of: Measurement, names: dict[str, Any]) -> dict[str, object]:
    return {name: getattr(of, name) for name in names}


@pytest.mark.parametrize("place", range(len(EXPECTED)))
def test_a_line_of_format_1_says_what_it_said(place: int) -> None:
    record, expected = list(records(FORMAT_1))[place], EXPECTED[place]

    if isinstance(record, Measurement):
        assert properties(record, expected) == expected
    elif isinstance(record, Failure):
        assert {"why": record.why, "reason": record.reason} == expected
    else:
        assert isinstance(record, Diagnosis)
        assert through_json(record.evidence.as_json()) == expected["evidence"]
        assert record.verdict_of_numbers.kind == expected["verdict"]
        # It was measured while others kept the cores busy: the numbers stand, and nothing may rest on them.
        assert record.verdict.kind == "invalid"
        assert [properties(one, expected["measured"][0]) for one in record.measured] == expected["measured"]


def test_the_gaps_of_format_1_are_summed_up() -> None:
    raw = json.loads(FORMAT_1.read_text().splitlines()[0])
    first = next(read(FORMAT_1))

    assert isinstance(first, Measurement)
    gaps_s = sorted(raw["full_batch_s"], reverse=True)
    assert first.batch_gaps.count == len(gaps_s)
    assert first.batch_gaps.max_s == pytest.approx(gaps_s[0], rel=1e-3)
    assert [gap.s for gap in first.batch_gaps.longest] == pytest.approx(gaps_s[:10], rel=1e-3)
    longest = first.batch_gaps.longest[0]
    assert raw["full_batch_s"].index(gaps_s[0]) == longest.window * 44 + longest.batch - 1, "45 batches a window"


def test_a_line_of_format_1_is_written_in_todays(tmp_path: Path) -> None:
    for outcome in read(FORMAT_1):
        append(tmp_path / "raw.jsonl", outcome)

    assert list(read(tmp_path / "raw.jsonl")) == list(read(FORMAT_1))
    lines = [json.loads(line) for line in (tmp_path / "raw.jsonl").read_text().splitlines()]
    assert {line["format"] for line in lines} == {FORMAT}
    assert not any("full_batch_s" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("full_batch_s", 3, "full_batch_s is 3, not a list"),
        ("full_batch_s", [0.5, "x"], "full_batch_s[1] is 'x', not a number"),
        ("full_windows", [{"s": 1.0, "batches": 2}], "full_windows[0].samples is missing"),
    ],
)
def test_what_is_wrong_with_a_line_of_format_1_is_said(name: str, value: object, fault: str) -> None:
    raw = json.loads(FORMAT_1.read_text().splitlines()[0])

    with pytest.raises(DataError) as caught:
        Measurement.from_json(raw | {name: value})
    assert str(caught.value) == fault


def test_a_line_of_format_1_without_its_gaps_is_named() -> None:
    raw = json.loads(FORMAT_1.read_text().splitlines()[0])
    del raw["full_batch_s"]

    with pytest.raises(DataError, match=r"^full_batch_s is missing$"):
        Measurement.from_json(raw)


@pytest.mark.parametrize("kind", ["measurement", "failure", "diagnosis", "something new"])
def test_a_line_of_a_later_format_is_named_and_the_others_are_shown(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    append(Path("raw.jsonl"), measurement())
    with Path("raw.jsonl").open("a") as lines:
        lines.write(json.dumps({"kind": kind, "format": FORMAT + 1, "anything": 5}) + "\n")
    append(Path("raw.jsonl"), failure())

    status, said = main(["show", "raw.jsonl"]), capsys.readouterr()

    assert status == 1
    newer = f"written by a newer feedrate (format {FORMAT + 1}; this one reads up to {FORMAT})"
    assert said.err == f"feedrate: raw.jsonl: line 2 is left out: {newer}\n"
    assert "12,800" in said.out
    assert "ValueError: no" in said.out


@pytest.mark.parametrize(
    ("number", "fault"),
    [("2", "format is '2', not a whole number"), (0, "format is 0: there is no such format"), (True, "format is true")],
)
def test_what_is_no_number_of_a_format_is_named(number: object, fault: str) -> None:
    with pytest.raises(DataError, match=f"^{fault}"):
        Measurement.from_json(measurement().as_json() | {"format": number})


def test_gaps_are_summed_up_with_the_place_of_the_long_ones() -> None:
    steady = [0.010 + 0.000_01 * place for place in range(100)]
    windows_s = [steady, [*steady[:40], 0.5, *steady[40:], 0.25]]

    found = BatchGaps.of(windows_s)

    assert found.count == 202
    assert found.longest[:2] == (LongGap(0.5, window=1, batch=41), LongGap(0.25, window=1, batch=102))
    assert found.max_s == 0.5
    assert (found.p50_s, found.p90_s, found.p95_s) == (0.0105, 0.0109, 0.01095)
    assert found.mean_s == pytest.approx(sum(map(sum, windows_s)) / 202, rel=1e-3)
    assert len(found.longest) == 10
    assert len(found.sample_s) == 100
    assert (found.sample_s[0], found.sample_s[-1]) == (0.01, 0.25)


@pytest.mark.parametrize("windows_s", [[], [[]], [[], []]])
def test_windows_of_one_batch_have_no_gap(windows_s: list[list[float]]) -> None:
    assert BatchGaps.of(windows_s) == BatchGaps()
    assert all(getattr(BatchGaps(), field.name) is None for field in fields(BatchGaps) if field.name.endswith("0_s"))


def test_one_gap_is_every_quantile() -> None:
    found = BatchGaps.of([[0.5]])

    assert {found.mean_s, found.p50_s, found.p90_s, found.p95_s, found.p99_s, found.max_s} == {0.5}
    assert found.sample_s == (0.5,)
    assert replace(found, count=0) != found


def test_a_line_is_short_however_many_gaps_there_were() -> None:
    gaps_s = [[0.000_48 + 1e-9 * place for place in range(100_000)]]

    line = json.dumps(encoded(BatchGaps.of(gaps_s)))

    assert len(line) < 2_500
