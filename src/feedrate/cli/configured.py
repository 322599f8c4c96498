"""Settle the options of a command: what its line says, then what variables say, then `feedrate.toml`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from feedrate.cli.config_file import KEYS, ConfigFile, nearest
from feedrate.cli.context import CommandContext
from feedrate.cli.given import named_options, origins
from feedrate.revisions.call import NO_CONFIG

__all__ = ["add_config", "configured"]

_TAKERS = frozenset(command for key in KEYS.values() for command in key.commands)


def add_config(parser: ArgumentParser, command: str) -> None:
    """Add `--config FILE` to a command that takes something from there."""
    if command in _TAKERS:
        parser.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="options in a file; unless given, feedrate.toml here or above, up to the root of the repository",
        )


def configured(
    options: Namespace, command: str, parser: ArgumentParser, words: Sequence[str], shell: CommandContext
) -> CommandContext:
    """Fill in the options that a command line does not name, and note where each value comes from.

    `options` get `named`, the names of those that the line has, and `origins`, in words. Gives the context with the
    file that was read.

    Raises:
        UsageError: there is no such file, or something in it is not right.
    """
    options.named = named_options(parser, words, vars(options))
    file = _file(options, command, shell.environ)
    taken = {} if file is None else file.taken(command, options, options.named)
    if shell.environ.get("FEEDRATE_DATA"):
        taken.pop("data", None)
    for name, value in taken.items():
        setattr(options, name, value)
    if "safe" in options and "safe" not in options.named:
        options.safe = options.safe or shell.safe
    options.origins = origins(
        options.named, shell.environ, dict.fromkeys(taken, "" if file is None else str(file.path))
    )
    return replace(shell, config=file)


def _file(options: Namespace, command: str, environ: Mapping[str, str]) -> ConfigFile | None:
    """Read the file that counts; None: there is none."""
    if "config" not in options:
        return None
    if options.config is not None:
        return ConfigFile.read(options.config)
    # A program that asks for one cell stands where it likes, and says all itself.
    of_program = environ.get(NO_CONFIG) or (command == "run" and (options.cell or options.serve))
    return None if of_program else nearest(Path.cwd())
