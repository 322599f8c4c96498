"""The page on wishes is that of its table, and the commands that it names are ones."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import TAKING_SCRIPTS, _parsers, _split
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from tests.support import ROOT

MODULE = runpy.run_path(str(ROOT / "scripts/wishes.py"))
WISHES: Sequence[Any] = MODULE["wishes"]()
COMMANDS = sorted({wish.command for wish in WISHES if wish.command})
QUICK = [
    command for command in COMMANDS if re.match(r"feedrate (doctor|data list)( --json)?$|.* --size tiny$", command)
]


def specs(command: str, options: Any) -> Iterator[tuple[str, str]]:
    """Yield each strategy that a command names, and its kind."""
    if command == "run":
        yield from (("workload", spec) for spec in options.workloads)
        yield from (("loader", spec) for spec in options.loader)
        yield from (("step", spec) for spec in options.step)
    elif command == "size":
        yield ("workload", options.workload)
        yield ("step", options.step)


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
    program, *words = shlex.split(line)
    assert program == "feedrate"
    ours, script = _split(words)
    parser, _ = _parsers(ours[0])
    options = parser.parse_args([*ours])

    assert script is None or (ours[0] in TAKING_SCRIPTS and (ROOT / script[-1]).is_file())
    named = {"workload": registry.workload, "loader": registry.loader, "step": registry.step}
    for kind, spec in specs(ours[0], options):
        named[kind](spec)
    if ours[0] == "compare":
        Cell.parse(_whole(options.a), registry)
    if ours[0] == "why" and script is None:
        Cell.parse(_whole("/".join(options.cell)), registry)
    if ours[0] == "check":
        for spec in options.names:
            assert any(_is_one(find, spec) for find in named.values()), spec


def _whole(cell: str) -> str:
    workload, loader, step = cell.partition("@")[0].split("/")
    return f"{workload}/tiny/{loader}/{step}/cpu"


def _is_one(find: Any, spec: str) -> bool:
    try:
        find(spec)
    except Exception:
        return False
    return True


@pytest.mark.process
@pytest.mark.parametrize("line", QUICK)
def test_a_quick_command_runs(line: str, tmp_path: Path) -> None:
    words = shlex.split(line)[1:]
    done = subprocess.run([sys.executable, "-m", "feedrate", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
