"""What commands that take a person's own training after `--` have in common."""

from __future__ import annotations

from argparse import Namespace

from rich.text import Text

from feedrate.api.results import CellError
from feedrate.cli.context import CommandContext
from feedrate.errors import UsageError
from feedrate.runner.capped_log import last_lines

__all__ = ["demand_command", "demand_no_copy", "demand_script", "show_last_words"]


def demand_script(options: Namespace, command: str) -> None:
    """Refuse a call without a command after `--`, or with options that are none of a script's.

    Raises:
        UsageError: there is none, or an option contradicts it.
    """
    demand_command(options, command)
    if options.threads or options.pool or (options.safe and "safe" in options.named):
        raise UsageError("beside `-- COMMAND` there is no --threads, --pool or --safe: the script says what it uses")


def demand_command(options: Namespace, command: str) -> None:
    """Refuse a call without a command after `--`.

    Raises:
        UsageError: there is none.
    """
    if options.script is None:
        raise UsageError(f"{command} takes the command that trains after `--`: feedrate {command} -- python train.py")


def demand_no_copy(options: Namespace, beside: str) -> None:
    """Refuse `--out-of-place` where no command runs in a copy.

    Raises:
        UsageError: it is given.
    """
    if options.out_of_place is not None:
        raise UsageError(f"--out-of-place makes a copy of this folder for `-- COMMAND`; {beside}")


def show_last_words(error: CellError, shell: CommandContext) -> None:
    """Print the end of what a script wrote, and why there is no number."""
    for line in last_lines(error.failure.log):
        shell.err.print(Text(line), soft_wrap=True)
    shell.err.print(f"feedrate: {error}", soft_wrap=True)
