"""Turn what ends a measurement too early into a line and a status, so that what was measured is still printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from feedrate.cli.context import CommandContext
from feedrate.errors import FeedrateError

__all__ = ["Ending", "complain", "ending", "is_lost", "line_of"]


@dataclass
class Ending:
    """What ended a measurement."""

    status: int = 0
    """0: nothing but its own end; 2: an error; 130: an interrupt."""


@contextmanager
def ending(
    shell: CommandContext, has_begun: Callable[[], object], rest: str = "this is what there is"
) -> Iterator[Ending]:
    """Turn an interrupt, a file system that takes no more and, once it `has_begun`, an error of ours into one line.

    The caller prints what there is, and returns the status unless it is 0.
    """
    end = Ending()
    try:
        yield end
    except KeyboardInterrupt:
        end.status = 130
        complain(shell, f"interrupted; {rest}")
    except BrokenPipeError:
        # Nobody reads on: that is no error.
        raise
    except (FeedrateError, OSError) as error:
        if isinstance(error, FeedrateError) and not has_begun():
            raise
        end.status = 2
        reason = line_of(error) if isinstance(error, OSError) else str(error)
        complain(shell, f"{reason}; measuring ends here, {rest}")


def line_of(error: OSError) -> str:
    """Name the file, and what the system says of it."""
    named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{named}{error.strerror or error}"


def complain(shell: CommandContext, text: str) -> None:
    """Say a line on standard error, if anybody can be told."""
    with suppress(OSError):
        shell.err.print(f"feedrate: {text}", soft_wrap=True)
    is_lost(shell.err.file)


def is_lost(stream: IO[str]) -> bool:
    """Tell whether a stream takes no more; what is left in it goes nowhere then, and the interpreter ends quietly."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        # It lies in memory.
        return False
    try:
        stream.flush()
        # What was not buffered is not tried again by that.
        os.write(descriptor, b"")
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        return True
    return False
