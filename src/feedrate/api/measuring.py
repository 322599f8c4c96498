"""Measure cells, and show and keep outcomes as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from feedrate.api.resources import Resources
from feedrate.plugin.cell import Cell
from feedrate.report.progress import run_progress

if TYPE_CHECKING:
    from feedrate.records.measurement import Outcome

__all__ = ["measured", "measured_once", "unmet_reasons"]


def measured(resources: Resources, cells: Sequence[Cell], replicates: int) -> Iterator[Outcome]:
    """Yield the outcomes of all cells as they come, each of them kept; their data sets are made first."""
    resources.complain()
    resources.demand_places()
    resources.make_data(cell.recipe for cell in cells if not cell.unmet_needs)
    with run_progress(resources.caller.console, quiet=resources.settings.quiet) as progress:
        for outcome in resources.run.outcomes(cells, replicates, progress.begin):
            resources.keep(outcome)
            progress.end(outcome)
            yield outcome


def measured_once(resources: Resources, cell: Cell, number: int) -> Outcome:
    """Measure one replicate of one cell; it is kept by whoever asks."""
    if cell.unmet_needs:
        return resources.run.unavailable(str(cell), unmet_reasons(cell), number)
    resources.make_data([cell.recipe])
    return resources.run.measure(str(cell), number)


def unmet_reasons(cell: Cell) -> str:
    """Give what this machine lacks for a cell, and how to get it; empty: nothing."""
    return "; ".join(need.reason for need in cell.unmet_needs)
