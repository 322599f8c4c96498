"""`feedrate.toml`: options in a file, which the command line overrules, and which nobody takes by mistake."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import COMMANDS, _parsers, main
from feedrate.cli.config_file import KEYS, NAME, nearest
from feedrate.revisions.call import Invocation
from feedrate.revisions.invoke import environment
from tests.support import PLUGINS, ROOT
from tests.support.commands import feedrate, refused

PLUGIN = PLUGINS / "offered.py"
SUMS = f"""
workload = "sums"
loader = ["plain[depth=4]"]
step = "train"
size = "tiny"
device = "cpu"
plugin = "{PLUGIN}"
threads = 1
safe = true
data = "rows"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(capsys: pytest.CaptureFixture[str], *words: str, **variables: str) -> dict[str, tuple[Any, str]]:
    """(resolved, origin) of each setting of the only cell of a dry run."""
    assert main([*words, "--dry-run", "--json"], {**os.environ, **variables}) == 0
    run = json.loads(capsys.readouterr().out)
    (cell,) = run["cells"]
    told = {each["name"]: (each["resolved"], each["origin"]) for each in (*run["settings"], *cell["settings"])}
    return {**told, "cell": (cell["cell"], "")}


def test_the_command_line_counts_more_than_variables_than_the_file_than_defaults(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / NAME).write_text(SUMS)
    file = str(folder / NAME)

    from_file = settings(capsys, "run")
    told = settings(capsys, "run", "--loader", "plain", "--threads", "2", "--no-safe", FEEDRATE_DATA="other")
    named = settings(capsys, "run", "--data", "mine", FEEDRATE_DATA="other")

    assert from_file["cell"] == ("sums/tiny/plain[depth=4]/train/cpu", "")
    assert from_file["threads"] == (1, file)
    assert from_file["safe"] == (True, file)
    assert from_file["loader.depth"] == ("4", file)
    assert from_file["data"] == (str(folder / "rows"), file)
    assert from_file["seconds"] == (0.4, "default")
    assert told["cell"] == ("sums/tiny/plain/train/cpu", "")
    assert told["threads"] == (2, "command line")
    assert told["safe"] == (False, "command line")
    assert told["loader.depth"] == ("2", "default")
    assert told["data"] == (str(folder / "other"), "FEEDRATE_DATA")
    assert named["data"] == (str(folder / "mine"), "command line")


def test_a_cell_that_says_its_size_keeps_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / NAME).write_text(f'plugin = "{PLUGIN}"\nsize = "small"\ndevice = "cpu"\n')

    assert settings(capsys, "why", "sums/tiny/plain/train")["cell"] == ("sums/tiny/plain/train/cpu", "")
    assert settings(capsys, "why", "sums/plain/train")["cell"] == ("sums/small/plain/train/cpu", "")
    line = refused(["why", "sums/tiny/plain/train", "--size", "small", "--dry-run"], capsys)
    assert "size small contradicts" in line


