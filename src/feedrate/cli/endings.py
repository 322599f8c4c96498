"""Ends that come too early: what was measured until then is still printed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from feedrate.cli.shell import Shell

__all__ = ["Ending", "complain", "cut_short", "is_lost", "line_of"]


@dataclass
class Ending:
    """How a measurement ended: 0 by itself, 2 because the file system said no, 130 by Ctrl-C."""

    status: int = 0


@contextmanager
def cut_short(shell: Shell, rest: str = "this is what there is") -> Iterator[Ending]:
    """End what is measured inside when somebody interrupts it or the file system takes no more, with a line for either.

    The caller prints what there is, and returns the ending's status unless it is 0.
    """
    ending = Ending()
    try:
        yield ending
    except KeyboardInterrupt:
        ending.status = 130
        complain(shell, f"interrupted; {rest}")
    except BrokenPipeError:
        raise
    except OSError as error:
        ending.status = 2
        complain(shell, f"{line_of(error)}; measuring ends here, {rest}")


def line_of(error: OSError) -> str:
    """Which file, and what the system says of it."""
    named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{named}{error.strerror or error}"


def complain(shell: Shell, text: str) -> None:
    """Say a line on standard error, if anybody can be told."""
    with suppress(OSError):
        shell.err.print(f"feedrate: {text}", soft_wrap=True)
    is_lost(shell.err.file)


def is_lost(stream: IO[str]) -> bool:
    """Whether a stream takes no more; what is left in it goes nowhere then, so that the interpreter ends quietly."""
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
