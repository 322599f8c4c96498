"""Commands as pages show them: whether feedrate takes them, and whether what they name is there."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import NamedTuple

from feedrate.api.cells import full_key
from feedrate.cli import TAKING_SCRIPTS, _parsers, _split
from feedrate.errors import FeedrateError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from tests.support import ROOT

_BLOCK = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_ENDS = ("|", "&&", ";", ">")
"""Words behind which something else begins."""
_OURS = re.compile(r"(?:examples|scripts|tests)/\S+")
"""What lies in the repository, where a command names it."""


class Command(NamedTuple):
    """A command of feedrate's, parsed."""

    name: str
    options: Namespace
    script: Sequence[str] | None


def shown(page: str) -> list[str]:
    """Give each command of feedrate's in the blocks of a page: lines of shells, and those behind a prompt."""
    lines: list[str] = []
    for language, block in _BLOCK.findall(page):
        for line in block.replace("\\\n", " ").splitlines():
            is_command = language == "sh" or line.lstrip().startswith("$ ")
            lines += _of_feedrate(line.strip().removeprefix("$ ")) if is_command else ()
    return lines


def _of_feedrate(line: str) -> Iterator[str]:
    words = shlex.split(line, comments=True)
    for place, word in enumerate(words):
        if word == "feedrate" or word.endswith("/feedrate"):
            yield shlex.join(["feedrate", *takewhile(lambda word: word not in _ENDS, words[place + 1 :])])
            return


def parsed(line: str) -> Command:
    """Parse a line as feedrate does.

    Raises:
        UsageError: no command, or one that is told what it does not know.
    """
    program, *words = shlex.split(line)
    assert program == "feedrate"
    ours, script = _split(words)
    parser, _ = _parsers(ours[0])
    options = parser.parse_args([*ours])
    assert script is None or ours[0] in TAKING_SCRIPTS
    return Command(ours[0], options, script)


def unknown(command: Command, registry: Registry) -> list[str]:
    """Give what a command names and nobody offers: strategies, cells, files of this repository."""
    words = [*(command.script or ()), *(word for word in vars(command.options).values() if isinstance(word, str))]
    missing = [word for word in words if _OURS.fullmatch(word) and not (ROOT / word).exists()]
    if command.script is not None or getattr(command.options, "files", None) or getattr(command.options, "plugin", ()):
        return missing
    finds = {"workload": registry.workload, "loader": registry.loader, "step": registry.step}
    missing += [spec for kind, spec in _specs(command) if not _is_there(finds[kind], spec)]
    missing += [spec for spec in _checked(command) if not any(_is_there(find, spec) for find in finds.values())]
    return missing + [cell for cell in _cells(command) if not _is_there(lambda key: Cell.parse(key, registry), cell)]


def _specs(command: Command) -> Iterator[tuple[str, str]]:
    """Yield each strategy that a command names, and its kind."""
    options = command.options
    if command.name in ("run", "data"):
        yield from (("workload", spec) for spec in options.workloads)
    if command.name == "run":
        yield from (("loader", spec) for spec in options.loader)
        yield from (("step", spec) for spec in options.step)
    if command.name == "size":
        yield from (("workload", options.workload), ("step", options.step))


def _checked(command: Command) -> Iterator[str]:
    """Yield what a command checks, of whatever kind; a file says itself what it offers."""
    if command.name == "check":
        yield from (spec for spec in command.options.names if not spec.endswith(".py"))


def _cells(command: Command) -> Iterator[str]:
    """Yield the whole key of each cell that a command names; of several by a pattern, one."""
    if command.name == "why":
        cells = command.options.cell
        yield from map(_whole, cells if "/" in "".join(cells) else ["/".join(cells)])
    elif command.name == "compare":
        for side in (command.options.a, command.options.b):
            cell = side.partition("@")[0]
            # Else a training of a person's own, or code that only its author has.
            if cell and " " not in cell and not side.endswith(".py"):
                yield _whole(cell.replace("*", "inline"))


def _whole(cell: str) -> str:
    return "/".join(full_key(cell, None, "cpu"))


def _is_there(find: Callable[[str], object], spec: str) -> bool:
    with suppress(FeedrateError):
        find(spec)
        return True
    return False