def test_the_nearest_file_up_to_the_root_of_the_repository_counts(folder: Path) -> None:
    inside = folder / "repository/package/module"
    inside.mkdir(parents=True)
    (folder / NAME).write_text("threads = 1\n")
    assert nearest(inside) is None

    (folder / "repository/.git").mkdir()
    assert nearest(inside) is None
    (folder / "repository" / NAME).write_text("threads = 2\n")
    nearby = nearest(inside)
    assert nearby is not None
    assert nearby.values == {"threads": 2}
    (inside / NAME).write_text("threads = 3\n")
    nearby = nearest(inside)
    assert nearby is not None
    assert nearby.values == {"threads": 3}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("thread = 2", f"{NAME}: no key 'thread'; did you mean threads?"),
        ("safe_retry = true", f"{NAME}: no key 'safe_retry'; did you mean safe-retry"),
        ("[threads]\ncount = 2", f"{NAME}: threads = {{'count': 2}} is not a whole number above 0"),
        ('threads = "two"', f"{NAME}: threads = 'two' is not a whole number above 0"),
        ("threads = true", f"{NAME}: threads = true is not a whole number above 0"),
        ("threads = 0", f"{NAME}: threads = 0 is not a whole number above 0"),
        ("safe = 1", f"{NAME}: safe = 1 is not true or false"),
        ("seconds = nan", f"{NAME}: seconds = nan is not a number above 0"),
        ('size = "tinny"', f"{NAME}: size = 'tinny' is not one of tiny, small, full, seed; did you mean tiny?"),
        ('budget = "soon"', f"{NAME}: budget = 'soon' is not a duration"),
        ('pool = "POLAR=4"', f"{NAME}: pool = 'POLAR=4' is not a text or a list of texts such as"),
        ("loader = []", f"{NAME}: loader = [] is not a text or a list of texts"),
        ("data = 3", f"{NAME}: data = 3 is not the name of a folder"),
        ("threads 2", f"{NAME}: is no TOML: "),
        ("threads = 2\nthreads = 3", f"{NAME}: is no TOML: "),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_file_and_key(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    (folder / NAME).write_text(text)

    assert why in refused(["run", "--dry-run"], capsys)
    assert sorted(path.name for path in folder.iterdir()) == [NAME]


def test_a_file_that_is_named_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.toml: cannot be read (No such file" in refused(["run", "--config", "nowhere.toml"], capsys)


def test_programs_that_ask_for_one_cell_depend_on_no_file_where_they_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / NAME).write_text("nonsense = 1\n")

    assert "is not a cell" in refused(["run", "--cell", "sums"], capsys)
    assert "no key 'nonsense'" in refused(["run", "--cell", "sums", "--config", NAME], capsys)


def test_a_command_that_another_one_starts_in_a_checkout_looks_for_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / NAME).write_text("nonsense = 1\n")
    call = Invocation("", folder, "run", folder, folder, 60)

    assert main(["why", "fxseq/inline/none", "--dry-run"], environment(call)) == 0
    assert "no key 'nonsense'" in refused(["why", "fxseq/inline/none", "--dry-run"], capsys)


def test_what_a_script_says_itself_is_not_taken_from_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / NAME).write_text(SUMS)

    # Not: there is no --threads or --safe beside it.
    assert "no-such-program" in refused(["why", "--", "no-such-program", "train.py"], capsys)


@pytest.mark.parametrize("name", KEYS)
def test_each_key_is_an_option_of_the_commands_that_take_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/settings.md").read_text()
    assert re.search(rf"^\| .*`{name}`.* \|", page, re.MULTILINE)
    for command in KEYS[name].commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert re.search(rf"^ +(-\w[ A-Z]*, )?--{name}\b", capsys.readouterr().out, re.MULTILINE), command


OTHERWISE = {
    ("workload", "size"): "its task stands by itself",
    ("workload", "check"): "what loaders are checked on",
    ("step", "size"): "it stands by itself",
    ("size", "check"): "of --train alone",
    ("size", "data"): "several are made one after the other",
    ("device", "calibrate"): "some cases of all",
    ("device", "doctor"): "whose copies are timed",
    ("threads", "tune"): "a script has its own",
    ("pool", "tune"): "the same",
    ("safe", "tune"): "the same",
    ("data", "tune"): "the same",
    ("replicates", "why"): "it takes as many as it needs",
}
"""Options that are called as a key and do not take it, and why."""


def test_whoever_has_an_option_takes_the_key_of_its_name_or_is_known_not_to() -> None:
    for command in COMMANDS:
        options = {action.dest.replace("_", "-") for action in _parsers(command)[1]._actions}
        left_out = {name for name in KEYS if name in options and command not in KEYS[name].commands}
        assert left_out == {name for name, other in OTHERWISE if other == command}, command


@pytest.mark.process
def test_records_have_the_files_path_and_text(folder: Path) -> None:
    (folder / NAME).write_text(SUMS)

    done = feedrate(folder, "run", "--seconds", "0.05", "--once", "--quiet")

    assert done.returncode == 0, done.stderr
    assert f"config      {folder / NAME}" in done.stdout
    (file,) = (folder / "results/raw").glob("*.jsonl")
    record = json.loads(file.read_text())
    assert record["environment"]["config"] == {"path": str(folder / NAME), "text": SUMS}
    assert (record["requested"]["threads"], record["requested"]["safe"]) == (1, True)
    assert (folder / "rows/sums-tiny").is_dir()
