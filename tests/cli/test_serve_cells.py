"""`feedrate run --serve`: one process, many cells, each as `--cell` would have it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.cli import main
from tests.support import PLUGINS

QUICK = ("--plugin", str(PLUGINS / "offered.py"), "--seconds", "0.05")


def request(cell: str, out: str, replicate: int = 0) -> str:
    return json.dumps({"cell": cell, "replicate": replicate, "out": out}) + "\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def serve(monkeypatch: pytest.MonkeyPatch, *lines: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(lines)))
    return main(["run", "--serve", "--quiet", *QUICK])


def test_each_line_is_answered_with_a_status_and_its_document_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = "sums/tiny/later/train/cpu", "sums/tiny/needy/train/cpu"
    status = serve(monkeypatch, *(request(cell, f"{number}.json", number) for number, cell in enumerate(cells)))
    documents = [json.loads((here / f"{number}.json").read_text()) for number in range(2)]

    assert (status, capsys.readouterr().out) == (0, "ready\n2\n1\n")
    assert [document["failure"]["kind"] for document in documents] == ["unavailable", "unavailable"]
    assert documents[1]["replicate"] == 1


@pytest.mark.parametrize("line", ["{}\n", "[]\n", "cell\n", '{"cell": "a", "replicate": "no", "out": "b"}\n'])
def test_a_line_that_asks_for_nothing_is_named_and_ends_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    status = serve(monkeypatch, line)
    told = capsys.readouterr()

    assert (status, told.out, told.err.count("\n")) == (2, "ready\n", 1)
    assert "asks for no cell, replicate and out" in told.err


def test_cells_come_from_one_place(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--serve", "--cell", "sums/tiny/plain/train/cpu", *QUICK]) == 2
    assert "give one of the two" in capsys.readouterr().err


@pytest.mark.process
def test_all_cells_of_a_server_are_of_one_run_each_in_a_process_of_its_own(tmp_path: Path) -> None:
    lines = "".join(request("sums/tiny/plain/train/cpu", f"{number}.json", number) for number in range(2))
    command = [sys.executable, "-m", "feedrate", "run", "--serve", "--quiet", *QUICK]
    done = subprocess.run(command, cwd=tmp_path, input=lines, capture_output=True, text=True, timeout=110, check=False)
    documents = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(2)]
    (raw,) = (tmp_path / "results/raw").iterdir()

    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n0\n0\n", "")
    assert [document["replicate"] for document in documents] == [0, 1]
    assert all(document["metrics"]["time_per_sample_s"] > 0 for document in documents)
    assert len(raw.read_text().splitlines()) == 2
