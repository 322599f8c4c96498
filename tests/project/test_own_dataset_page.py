"""The plugin that docs/own-dataset.md shows works as it stands, with the commands below it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.commands import feedrate

PAGE = (ROOT / "docs/own-dataset.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page, by the names that they begin with."""
    for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r'"""(\w+\.py): ', text)
        assert name is not None
        (tmp_path / name[1]).write_text(text)
    return tmp_path


@pytest.mark.process
def test_the_plugin_of_the_page_keeps_its_contract(folder: Path) -> None:
    (command,) = (line for line in PAGE.splitlines() if line.startswith("feedrate check circles.py "))
    done = feedrate(folder, *command.partition("#")[0].split()[1:])

    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept    gives the same samples again" in done.stdout


@pytest.mark.process
def test_the_plugin_of_the_page_is_raced(folder: Path) -> None:
    (command,) = (line for line in PAGE.splitlines() if line.startswith("feedrate run circles "))
    quick = ("--seconds", "0.05", "--device", "cpu", "--once", "--quiet", "--json")
    done = feedrate(folder, *command.split()[1:], *quick)

    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(done.stdout)
    cells = [f"circles/own/{loader}/fp32/cpu" for loader in ("inline", "threads", "workers")]
    assert sorted(outcome["cell"] for outcome in outcomes) == cells
