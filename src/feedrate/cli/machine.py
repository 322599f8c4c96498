"""`feedrate machine`: tell asv about this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path

from feedrate.api.places import Place, demand_writable
from feedrate.asv.machine import write
from feedrate.cli.context import CommandContext
from feedrate.errors import UnavailableError

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--name", metavar="NAME", help="instead of one made from the host's name and the GPU")
    parser.add_argument("--file", type=Path, metavar="FILE", help="instead of ~/.asv-machine.json")


def run(options: Namespace, shell: CommandContext) -> int:
    """Write asv's machine file and print the name for `asv run --machine`."""
    if find_spec("asv") is None:
        raise UnavailableError("asv is not installed; `pip install feedrate[asv]` provides it")
    if options.file:
        demand_writable([Place("--file", options.file.parent)])
    shell.out.print(write(options.name, options.file), soft_wrap=True)
    return 0
