"""`feedrate new` writes a plugin's first file and a test of it, and writes over nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.cli import main
from tests.support import ROOT

EXAMPLES = ROOT / "examples"
WRITTEN = {"loader": "next_block", "step": "accumulate", "workload": "weighted_sum"}
"""The examples are what `new` writes, so all that holds of them (types, lint, their tests) holds of it."""
RULES = "E,F,I,B,UP,SIM,RET,PT,N,RUF"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Another test of this process may have imported the examples.
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder).resolve() != EXAMPLES])
    for name in WRITTEN.values():
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(("family", "name"), WRITTEN.items())
def test_the_examples_are_what_it_writes(here: Path, family: str, name: str) -> None:
    assert main(["new", family, name]) == 0
    assert {path.name for path in here.iterdir()} == {f"{name}.py", f"test_{name}.py"}
    for path in here.iterdir():
        assert path.read_text() == (EXAMPLES / path.name).read_text()


@pytest.mark.process
@pytest.mark.parametrize("family", WRITTEN)
@pytest.mark.parametrize("width", ["88", "120"])
def test_a_strangers_linter_has_nothing_to_say(here: Path, family: str, width: str) -> None:
    assert main(["new", family, "my_own_idea"]) == 0
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", width, "--no-cache", "--target-version", "py311", str(here)]
    for command in (["check", "--select", RULES], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, *options], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("family", WRITTEN)
def test_the_next_two_commands_are_printed(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", family, "mine"]) == 0
    first, check, run = capsys.readouterr().out.splitlines()
    assert first == "wrote mine.py and its test, test_mine.py; next:"
    assert check == "  feedrate check mine --plugin mine.py"
    assert run.startswith("  feedrate run ")
    assert "--plugin mine.py" in run
    assert "mine" in run.replace("mine.py", "")


def test_what_is_there_is_never_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "test_mine.py").write_text("precious\n")
    assert main(["new", "loader", "mine"]) == 2
    assert capsys.readouterr().err == (
        "feedrate: test_mine.py is there already, and is left as it is; choose another name\n"
    )
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [("test_mine.py", "precious\n")]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("../mine", "a loader cannot have the name '../mine'; it must be 1 to 64 of A-Z a-z 0-9 _ . -"),
        ("mine" * 17, f"a loader cannot have the name {'mine' * 17!r}; it must be 1 to 64 of A-Z a-z 0-9 _ . -"),
        ("my-own", "'my-own' names no module: begin with a letter, go on with letters, digits and _"),
        ("class", "'class' names no module: begin with a letter, go on with letters, digits and _"),
        ("2nd", "'2nd' names no module: begin with a letter, go on with letters, digits and _"),
        ("threads", "plugin 'builtin' offers a loader 'threads' already; choose another name"),
        ("json", "a module is called 'json' already, which the file would hide beside it; choose another name"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(
    here: Path, name: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "loader", name]) == 2
    assert capsys.readouterr().err == f"feedrate: {complaint}\n"
    assert list(here.iterdir()) == []


def test_a_class_is_never_called_like_the_one_it_extends(here: Path) -> None:
    assert main(["new", "step", "update"]) == 0
    assert "class UpdateStep(Step):" in (here / "update.py").read_text()
