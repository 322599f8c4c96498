"""The page on wishes is that of its table, and the commands that it names are ones."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from feedrate.plugin.registry import Registry
from tests.support import ROOT
from tests.support.command_lines import parsed, unknown

MODULE = runpy.run_path(str(ROOT / "scripts/wishes.py"))
WISHES: Sequence[Any] = MODULE["wishes"]()
COMMANDS = sorted({wish.command for wish in WISHES if wish.command})
QUICK = [
    command for command in COMMANDS if re.match(r"feedrate (doctor|data list)( --json)?$|.* --size tiny$", command)
]


def test_the_page_is_that_of_the_table() -> None:
    assert (ROOT / "docs/wishes.md").read_text() == MODULE["page"](WISHES)


def test_each_wish_has_a_number_of_its_own_a_priority_and_a_state() -> None:
    numbers = [wish.number for wish in WISHES]
    assert len(set(numbers)) == len(numbers)
    assert {wish.priority for wish in WISHES} == {"1", "2", "3"}
    assert {wish.state for wish in WISHES} <= {*MODULE["STATES"]}


def test_who_says_yes_shows_a_command_and_who_leaves_out_says_why() -> None:
    assert [wish.number for wish in WISHES if wish.state == "yes" and not wish.command] == []
    assert [wish.number for wish in WISHES if wish.state == "left out" and not wish.note] == []
    assert [wish.number for wish in WISHES if wish.state == "left out" and wish.priority != "3"] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_shows_a_wish_is_one(line: str, registry: Registry) -> None:
    command = parsed(line)

    assert command.script is None or (ROOT / command.script[-1]).is_file()
    assert unknown(command, registry) == []


@pytest.mark.process
@pytest.mark.parametrize("line", QUICK)
def test_a_quick_command_runs(line: str, tmp_path: Path) -> None:
    words = shlex.split(line)[1:]
    done = subprocess.run([sys.executable, "-m", "feedrate", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
