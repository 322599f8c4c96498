"""Print text as wide as it is and without colour where there is no terminal, and never as a command to one."""

from __future__ import annotations

import io
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

__all__ = ["Screen", "console", "harmless", "printable"]

_UNBOUNDED = 10_000
_HEAD, _TAIL = 400, 200
"""Characters that are left of a longer text: it begins with what happened, and ends with the log that has it whole."""


def console(file: TextIO) -> Console:
    """Make a console on `file` that takes text as it is: no markup, emoji, guessed colours or control characters."""
    if isinstance(file, io.TextIOWrapper):
        # What the encoding of a terminal or a pipe lacks is shown as a number, and is no reason to end.
        file.reconfigure(errors="backslashreplace")
    screen = Screen(file)
    if not screen.is_terminal:
        screen.width = _UNBOUNDED
    return screen


class Screen(Console):
    """Prints lines. Names, reasons and errors of strangers are among them, so each is made harmless on its way."""

    def __init__(self, file: TextIO, **how: Any) -> None:
        # In a notebook too it writes to its file: rich would show it beside the cell instead.
        super().__init__(file=file, markup=False, emoji=False, highlight=False, force_jupyter=False, **how)

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as rich does, but each text as one line."""
        super().print(*map(_harmless, objects), **how)

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the command line, which knows that whoever read has seen enough."""
        raise BrokenPipeError


def _harmless(printed: object) -> object:
    if isinstance(printed, str):
        return harmless(printed)
    if isinstance(printed, Text):
        shown = harmless(printed.plain)
        return printed if shown == printed.plain else Text(shown, style=printed.style)
    return printed


def harmless(text: str) -> str:
    """Make one line that no terminal obeys: what `printable` gives, a long text cut short."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]} ... [{len(text) - _HEAD - _TAIL:,} characters left out] ... {text[-_TAIL:]}"
    return printable(text)


def printable(text: str) -> str:
    """Write unprintable characters as escapes such as `\\x1b`.

    Newlines, overrides of the writing direction and halves of characters are unprintable.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
