"""`feedrate bundle` puts all that there is of a run into one new file, and nothing else."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from feedrate.cli import main
from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.ladder import Ladder
from feedrate.records.raw_results import append
from tests.support.commands import refused
from tests.support.outcomes import failure, measurement

RUN = "20260102T030405-abcd"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a number and a failure, their logs, and what is none of the run's."""
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "logs" / RUN
    logs.mkdir(parents=True)
    (logs / "one.log").write_text("all went well\n")
    away = tmp_path / "elsewhere" / RUN
    away.mkdir(parents=True)
    (away / "two.log").write_text("ValueError: no\n")
    (tmp_path / "secret.log").write_text("password\n")
    (logs / "link.log").symlink_to(tmp_path / "secret.log")
    raw = tmp_path / "results/raw" / f"{RUN}.jsonl"
    append(raw, measurement(log=str(logs / "one.log")))
    append(raw, measurement("boardmoves/small/threads/fp32/cpu", log=str(tmp_path / "secret.log")))
    append(raw, replace(failure(), log=str(away / "two.log")))
    raw.with_suffix(".json").write_text("{}")
    (tmp_path / "logs/another").mkdir()
    (tmp_path / "logs/another/three.log").write_text("another run's\n")
    return tmp_path


def test_a_bundle_has_summary_records_logs_environment_and_doctor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle"]) == 0

    with ZipFile(folder / f"{RUN}.zip") as bundle:
        texts = {name.removeprefix(f"{RUN}/"): bundle.read(name).decode() for name in bundle.namelist()}
    raw = folder / "results/raw" / f"{RUN}.jsonl"
    assert sorted(texts) == [
        *("doctor.json", "environment.json", "logs/one.log", "logs/two.log"),
        *(f"raw/{RUN}.json", f"raw/{RUN}.jsonl", "summary.json", "summary.txt"),
    ]
    assert "boardmoves, small, cpu" in texts["summary.txt"]
    assert "gap p95 ms" in texts["summary.txt"]
    assert [outcome["kind"] for outcome in json.loads(texts["summary.json"])] == ["measurement"] * 2 + ["failure"]
    assert json.loads(texts["environment.json"])["machine"]["name"] == "box-cpu"
    assert json.loads(texts["doctor.json"])["machine"]["cores"] == os.cpu_count()
    assert texts[f"raw/{RUN}.jsonl"] == raw.read_text()
    assert texts["logs/two.log"] == "ValueError: no\n"
    assert "password" not in "".join(texts.values())
    told = capsys.readouterr().out
    assert f"wrote       {RUN}.zip" in told
    assert "2 in logs/" in told
    assert "look through it before you send it" in told


def test_a_cell_that_was_taken_apart_is_in_the_summary_with_its_log(folder: Path) -> None:
    raw = folder / "results/raw/why.jsonl"
    log = folder / "elsewhere/why/why.log"
    log.parent.mkdir()
    log.write_text("taken apart\n")
    append(raw, Diagnosis((measurement(log=str(log)),), (Ladder(),)))

    assert main(["bundle", "why"]) == 0

    with ZipFile(folder / "why.zip") as bundle:
        assert bundle.read("why/logs/why.log") == b"taken apart\n"
        assert "T_F together" in bundle.read("why/summary.txt").decode()
        assert json.loads(bundle.read("why/environment.json"))["python"] == "3.11.7"


def test_a_file_that_is_there_is_left_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.zip").write_text("mine")

    line = refused(["bundle", RUN, "--output", "mine.zip"], capsys)

    assert line == "feedrate: mine.zip is there already, and is left as it is; name another with --output FILE"
    assert (folder / "mine.zip").read_text() == "mine"


def test_a_line_that_cannot_be_read_is_said_and_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = folder / "results/raw" / f"{RUN}.jsonl"
    with raw.open("a") as file:
        file.write("{half")

    assert main(["bundle", str(raw), "--output", "all.zip", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["bundle"] == "all.zip"
    with ZipFile(folder / "all.zip") as bundle:
        assert "line 4" in bundle.read(f"{RUN}/summary.txt").decode()
        assert bundle.read(f"{RUN}/raw/{RUN}.jsonl").endswith(b"{half")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("20260102T030405-abce",), f"results/raw: no run '20260102T030405-abce'; did you mean {RUN}?"),
        (("nowhere.jsonl",), "nowhere.jsonl: no such file"),
        ((RUN, "--output", "nowhere/all.zip"), "nowhere/all.zip: No such file or directory"),
    ],
)
def test_what_is_not_there_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    before = sorted(folder.rglob("*"))

    assert why in refused(["bundle", *arguments], capsys)
    assert sorted(folder.rglob("*")) == before


def test_a_file_that_holds_no_results_makes_no_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "odd.jsonl").write_text("nothing\n")

    assert "holds no results" in refused(["bundle", "odd.jsonl"], capsys)
    assert not (folder / "odd.zip").exists()
