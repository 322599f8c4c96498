"""Print T_S and the ceilings of each loader with their intervals, and how the gaps between batches spread."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from feedrate.formatting import bare_ms
from feedrate.report.ceilings import ceiling_with_interval
from feedrate.report.grid import Column, Row, print_grid
from feedrate.report.summary_row import SummaryRow

__all__ = ["GAP_COLUMNS", "print_gaps"]

GAP_COLUMNS = (
    *(Column("step"), Column("loader"), Column("T_S ms", right=True, leaves=1)),
    *(Column("loader up to", right=True, leaves=4), Column("step up to", right=True, leaves=3)),
    *(Column(f"gap {name} ms", right=True, leaves=leaves) for name, leaves in (("p50", 0), ("p95", 2), ("p99", 0))),
    Column("longest stall ms", right=True),
)


def print_gaps(console: Console, rows: Sequence[SummaryRow]) -> None:
    """Print a line a row: ceilings with intervals, means of quantiles, and the longest stall of all replicates."""
    if rows:
        console.print()
        print_grid(console, GAP_COLUMNS, [Row(_texts(row)) for row in rows])


def _texts(row: SummaryRow) -> tuple[str, ...]:
    figures = (
        row.mean(lambda m: m.batch_gap_p50_s),
        row.mean(lambda m: m.batch_gap_p95_s),
        row.mean(lambda m: m.batch_gap_p99_s),
        row.largest(lambda m: m.longest_stall_s),
    )
    ceilings = (row.ceiling(lambda m: m.loader_ratio()), row.ceiling(lambda m: m.step_ratio()))
    step_ms, *gaps_ms = map(bare_ms, (row.mean(lambda m: m.step_batch_s), *figures))
    return row.step, row.loader, step_ms, *map(ceiling_with_interval, ceilings), *gaps_ms
