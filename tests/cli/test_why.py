"""`feedrate why` as a user meets it: real processes, plain pipes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from feedrate.cli import main
from tests.support import PLUGINS
from tests.support.commands import feedrate, interrupted

pytestmark = pytest.mark.process

PLUGIN = PLUGINS / "slowed.py"
QUICK = ("--plugin", str(PLUGIN), "--seconds", "0.05", "--threads", "1")
CELL = ("sums", "waiting", "none", "--size", "tiny", "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("why")


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    return feedrate(folder, "why", *CELL, "--replicates", "2", "--details", *QUICK)


@pytest.mark.alone
def test_the_first_screen_is_the_verdict_the_waterfall_and_one_line_of_what_to_try(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert done.returncode == 0, done.stderr
    first, blank, heading, *lines = feedrate(folder, "show").stdout.splitlines()
    assert first.startswith("loader-bound (hand-over): ")
    assert not blank
    assert heading == "sums/tiny/waiting/none/cpu, ms a batch, mean of 2 processes"
    drawn = lines[1 : lines.index("")]
    assert [line.lstrip(" +").split("  ")[0] for line in drawn] == [
        "T_S step alone", "copy", "hand-over", "decode", "read warm", "unexplained", "T_F together", "T_L loader alone",
    ]  # fmt: skip
    way, *rest = lines[lines.index("") + 1 :]
    assert way.startswith("next        try ")
    assert way.endswith(" at most)")
    assert [line for line in rest if not line.startswith("! ")][:-2] == [
        "details     --details: rungs, delays, step and machine"
    ]
    assert rest[-2].startswith("raw  ")
    assert rest[-1] == f"page        `feedrate report {rest[-2].split()[-1]}` makes one page of it, with pictures"


@pytest.mark.alone
def test_the_details_say_in_words_what_the_json_has_in_symbols(done: subprocess.CompletedProcess[str]) -> None:
    lines = {line[:12].strip(): line[12:] for line in done.stdout.splitlines()}
    assert lines["ceilings"].endswith("overlap says nothing")
    assert lines["beside"] == "not measured: the loader works only when it is asked"
    assert lines["delays"].startswith("of a delay put into it comes back: the step ")
    assert not any(symbol in done.stdout for symbol in ("c_S", "coupling k", "dT_F"))


@pytest.mark.alone
def test_the_picture_is_plain_text_when_it_is_piped(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    bars = {line.split("  ")[0].strip(): line.count("#") for line in done.stdout.splitlines() if "#" in line}
    assert bars["T_F together"] > 30
    assert bars["T_S step alone"] <= 2
    rungs = [line.split()[0] for line in done.stdout.splitlines() if line[:1] == "R" and line[1:2].isdigit()]
    assert rungs == ["R0", "R1", "R2", "R3", "R4"]


@pytest.mark.alone
def test_progress_goes_to_standard_error(done: subprocess.CompletedProcess[str]) -> None:
    assert "sums/tiny/waiting/none/cpu: " in done.stderr
    assert "(1 to go)" in done.stderr


@pytest.mark.alone
def test_show_prints_the_diagnosis_again(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert feedrate(folder, "show", "--details").stdout == done.stdout


@pytest.mark.alone
def test_results_pass_over_a_diagnosis(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    from feedrate import results

    assert done.returncode == 0
    assert results(folder / "results/raw").empty


@pytest.mark.alone
def test_the_whole_key_of_a_cell_does_as_well_and_json_is_all_there_is(tmp_path: Path) -> None:
    key = "sums/tiny/waiting[wait_ms=5]/none/cpu"
    done = feedrate(tmp_path, "why", key, "--replicates", "1", "--json", "--quiet", *QUICK)

    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["cell"] == key
    assert found["verdict"]["kind"] == "hand-over"
    assert found["verdict"]["family"] == "loader"
    assert found["evidence"]["parts"]["hand-over"]["mean"] > 0.004
    assert found["ladders"][0]["rungs"]["R4"]["full"][0]["batches"] > 0
    assert len(found["measured"]) == 1


def test_several_cells_end_in_a_table_of_what_loader_and_step_cost_each_other(tmp_path: Path) -> None:
    cells = ("sums/waiting/none", "sums/failing/none", "sums/threads/fp32", "--size", "tiny", "--device", "cpu")
    done = feedrate(tmp_path, "why", *cells, "--replicates", "1", "--quiet", *QUICK)

    assert done.returncode == 1
    assert "sums/tiny/failing/none/cpu: failed, exception: ValueError: enough of this" in done.stderr
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("ms a batch"))
    assert lines[start].split()[3:6] == ["T_S", "T_S'", "+-"]
    asked, ahead = lines[start + 1].split(), lines[start + 2].split()
    assert asked[0] == "sums/tiny/waiting/none/cpu"
    assert asked[2:5] == ["-", "-", "-"], "it works when it is asked"
    assert ahead[0] == "sums/tiny/threads/fp32/cpu"
    assert float(ahead[2]) > 0
    assert float(ahead[6]) > 0
    again = feedrate(tmp_path, "show").stdout.splitlines()
    # Below come the raw lines, and how to get a page of them.
    assert again[: len(lines) - 2] == lines[:-2]
    assert any("enough of this" in line for line in again[len(lines) :])


def test_a_cell_that_fails_is_one_line_and_a_record(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "why", "sums/tiny/failing/none/cpu", "--replicates", "2", "--quiet", *QUICK)

    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert "failed, exception: ValueError: enough of this" in last
    raw = next((tmp_path / "results/raw").glob("*.jsonl"))
    assert [json.loads(line)["kind"] for line in raw.read_text().splitlines()] == ["failure"]


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("sums", "waitng", "none"), "did you mean waiting"),
        (("sms", "waiting", "none"), "did you mean sums"),
        (("sums", "waiting", "nne"), "did you mean none"),
        (("sums", "waiting[wait=1]", "none"), "did you mean wait_ms"),
        (("sums", "waiting"), "three words"),
        (("sums/tiny/waiting/none/cpu", "--size", "small"), "contradicts"),
        (("sums/waiting/none", "sums/waiting", "--size", "tiny"), "'sums/waiting' is not a cell"),
        (("sums/waiting/none", "sums/waiting/fp32", "--since", "HEAD"), "--since takes one cell, and there are 2"),
        (("sums/tinny/waiting/none/cpu",), "did you mean tiny"),
        (("sums", "waiting", "none", "--device", "cdua"), "did you mean cuda"),
        (("sums", "waiting", "none", "--cld"), "did you mean --cold"),
        (("sums", "waiting", "tf32", "--device", "cpu"), "needs a CUDA device"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    near: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    status = main(["why", *arguments, "--plugin", str(PLUGIN)])

    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err.startswith("feedrate: ")
    assert told.err.count("\n") == 1
    assert near in told.err


@pytest.mark.alone
def test_an_interrupted_diagnosis_says_what_is_known_so_far(tmp_path: Path) -> None:
    found = interrupted(tmp_path, "to go", "why", *CELL, "--replicates", "9", *QUICK)

    assert found.status == 130
    assert found.told.startswith("loader-bound (hand-over): ")
    owners = [int(mark.read_text()) for mark in Path("/dev/shm").glob("feedrate-*/.feedrate-owner")]
    assert found.pid not in owners
