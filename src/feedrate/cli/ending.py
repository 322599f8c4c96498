"""How a command's measuring ends, whatever ends it: what there is by then is printed, and the status says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from feedrate.cli.shell import Shell
from feedrate.errors import FeedrateError

__all__ = ["Ending", "ending"]


@dataclass
class Ending:
    """What ended it."""

    status: int = 0
    """0: nothing but its own end; 2: an error; 130: an interrupt."""


@contextmanager
def ending(shell: Shell, has_begun: Callable[[], object], rest: str = "this is what there is") -> Iterator[Ending]:
    """Turn an interrupt, and an error that comes after the first outcome, into one line and a status.

    Until `has_begun` there is nothing that could be printed, and errors are raised.
    """
    end = Ending()
    try:
        yield end
    except KeyboardInterrupt:
        end.status = 130
        shell.err.print(f"feedrate: interrupted; {rest}", soft_wrap=True)
    except (FeedrateError, OSError) as error:
        # Nobody reads on: that is no error.
        if isinstance(error, BrokenPipeError) or not has_begun():
            raise
        end.status = 2
        shell.err.print(f"feedrate: {error}; {rest}", soft_wrap=True)
