"""Plugin files that are named by their folder or by a pattern."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from feedrate import Session
from feedrate.cli import main
from feedrate.errors import UsageError
from feedrate.plugin.plugin_files import chosen_files
from tests.support.commands import refused

LOADER = """
from feedrate import hookimpl
from feedrate.builtin.loaders.inline import Inline


class {name}(Inline):
    \"\"\"Do as inline does.\"\"\"

    name = "{name}"


@hookimpl
def loaders():
    return ({name},)
"""
HELPER = "from feedrate import Loader\n\n\ndef steps():\n    return 3\n"
NAMES = ("second_of_folder", "first_of_folder")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two plugins, a module that helps them, one of theirs alone, a test, and a file of text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "mine"
    (folder / "deeper").mkdir(parents=True)
    for name in NAMES:
        (folder / f"{name}.py").write_text(LOADER.format(name=name))
    (folder / "_private_of_folder.py").write_text(LOADER.format(name="private"))
    (folder / "helper_of_folder.py").write_text(HELPER)
    (folder / "test_of_folder.py").write_text("raise OSError('imported')\n")
    (folder / "notes.txt").write_text("feedrate\n")
    (folder / "deeper/third_of_folder.py").write_text(LOADER.format(name="third_of_folder"))
    return folder


@pytest.mark.parametrize(
    ("named", "files"),
    [
        ("mine", ["mine/first_of_folder.py", "mine/second_of_folder.py"]),
        ("mine/*.py", ["mine/first_of_folder.py", "mine/second_of_folder.py"]),
        ("mine/se*", ["mine/second_of_folder.py"]),
        ("mine/**/*.py", ["mine/deeper/third_of_folder.py", "mine/first_of_folder.py", "mine/second_of_folder.py"]),
        ("mine/helper_of_folder.py", ["mine/helper_of_folder.py"]),
        ("mine/gone.py", ["mine/gone.py"]),
    ],
)
def test_a_folder_and_a_pattern_mean_what_offers_something_in_order(named: str, files: list[str]) -> None:
    assert list(map(str, chosen_files([named]))) == files
    assert list(map(str, chosen_files([Path(named).absolute()]))) == [str(Path(file).absolute()) for file in files]


def test_what_is_named_twice_is_there_once() -> None:
    files = chosen_files(["mine/second_of_folder.py", "mine", "mine/*.py"])

    assert list(map(str, files)) == ["mine/second_of_folder.py", "mine/first_of_folder.py"]


def test_a_file_whose_name_looks_like_a_pattern_is_meant_as_it_is(folder: Path) -> None:
    odd = folder / "odd[1].py"
    odd.write_text(LOADER.format(name="odd"))

    assert chosen_files([odd]) == (odd,)


def test_a_file_of_a_folder_that_is_no_python_is_not_passed_over(folder: Path) -> None:
    (folder / "torn_of_folder.py").write_text("import feedrate\ndef (\n")

    assert folder / "torn_of_folder.py" in chosen_files([folder])


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("mine/x*.py", "--plugin mine/x*.py: no file that matches it offers a loader, step or workload; name a file"),
        ("mine/h*.py", "--plugin mine/h*.py: no file that matches it offers a loader, step or workload; name a file"),
        ("empty", "--plugin empty: no file in it offers a loader, step or workload; name a file"),
    ],
)
def test_what_holds_no_plugin_is_one_line(
    tmp_path: Path, named: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()

    assert line in refused(["list", "--plugin", named], capsys)
    assert line in refused(["run", "fxseq", "--plugin", named, "--dry-run"], capsys)
    with pytest.raises(UsageError, match="offers a loader, step or workload"):
        Session(plugins=named)


def test_all_plugins_of_a_folder_are_listed_with_their_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--plugin", "mine", "--json"]) == 0

    listed = {each["name"]: each["plugin"] for each in json.loads(capsys.readouterr().out)["loaders"]}
    assert {name: listed[name] for name in NAMES} == {name: f"mine/{name}.py" for name in NAMES}
    assert "private" not in listed


@pytest.mark.parametrize("named", ["mine", "mine/*.py"])
def test_the_key_of_a_file_of_options_may_be_one_from_the_folder_of_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    # A folder whose name has signs of a pattern is no pattern.
    there = tmp_path / "[mine]"
    (there / "mine").mkdir(parents=True)
    (there / "mine/first_of_folder.py").write_text(LOADER.format(name="first_of_folder"))
    (there / "elsewhere").mkdir()
    (there / "feedrate.toml").write_text(f'plugin = "{named}"\n')
    monkeypatch.chdir(there / "elsewhere")

    assert main(["list", "--config", "../feedrate.toml", "--json"], dict(os.environ)) == 0

    listed = {each["name"]: each["plugin"] for each in json.loads(capsys.readouterr().out)["loaders"]}
    assert listed["first_of_folder"] == str(there / "mine/first_of_folder.py")
