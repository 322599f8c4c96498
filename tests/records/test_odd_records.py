"""Raw results that somebody or something has damaged: each bad line is named, and takes no other line with it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from feedrate import results
from feedrate.cli import main
from feedrate.errors import DataError
from feedrate.records.raw_results import append, read
from feedrate.records.window import Window
from tests.report.test_picture import diagnosis
from tests.support.outcomes import failure, measurement

GOOD = "boardmoves/small/inline/fp32/cpu"


def changed(place: str, value: object) -> dict[str, object]:
    """A measurement whose value at a dotted place is another."""
    return _put(measurement().as_json(), place, value)


def torn_apart(place: str, value: object) -> dict[str, object]:
    """A diagnosis whose value at a dotted place is another."""
    return _put(diagnosis(Window(0.2, 10, 2_560)).as_json(), place, value)


def _put(record: dict[str, object], place: str, value: object) -> dict[str, object]:
    record = copy.deepcopy(record)
    *path, last = place.split(".")
    inner: object = record
    for step in path:
        inner = inner[int(step)] if isinstance(inner, (list, tuple)) else inner[step]  # type: ignore[index]
    inner[last] = value  # type: ignore[index]
    return record


def nested(levels: int) -> str:
    return json.dumps(changed("observed", {})).replace('"observed": {}', f'"observed": {"[" * levels}{"]" * levels}')


HUGE = 10**400
ODD: dict[str, tuple[object, str]] = {
    "NaN": (changed("loss_last", float("nan")), "it holds NaN, which is no number of JSON"),
    "infinity": (json.dumps(changed("import_s", 1e999)), "it holds Infinity, which is no number of JSON"),
    "beyond a float": (
        json.dumps(changed("environment", {"x": 1.5})).replace("1.5", "1e999"),
        "it holds a number beyond what a float can be",
    ),
    "digits": (json.dumps(changed("import_s", 7.25)).replace("7.25", "9" * 5000), "it holds a number that is too long"),
    "too large": (changed("batch_bytes", HUGE), f"batch_bytes is {str(HUGE)[:40]} ...: no measurement gives that"),
    "no windows": (changed("full_windows", []), "full_windows holds 0 windows instead of 1 or more"),
    "one step window": (
        changed("step_windows", [{"s": 1.0, "batches": 1, "samples": 1}]),
        "step_windows holds 1 windows instead of 2 or more",
    ),
    "zero seconds": (
        changed("full_windows", [{"s": 0, "batches": 20, "samples": 5}]),
        "full_windows[0] is a window of 20 batches of 5 samples in 0 s",
    ),
    "zero batches": (
        changed("loader_windows", [{"s": 1.5, "batches": 0, "samples": 5}]),
        "loader_windows[0] is a window of 0 batches of 5 samples in 1.5 s",
    ),
    "negative samples": (
        changed("full_windows", [{"s": 1.5, "batches": 1, "samples": -5}]),
        "full_windows[0] is a window of 1 batches of -5 samples in 1.5 s",
    ),
    "a batch of nothing": (changed("batch_samples", 0.5), "batch_samples is 0.5: there is no such batch"),
    "window of another type": (changed("full_windows", [3]), "full_windows[0] is 3, not an object"),
    "windows of another type": (changed("full_windows", "many"), "full_windows is 'many', not a list"),
    "half a window": (changed("full_windows", [{"s": 1.0, "batches": 2}]), "full_windows[0].samples is missing"),
    "text for a number": (changed("import_s", "fast"), "import_s is 'fast', not a number"),
    "true for a number": (changed("import_s", True), "import_s is true, not a number"),
    "fraction": (changed("replicate", 1.5), "replicate is 1.5, not a whole number"),
    "null": (changed("first_batch_s", None), "first_batch_s is null, not a number"),
    "list for a text": (changed("run", ["a"]), "run is a list, not a text"),
    "environment": (changed("environment", 5), "environment is 5, not an object"),
    "conditions": (changed("conditions", {"cores": 2}), "conditions.watched_s is missing"),
    "looks": (changed("looks", [{"epochs": "x"}]), "looks[0].epochs is 'x', not a number"),
    "cell of three": (changed("cell", "a/b/c"), "cell is 'a/b/c', not workload/size/loader/step/device"),
    "cell of blanks": (changed("cell", "////"), "cell is '////', not workload/size/loader/step/device"),
    "cell with a bad loader": (
        changed("cell", "a/tiny/l[x/fp32/cpu"),
        "cell is 'a/tiny/l[x/fp32/cpu', not workload/size/loader/step/device",
    ),
    "cell of another type": (changed("cell", 5), "cell is 5, not a text"),
    "why": (
        failure().as_json() | {"why": "boredom"},
        "why is 'boredom', not one of exception, signal, out of memory, hang, unavailable, invalid",
    ),
    "no reason": ({"kind": "failure", "cell": GOOD}, "run is missing"),
    "kind": (changed("kind", "opinion"), "its kind is none of measurement, failure, diagnosis"),
    "kind of another type": (changed("kind", ["failure"]), "its kind is none of measurement, failure, diagnosis"),
    "no kind": ({"name": "value"}, "its kind is none of measurement, failure, diagnosis"),
    "a list": ([1, 2], "it is no object of JSON"),
    "a number": (5, "it is no object of JSON"),
    "null line": ("null", "it is no object of JSON"),
    "cut": (json.dumps(measurement().as_json())[:400], "it is cut off, or no JSON: "),
    "text": ("hello", "it is cut off, or no JSON: Expecting value at character 1"),
    "deep": (nested(100), "it is nested deeper than 64 levels"),
    "very deep": (nested(100_000), "it is nested deeper than 64 levels"),
    "diagnosis of nothing": ({"kind": "diagnosis"}, "measured is missing"),
    "diagnosis without replicates": (
        torn_apart("measured", []),
        "it holds 0 measurements and 1 ladders",
    ),
    "diagnosis without a ladder": (torn_apart("ladders", []), "it holds 1 measurements and 0 ladders"),
    "diagnosis of a number": (torn_apart("measured", 5), "measured is 5, not a list"),
    "ladder of another type": (torn_apart("ladders", [7]), "ladders[0] is 7, not an object"),
    "rungs of another type": (torn_apart("ladders.0.rungs", [1]), "rungs is a list, not an object"),
    "rung without time": (
        torn_apart("ladders.0.rungs.R4.full", [{"s": 0.0, "batches": 1, "samples": 1}]),
        "rungs.R4.full[0] is a window of 1 batches of 1 samples in 0 s",
    ),
    "facts": (
        torn_apart("ladders.0.facts", {"flops_per_step": "many"}),
        "facts.flops_per_step is 'many', not a number",
    ),
    "diagnosis of a bad cell": (
        torn_apart("measured.0.cell", "x"),
        "cell is 'x', not workload/size/loader/step/device",
    ),
}


def written(file: Path, odd: object) -> None:
    """A file whose second line is odd, between two that are not."""
    append(file, measurement())
    line = odd if isinstance(odd, str) else json.dumps(odd, default=str)
    with file.open("a") as lines:
        lines.write(f"{line}\n")
    append(file, failure())


@pytest.mark.parametrize("name", ODD)
def test_an_odd_line_is_named_with_what_is_wrong_and_the_others_are_shown(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    odd, why = ODD[name]
    written(Path("raw.jsonl"), odd)

    shown, told = main(["show", "raw.jsonl"]), capsys.readouterr()
    as_json, document = main(["show", "raw.jsonl", "--json"]), capsys.readouterr()

    assert (shown, as_json) == (1, 1)
    assert told.err == document.err
    assert told.err.startswith(f"feedrate: raw.jsonl: line 2 is left out: {why}")
    assert told.err.count("\n") == 1
    assert "12,800" in told.out
    assert "ValueError: no" in told.out
    assert [one["kind"] for one in json.loads(document.out)] == ["measurement", "failure"]
    if "diagnosis" not in str(odd)[:30]:
        with pytest.warns(UserWarning, match=r"raw\.jsonl: line 2 is left out: "):
            assert len(results(tmp_path)) == 2
        with pytest.raises(DataError, match=r"raw\.jsonl: line 2 is left out: "):
            list(read(Path("raw.jsonl")))


@pytest.mark.parametrize(
    "environment",
    [
        {"machine": {"memory_bytes": "much", "affinity": 5, "cores": [], "limits": 7, "gpus": {"a": 1}}},
        {"machine": {"limits": {"cores": {}, "memory_bytes": [1]}, "gpus": [3]}, "versions": {"torch": [1]}},
        {"machine": [], "versions": "x", "git": 3, "variables": 5, "unset": {}},
        {"git": {"commit": {"a": 1}}, "versions": {"feedrate": {}}},
    ],
)
def test_what_is_said_of_the_machine_may_be_anything(
    environment: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    observed = {
        "workers": [3, {"torch_threads": []}],
        "workers resolved": "x",
        "workers alive": [],
        "torch_threads": {},
    }
    append(tmp_path / "raw.jsonl", measurement(environment=environment, observed=observed, requested={"threads": 2}))

    assert main(["show", str(tmp_path / "raw.jsonl")]) == 0
    assert "12,800" in capsys.readouterr().out
    assert len(results(tmp_path)) == 1


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "raw.jsonl"
    append(file, measurement())
    with file.open("ab") as lines:
        lines.write(b'{"kind": "failure", "reason": "caf\xe9"}\n')

    assert main(["show", str(file)]) == 1
    told = capsys.readouterr()
    assert told.err == f"feedrate: {file}: line 2 is left out: it is not UTF-8\n"
    assert "12,800" in told.out


@pytest.mark.parametrize(
    "content", [b"", b"\n \n\n", b"\x00\xff\xfe" * 100, b"no\nnot\nnever\nnone\nnix\nnil\nnaught\n"]
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_without_one_record_is_said_to_hold_none(
    content: bytes, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "raw.jsonl"
    file.write_bytes(content)

    status = main(["show", str(file), *(["--json"] if as_json else [])])

    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    *lines, last = told.err.splitlines()
    assert last == f"feedrate: {file}: holds no results; `feedrate run` writes them"
    assert len(lines) <= 6
    assert file.read_bytes() == content
    if content.count(b"n") > 6:
        assert lines[-1] == f"feedrate: {file}: 2 more lines are left out"


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    record = failure(reason="one\u2028two\x85three").as_json()
    (tmp_path / "raw.jsonl").write_text(json.dumps(record, ensure_ascii=False) + "\r\n", encoding="utf-8-sig")

    (found,) = read(tmp_path / "raw.jsonl")

    assert found == failure(reason="one\u2028two\x85three")
