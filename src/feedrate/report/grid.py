"""Print tables that fit where they are printed: columns leave whole, in a stated order, and no number is cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from feedrate.report.console import harmless

__all__ = ["GAP", "Column", "Row", "leaving", "print_entry", "print_grid"]

GAP = 2
"""Blanks between two columns."""
_MARGIN = 16
"""The most that headings take where each row is a block."""
_BREAKS = re.compile(r"(?<=[\s|/])(?=\S)|(?<=,)(?=[a-z])")
"""Where a text may go on in the next line: never inside a number such as `1,299`."""


@dataclass(frozen=True)
class Column:
    """Describe a column of a table."""

    heading: str
    right: bool = False
    """It holds numbers."""
    wraps: bool = False
    """Text that may go on in a second line; one column of a table at most."""
    leaves: int = 0
    """Its place in the order in which columns are left out where there is no room, from 1; 0: it stays."""

    def headed(self, *, on_terminal: bool) -> str:
        """Write the heading; on a terminal the unit goes below, for headings are wider than the numbers under them."""
        return self.heading.replace(" ", "\n", 1) if on_terminal and self.right else self.heading


@dataclass(frozen=True)
class Row:
    """Hold a line of a table."""

    texts: Sequence[str | Text]
    """One for each column; a `Text` has a style of its own."""
    style: str = ""


def leaving(columns: Sequence[Column]) -> str:
    """Say what is left out of a narrow terminal, in which order, as the end of a sentence."""
    order = sorted((column for column in columns if column.leaves), key=lambda column: column.leaves)
    return f"{', '.join(column.heading for column in order)}; where the rest does not fit, each row is a block"


def print_grid(target: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print a table; on a terminal that is too narrow with fewer columns, or as one block of lines a row.

    Elsewhere than on a terminal everything is printed, without the blanks that fill the last column.
    """
    safe = [[_safe(text) for text in row.texts] for row in rows]
    if not target.is_terminal:
        table = _table(columns, safe, rows, on_terminal=False)
        with target.capture() as drawn:
            target.print(table)
        target.file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))
        return
    for gone in range(1 + max(column.leaves for column in columns)):
        kept = [place for place, column in enumerate(columns) if not 0 < column.leaves <= gone]
        fitting = _fitted(
            [columns[place] for place in kept], [[line[place] for place in kept] for line in safe], target
        )
        if fitting is not None:
            target.print(_table([columns[place] for place in kept], fitting, rows, on_terminal=True))
            left = [column.heading or "bars" for place, column in enumerate(columns) if place not in kept]
            if left:
                target.print(Text(f"no room here for: {', '.join(left)}", style="dim"), soft_wrap=True)
            return
    _print_blocks(target, columns, safe, rows)


def print_entry(target: Console, heading: str, margin: int, text: Text) -> None:
    """Print a name and its text, `margin` characters in; below a name that is too long for that.

    On a terminal in lines that fit, elsewhere in one.
    """
    room = max(1, target.width - margin)
    lines = _wrapped(text, room).plain.split("\n") if target.is_terminal else [text.plain]
    if heading and len(heading) + GAP > margin:
        target.print(Text(heading), soft_wrap=True)
        heading = ""
    for place, part in enumerate(lines):
        target.print(Text(f"{heading if place == 0 else '':<{margin}}{part}", style=text.style), soft_wrap=True)


def _safe(text: str | Text) -> Text:
    return Text(harmless(text)) if isinstance(text, str) else Text(harmless(text.plain), style=text.style)


def _fitted(columns: Sequence[Column], lines: list[list[Text]], target: Console) -> list[list[Text]] | None:
    """Fit the lines into the terminal, with one column wrapped if need be; None: they do not fit."""
    widths = [
        max([_widest(column.headed(on_terminal=True)), *(line[place].cell_len for line in lines)])
        for place, column in enumerate(columns)
    ]
    excess = sum(widths) + GAP * (len(widths) - 1) - target.width
    if excess <= 0:
        return lines
    place = next((place for place, column in enumerate(columns) if column.wraps), None)
    if place is None:
        return None
    room = widths[place] - excess
    pieces = [piece.rstrip() for line in lines for piece in _BREAKS.split(line[place].plain)]
    if room < max([_widest(columns[place].headed(on_terminal=True)), *map(cell_len, pieces)]):
        return None
    return [[*line[:place], _wrapped(line[place], room), *line[place + 1 :]] for line in lines]


def _widest(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _wrapped(text: Text, room: int) -> Text:
    """Wrap a text into lines of so many characters, broken where it may be."""
    lines = [""]
    for piece in _BREAKS.split(text.plain):
        if lines[-1] and cell_len(lines[-1]) + cell_len(piece.rstrip()) > room:
            lines.append("")
        lines[-1] += piece
    return Text("\n".join(line.rstrip() for line in lines), style=text.style)


def _table(columns: Sequence[Column], lines: list[list[Text]], rows: Sequence[Row], *, on_terminal: bool) -> Table:
    """Draw a rule below the headings on a terminal, nothing but aligned columns elsewhere."""
    box, blanks = (SIMPLE_HEAD, GAP - 1) if on_terminal else (None, GAP)
    table = Table(box=box, padding=(0, blanks, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            column.headed(on_terminal=on_terminal), justify="right" if column.right else "left", no_wrap=True
        )
    for line, row in zip(lines, rows, strict=True):
        table.add_row(*line, style=row.style)
    return table


def _print_blocks(target: Console, columns: Sequence[Column], lines: list[list[Text]], rows: Sequence[Row]) -> None:
    margin = min(max(cell_len(column.heading) + GAP for column in columns), _MARGIN)
    for line, row in zip(lines, rows, strict=True):
        for column, text in zip(columns, line, strict=True):
            if text.plain.strip():
                print_entry(target, column.heading, margin, Text(text.plain, style=str(text.style) or row.style))
        target.print()
