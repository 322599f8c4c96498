"""`feedrate init -- COMMAND` writes what asv needs into a repository of somebody's, and nothing over what is there."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.asv.config import unknown_keys
from feedrate.cli import main
from tests.support.commands import refused

pytestmark = pytest.mark.process
pytest.importorskip("asv")

WRITTEN = ("asv.conf.json", "benchmarks", "benchmarks/__init__.py", "benchmarks/training.py")
COMMAND = ("python", "train.py", "--name", 'a "b" c')


def git(folder: Path, *arguments: str) -> None:
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", folder, *named, *arguments], check=True, capture_output=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of three commits, on a branch of its own name."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.py").write_text("")
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    git(folder, "add", ".")
    for number in range(3):
        git(folder, "commit", "--quiet", "--allow-empty", "-m", str(number))
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if ".git" not in path.parts}


def settings(folder: Path) -> dict[str, object]:
    """What is written of asv's configuration, and of the training's class."""
    lines = (folder / "asv.conf.json").read_text().splitlines()
    read = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    assert isinstance(read, dict)
    (cls,) = (
        node
        for node in ast.parse((folder / "benchmarks/training.py").read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    for node in cls.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            read[node.targets[0].id] = ast.literal_eval(node.value)
    return read


def test_it_writes_three_files_and_five_lines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--", *COMMAND]) == 0
    assert names(here) == {"train.py", *WRITTEN}
    wrote, run, publish, before, rid = capsys.readouterr().out.splitlines()
    assert wrote.startswith("wrote asv.conf.json, benchmarks/__init__.py and training.py: ")
    # As many commits as there are before this one, up to five.
    assert run.startswith("  asv run -e trunk~2..trunk  ")
    assert publish.startswith("  asv publish ")
    assert "`feedrate machine`" in before
    assert rid == "to be rid of it: rm -r asv.conf.json benchmarks .asv"


def test_what_it_writes_says_what_was_typed_and_asv_knows_every_key(here: Path) -> None:
    assert main(["init", "--", *COMMAND]) == 0
    written = settings(here)
    assert (written["project"], written["repo"], written["folder"]) == ("mine", ".", ".")
    assert tuple(shlex.split(str(written["command"]))) == COMMAND
    assert unknown_keys(here / "asv.conf.json") == ()


def test_a_folder_of_its_own_leads_to_the_repository_and_to_where_the_command_is_typed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "training").mkdir()
    git(here, "mv", "train.py", "training/train.py")
    git(here, "commit", "--quiet", "-m", "moved")
    monkeypatch.chdir(here / "training")
    assert main(["init", "--folder", "../feeding/it", "--", *COMMAND]) == 0
    written = settings(here / "feeding/it")
    assert (written["repo"], written["folder"]) == ("../..", "../../training")
    assert "  asv run -e --config ../feeding/it/asv.conf.json trunk~3..trunk  " in capsys.readouterr().out


@pytest.mark.parametrize("width", ["88", "120"])
def test_a_strangers_linter_has_nothing_to_say(here: Path, width: str) -> None:
    assert main(["init", "--folder", "new", "--", *COMMAND]) == 0
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--no-cache", "--target-version", "py311", "--line-length", width, "new"]
    for command in (["check", "--select", "E,F,I,B,UP,SIM,RET,PT,N,D1"], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, *options], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("there", ["asv.conf.json", "asv.conf.jsonc", "benchmarks/theirs.py", "benchmarks"])
def test_what_is_there_is_named_with_the_way_out_and_nothing_is_written(
    there: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / there).parent.mkdir(exist_ok=True)
    (here / there).write_text("precious\n")
    before = names(here)
    line = refused(["init", "--", "python", "train.py"], capsys)
    assert line == (
        f"feedrate: {there.partition('/')[0]} is there already, and is left as it is;"
        " `feedrate init --folder asv_training -- python train.py` writes beside it"
    )
    assert (names(here), (here / there).read_text()) == (before, "precious\n")
    assert main(["init", "--folder", "asv_training", "--", "python", "train.py"]) == 0
    assert names(here) == before | {"asv_training", *(f"asv_training/{name}" for name in WRITTEN)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_what_cannot_be_written_leaves_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here.chmod(0o555)
    try:
        assert "Permission denied" in refused(["init", "--", "python", "train.py"], capsys)
    finally:
        here.chmod(0o755)
    assert names(here) == {"train.py"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "init takes the command that trains after `--`: feedrate init -- python train.py"),
        (("--",), "no command stands after `--`"),
        (("--", "pythn", "train.py"), "'pythn' is no program here"),
        (("--", "python", "trian.py"), "'trian.py' is no file here; give the command as you would type it"),
        (("--", "python", "new.py"), "'new.py' is not in the last commit of this repository"),
        (
            ("--", "python", "{here}/train.py"),
            "/train.py' would be today's file at each commit; name it from here, as 'train.py'",
        ),
        (("--folder", "train.py", "--", "python", "train.py"), "train.py"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    words: tuple[str, ...], text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "new.py").write_text("")
    assert text in refused(["init", *(word.format(here=here) for word in words)], capsys)
    assert names(here) == {"train.py", "new.py"}


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ([], "is in no repository of git, and asv measures commits; `git init` makes one"),
        ([("init", "--quiet")], "has no commit yet, and asv measures commits; commit your training first"),
    ],
)
def test_outside_a_repository_and_without_a_commit_it_is_one_line(
    commands: list[tuple[str, ...]],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "train.py").write_text("")
    for command in commands:
        git(tmp_path, *command)
    monkeypatch.chdir(tmp_path)
    assert text in refused(["init", "--", "python", "train.py"], capsys)
    assert names(tmp_path) == {"train.py"}


def test_without_asv_it_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "asv", None)
    assert re.search(r"asv is not installed; `pip install feedrate\[asv\]`", refused(["init", "--", "python"], capsys))
    assert names(here) == {"train.py"}
