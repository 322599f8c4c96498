"""Print what would be measured and with which settings, each with what was asked for and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT
from feedrate.records.cell_key import CellKey
from feedrate.report.glossary import explained
from feedrate.report.grid import Column, Row, print_grid

if TYPE_CHECKING:
    from feedrate.api.resolved import ResolvedCell, ResolvedSetting

__all__ = ["show"]

_HEADINGS = ("setting", "requested", "resolved", "from")
_COLUMNS = tuple(Column(heading, wraps=heading == "resolved") for heading in _HEADINGS)


def show(
    console: Console, shared: Sequence[ResolvedSetting], cells: Sequence[ResolvedCell], *, explain: bool = False
) -> None:
    """Print a table of what all share, one of each workload, loader and step, and the cells."""
    for title, settings in {"all cells": list(shared), **_parts(cells)}.items():
        console.print(Text(title, style="bold"), soft_wrap=True)
        print_grid(console, _COLUMNS, [_row(setting) for setting in settings])
        console.print()
    ready = [cell for cell in cells if not cell.unavailable]
    console.print(Text(f"{len(ready)} of {len(cells)} cells would be measured", style="bold"), soft_wrap=True)
    for cell in cells:
        console.print(Text(f"  {cell.cell}", style="dim" if cell.unavailable else ""), soft_wrap=True)
        if cell.unavailable:
            console.print(Text(f"    n/a: {cell.unavailable}", style="dim"), soft_wrap=True)
    for why in dict.fromkeys(cell.missing for cell in ready if cell.missing):
        console.print(Text(f"data set    would be made: {why}"), soft_wrap=True)
    for heading, text in explained(_HEADINGS) if explain else ():
        console.print(Text(f"{heading:>12}  {text}", style="dim"), soft_wrap=True)
    console.print("nothing was measured or made", soft_wrap=True)


def _parts(cells: Iterable[ResolvedCell]) -> Mapping[str, Sequence[ResolvedSetting]]:
    """Give the knobs of each workload, loader and step once, under a title that names it."""
    parts: dict[str, Sequence[ResolvedSetting]] = {}
    for family in ("workload", "loader", "step"):
        for cell in cells:
            key = CellKey.parse(cell.cell)
            knobs = [setting for setting in cell.settings if setting.name.startswith(f"{family}.")]
            sized = f", {key.size}" if family == "workload" else ""
            parts.setdefault(f"{family} {key.specs[family]}{sized}", knobs)
    return {title: knobs for title, knobs in parts.items() if knobs}


def _row(setting: ResolvedSetting) -> Row:
    name = setting.name.partition(".")[2] or setting.name
    return Row([name, *_texts(setting), setting.origin], "" if setting.origin == "default" else "bold")


def _texts(setting: ResolvedSetting) -> Iterator[str]:
    for value in (setting.requested, setting.resolved):
        yield ABSENT if value is None else str(value).lower() if isinstance(value, bool) else str(value)
