"""asv is answered without a process where nothing is left to measure, and with what that process would have said."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from feedrate.asv.direct_answers import DirectAnswer
from feedrate.asv.sample_cache import SampleCache

ENVIRON = {"FEEDRATE_REPLICATES": "2", "FEEDRATE_ASV_RUN": "first"}
NAME = "feed.boardmoves_head_legal.track_time_per_sample-3"
CELL = "boardmoves[head=legal]/small/threads/fp32/cpu"


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A folder of benchmarks whose fourth cell is `CELL`'s."""
    names = {"workloads": {"boardmoves[head=legal]": "1"}, "loaders": ["inline", "threads"], "steps": ["none", "fp32"]}
    (tmp_path / "matrix.json").write_text(json.dumps(names))
    return tmp_path


def keep(folder: Path, *documents: dict[str, object]) -> None:
    """Keep samples of `CELL`, as processes of asv's before have done."""
    answers = iter(documents)
    SampleCache(folder, "first", lambda *_: next(answers)).samples(CELL, range(len(documents)))


def ask(folder: Path, name: str = NAME, profile: str = "None", **environ: str) -> DirectAnswer | None:
    command = ["asv/benchmark.py", "run", str(folder), name, "{}", profile, str(folder / "result.json")]
    return DirectAnswer.of(command, ENVIRON | environ, folder, lambda *_: None)


def seconds(value: object) -> dict[str, object]:
    return {"metrics": {"time_per_sample_s": value}}


def test_kept_samples_are_given_as_asvs_process_would_and_once_each(matrix: Path) -> None:
    keep(matrix, seconds(1.0), seconds(2.0))
    kept = ask(matrix)

    assert kept is not None
    assert kept.outcome == ("", "", 0)
    assert json.loads((matrix / "result.json").read_text()) == {"samples": [1.0, 2.0], "number": 1}
    assert SampleCache(matrix, "first", lambda *_: {}).served(CELL, "time_per_sample") == 2
    assert ask(matrix) is None


def test_what_is_left_to_measure_is_measured_by_whoever_serves_the_commit(matrix: Path) -> None:
    keep(matrix, seconds(1.0))
    command = ["asv/benchmark.py", "run", str(matrix), NAME, "{}", "None", str(matrix / "result.json")]
    asked: list[tuple[str, int]] = []

    def measure(cell: str, replicate: int, folder: Path) -> dict[str, object]:
        asked.append((cell, replicate))
        return seconds(3.0)

    direct = DirectAnswer.of(command, ENVIRON, matrix, lambda *_: measure)

    assert (direct and direct.answer.values, asked) == ((1.0, 3.0), [(CELL, 1)])


def test_with_one_sample_still_to_be_measured_and_nobody_to_do_it_asv_starts_its_process(matrix: Path) -> None:
    keep(matrix, seconds(1.0))

    assert ask(matrix) is None
    assert not (matrix / "result.json").exists()


@pytest.mark.parametrize(
    "document", [seconds(None), {"failure": {"kind": "unavailable", "reason": "no loader 'threads'"}}]
)
def test_what_is_absent_is_not_applicable_to_asv(matrix: Path, document: dict[str, object]) -> None:
    keep(matrix, document, *[document] * ("metrics" in document))
    kept = ask(matrix)

    assert kept is not None
    assert kept.outcome == ("", "", 0)
    assert math.isnan(json.loads((matrix / "result.json").read_text()))


def test_a_failed_cell_has_a_failed_benchmark_and_its_reason_in_one_line(matrix: Path) -> None:
    keep(matrix, {"failure": {"kind": "signal", "reason": "killed by\nSIGABRT"}})
    kept = ask(matrix)

    assert kept is not None
    assert kept.outcome == (f"{CELL}: signal: killed by\\nSIGABRT\n", "", 1)
    assert not (matrix / "result.json").exists()


@pytest.mark.parametrize(
    "name",
    [
        "feed.boardmoves_head_legal.track_time_per_sample-4",
        "feed.boardmoves_head_legal.track_time_per_batch-3",
        "feed.boardmoves_head_legal.track_time_per_sample",
        "feed.boardmoves.track_time_per_sample-3",
        "others.boardmoves_head_legal.track_time_per_sample-3",
    ],
)
def test_a_benchmark_that_is_not_of_the_matrix_is_asvs_to_run(matrix: Path, name: str) -> None:
    keep(matrix, seconds(1.0), seconds(2.0))

    assert ask(matrix, name) is None


def test_a_profile_is_asvs_to_take(matrix: Path) -> None:
    keep(matrix, seconds(1.0), seconds(2.0))

    assert ask(matrix, profile="profile.bin") is None


@pytest.mark.parametrize("wrong", ["matrix", "count", "replicates", "number"])
def test_of_what_is_wrong_asvs_own_process_tells(matrix: Path, wrong: str) -> None:
    keep(matrix, seconds(1.0), seconds("fast" if wrong == "number" else 2.0))
    if wrong == "matrix":
        (matrix / "matrix.json").write_text("{")
    if wrong == "count":
        SampleCache(matrix, "first", lambda *_: {}).serve(CELL, "time_per_sample", 0)
        for file in (matrix / "served").rglob("*-time_per_sample"):
            file.write_text("torn")

    assert ask(matrix, FEEDRATE_REPLICATES="two" if wrong == "replicates" else "2") is None


@pytest.mark.parametrize("command", [["asv/benchmark.py", "discover", "benchmarks", "list.json"], ["-c", "pass"]])
def test_all_other_commands_are_left_to_the_interpreter(matrix: Path, command: list[str]) -> None:
    for folder in (matrix, None):
        assert DirectAnswer.of(command, ENVIRON, folder, lambda *_: None) is None
