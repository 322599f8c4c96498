"""Where text goes: as wide as it likes and without colour when it is not a terminal."""

from __future__ import annotations

from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

__all__ = ["console", "plain_table", "print_table"]

_UNBOUNDED = 10_000


def console(file: TextIO) -> Console:
    """A console on `file` that takes text as it is: no markup, no emoji, no guessed colours."""
    made = Console(file=file, markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = _UNBOUNDED
    return made


def plain_table(target: Console) -> Table:
    """An empty table: a rule below the headings on a terminal, nothing but aligned columns elsewhere."""
    box = SIMPLE_HEAD if target.is_terminal else None
    return Table(box=box, padding=(0, 2 if box is None else 1, 0, 0), pad_edge=False, show_edge=False)


def print_table(target: Console, table: Table) -> None:
    """Print a table; elsewhere than on a terminal without the blanks that fill its last column."""
    if target.is_terminal:
        target.print(table)
        return
    with target.capture() as drawn:
        target.print(table)
    target.file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))
