"""`feedrate check`: on which workloads a loader is checked, and where an exception was raised that broke a promise."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import main
from feedrate.contract import LOADER_PROMISES
from tests.support.commands import feedrate, refused

PLUGIN = """
import json
import multiprocessing
from dataclasses import dataclass

from feedrate import UnavailableError, Need, hookimpl
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.workloads.fxseq import FxSeq


@dataclass(frozen=True)
class Choosy(Inline):
    name = "choosy"
    served = ("boardmoves",)

    def stream(self, plan):
        if plan.data.folder.name.partition("-")[0] not in self.served:
            raise UnavailableError(f"{self}: serves no {plan.data.folder.name}")
        yield from super().stream(plan)


class ServesNone(Choosy):
    name = "serves_none"
    served = ()


@dataclass(frozen=True)
class Fails(Inline):
    name = "fails"

    def stream(self, plan):
        yield from parsed()


def parsed():
    yield json.loads("{")


@dataclass(frozen=True)
class FailsAbroad(Fails):
    name = "fails_abroad"

    def stream(self, plan):
        if multiprocessing.parent_process() is None:
            return Inline().stream(plan)
        return super().stream(plan)


@dataclass(frozen=True)
class FailsOnDamage(Inline):
    name = "fails_on_damage"

    def stream(self, plan):
        try:
            yield from super().stream(plan)
        except Exception as error:
            raise KeyError("some file") from error


@dataclass(frozen=True)
class Drops(Inline):
    name = "drops"

    def stream(self, plan):
        yield from list(super().stream(plan))[1:]


@dataclass(frozen=True)
class Far(FxSeq):
    name = "far"
    needs = (Need("a licence", lambda: False, "ask for one"),)


@hookimpl
def loaders():
    return Choosy, ServesNone, Fails, FailsAbroad, FailsOnDamage, Drops


@hookimpl
def workloads():
    return (Far(),)
"""
STREAM = "        yield from parsed()"
PARSED = '    yield json.loads("{")'
KEPT = "serves each row once"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "checked_loaders.py"
    path.write_text(PLUGIN)
    return path


def line_of(text: str) -> int:
    return PLUGIN.splitlines().index(text) + 1


def few(monkeypatch: pytest.MonkeyPatch, *promises: str) -> None:
    """Ask for these promises alone: all of them take a while."""
    asked = tuple(promise for promise in LOADER_PROMISES if promise.__name__ in promises)
    monkeypatch.setattr("feedrate.contract.LOADER_PROMISES", asked)


def verdicts(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> list[dict[str, Any]]:
    assert main(["check", *words, "--plugin", "checked_loaders.py", "--json"]) == status
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return told


def test_a_loader_is_checked_on_every_workload_that_runs_by_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, "serves_each_row_once")

    told = verdicts(capsys, 0, "inline")

    assert [(each["workload"], each["promise"], each.get("unavailable")) for each in told] == [
        *((name, KEPT, None) for name in ("boardmoves", "daywindows", "fxseq")),
        ("far", "", "needs a licence: ask for one"),
    ]


def test_a_workload_that_a_loader_does_not_serve_is_a_line_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, "serves_each_row_once")

    assert main(["check", "choosy", "--plugin", "checked_loaders.py"]) == 0

    told = capsys.readouterr().out.splitlines()
    headings = [line for line in told if not line.startswith(" ")]
    assert [line.partition("-")[0] for line in headings[:3]] == [
        "choosy, on boardmoves", "choosy, on daywindows", "choosy, on fxseq",
    ]  # fmt: skip
    assert headings[3] == "choosy, on far"
    assert told[1] == "  kept    serves each row once"
    assert told[3].startswith("  n/a     choosy: serves no daywindows")
    assert told[-1] == "  n/a     needs a licence: ask for one"


def test_one_workload_narrows_it_and_must_be_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, "serves_each_row_once")

    assert [each["workload"] for each in verdicts(capsys, 0, "choosy", "--workload", "boardmoves")] == ["boardmoves"]
    there = ("--plugin", "checked_loaders.py")
    assert "choosy: serves no fxseq" in refused(["check", "choosy", "--workload", "fxseq", *there], capsys)
    line = refused(["check", "serves_none", *there, "--json"], capsys)
    assert line.startswith(
        "feedrate: serves_none: n/a on every workload, on boardmoves: serves_none: serves no boardmoves"
    )


def test_a_file_may_be_named_in_any_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    few(monkeypatch, "serves_each_row_once")
    offered = "Choosy, ServesNone, Fails, FailsAbroad, FailsOnDamage, Drops"
    Path("few_loaders.py").write_text(PLUGIN.replace(offered, "(Choosy,)").replace("(Far(),)", "()"))

    assert main(["check", "./few_loaders.py", "--workload", "boardmoves"]) == 0


def test_a_promise_that_is_broken_on_any_of_them_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, "serves_each_row_once")

    told = verdicts(capsys, 1, "drops")

    assert [each["workload"] for each in told if each["broken"]] == ["boardmoves", "daywindows", "fxseq"]
    assert [each["raised_in"] for each in told if each["broken"]] == [[], [], []]


def test_an_exception_that_broke_a_promise_is_told_with_the_plugins_own_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    few(monkeypatch, "serves_each_row_once")
    words = ["check", "fails", "--workload", "fxseq", "--plugin", "checked_loaders.py"]

    assert main([*words, "--traceback"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert main(words) == 1
    untold = capsys.readouterr().out.splitlines()

    assert told[1].startswith("  BROKEN  serves each row once: fails: fails with JSONDecodeError: ")
    assert told[2:] == [
        f"            {file}:{line_of(STREAM)} in stream: {STREAM.strip()}",
        f"            {file}:{line_of(PARSED)} in parsed: {PARSED.strip()}",
    ]
    assert untold[1:] == [f"{told[1]} (--traceback shows where)"]


def test_what_no_exception_broke_is_told_without_a_word_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, "serves_each_row_once")

    assert main(["check", "drops", "--workload", "fxseq", "--plugin", "checked_loaders.py"]) == 1

    assert "--traceback" not in capsys.readouterr().out


@pytest.mark.process
def test_what_was_raised_on_a_damaged_file_and_in_a_spawned_process_is_told_too(tmp_path: Path, file: Path) -> None:
    there = ("--workload", "fxseq", "--plugin", file.name, "--json")

    done = feedrate(tmp_path, "check", "fails_on_damage", "fails_abroad", *there)

    told = {(each["strategy"], each["promise"]): each["raised_in"] for each in json.loads(done.stdout)}
    raises = line_of('            raise KeyError("some file") from error')
    (damaged,) = told["fails_on_damage", "names a missing file"]
    assert (damaged["file"], damaged["line"], damaged["function"]) == (str(file), raises, "stream")
    assert told["fails_on_damage", KEPT] == []
    spawned = told["fails_abroad", "streams in a spawned process"]
    assert [frame["function"] for frame in spawned] == ["stream", "parsed"]
