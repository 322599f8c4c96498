"""Lay out pictures with one line a cell, the first cell on top."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.report.page.chart import label
from feedrate.report.step_group import StepGroup
from feedrate.report.summary_row import SummaryRow

__all__ = ["cell_axis", "cells_of", "height_of"]

_LINE, _REST = 19, 110
"""Pixels of a line, and of what is around all of them."""


def cells_of(groups: Sequence[StepGroup]) -> list[SummaryRow]:
    """List the cells with a number, step by step."""
    return [row for group in groups for row in group.whole]


def cell_axis(rows: Sequence[SummaryRow]) -> dict[str, object]:
    """Describe the axis that names them."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(rows))),
        "ticktext": [label(f"{row.step} · {row.loader}") for row in rows],
        "range": [len(rows) - 0.4, -0.6],
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
    }


def height_of(rows: Sequence[SummaryRow]) -> int:
    """Give the pixels that so many lines take."""
    return _REST + _LINE * len(rows)
