"""Print what a training of so many epochs or steps would take with each loader, and what that is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT, clock, number
from feedrate.records.estimate import Estimate
from feedrate.records.projection import Projection, TrainingLength
from feedrate.report.grid import Column, Row, print_entry, print_grid
from feedrate.report.summary_row import SummaryRow

__all__ = ["PROJECTION_COLUMNS", "print_projections"]

PROJECTION_COLUMNS = (
    *(Column("step"), Column("loader"), Column("batches", right=True, leaves=1)),
    *(Column("an epoch", right=True, leaves=4), Column("projected", right=True)),
    *(Column("low", right=True), Column("high", right=True)),
    *(Column("start-up s", right=True, leaves=3), Column("boundary s", right=True, leaves=2)),
)
_UNMET = "no beginning of a later epoch was met, so what it takes is left out"
_DOUBTFUL = "the number is doubtful, and so is what is projected from it"
_UNKNOWN = "how many batches an epoch has is not known, so nothing is projected"


def print_projections(console: Console, rows: Sequence[SummaryRow], length: TrainingLength) -> None:
    """Print a line a row: means over the replicates, and the interval over them or, of one, its own."""
    if not rows:
        return
    console.print()
    console.print(Text(f"projected: {length}, from opening the loader to the last update", style="bold"))
    print_grid(console, PROJECTION_COLUMNS, [Row((row.step, row.loader, *_texts(row, length))) for row in rows])
    for remark in _remarks(rows):
        print_entry(console, "", 2, Text(remark))


def _texts(row: SummaryRow, length: TrainingLength) -> Iterator[str]:
    projections = _projections(row, length)
    total = Projection.over(projections) if projections else None
    batches = row.mean(lambda m: m.epoch_batches)
    yield ABSENT if batches is None else f"{batches:,.0f}"
    yield clock(row.mean(lambda m: m.epoch_s))
    yield clock(None if total is None else total.mean)
    yield from _ends(total)
    yield number(row.mean(lambda m: m.start_up_s))
    yield number(row.mean(lambda m: m.epoch_boundary_s))


def _ends(total: Estimate | None) -> tuple[str, str]:
    if total is None or total.half is None:
        return ABSENT, ABSENT
    return clock(max(0.0, total.low)), clock(total.high)


def _projections(row: SummaryRow, length: TrainingLength) -> list[Projection]:
    """Project each replicate; empty unless all can be."""
    known = [projection for m in row.measured if (projection := m.projection(length)) is not None]
    return known if len(known) == len(row.measured) else []


def _remarks(rows: Sequence[SummaryRow]) -> Iterator[str]:
    """Say of which rows a projection lacks something, or rests on what is doubtful."""
    unknown = [row for row in rows if any(m.epoch_batches is None for m in row.measured)]
    unmet = [row for row in rows if row not in unknown and any(m.epoch_starts is None for m in row.measured)]
    doubtful = [row for row in rows if row.is_doubtful]
    for lacking, text in ((unknown, _UNKNOWN), (unmet, _UNMET), (doubtful, _DOUBTFUL)):
        if lacking:
            yield f"{', '.join(dict.fromkeys(f'{row.step} with {row.loader}' for row in lacking))}: {text}"
