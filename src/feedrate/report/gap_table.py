"""Print how the gaps between batches spread, and T_S of each loader: the details of a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from feedrate.formatting import number
from feedrate.report.grid import Column, Row, print_grid
from feedrate.report.summary_row import SummaryRow

__all__ = ["GAP_COLUMNS", "print_gaps"]

GAP_COLUMNS = (
    *(Column("step"), Column("loader"), Column("T_S ms", right=True, leaves=1)),
    *(Column(f"gap {name} ms", right=True, leaves=leaves) for name, leaves in (("p50", 0), ("p95", 2), ("p99", 0))),
    Column("longest stall ms", right=True),
)


def print_gaps(console: Console, rows: Sequence[SummaryRow]) -> None:
    """Print a line a row: quantiles are means over its replicates, the longest stall is the longest of all."""
    if rows:
        console.print()
        print_grid(console, GAP_COLUMNS, [Row(_texts(row)) for row in rows])


def _texts(row: SummaryRow) -> tuple[str, ...]:
    figures = (
        row.mean(lambda m: m.step_batch_s),
        row.mean(lambda m: m.batch_gap_p50_s),
        row.mean(lambda m: m.batch_gap_p95_s),
        row.mean(lambda m: m.batch_gap_p99_s),
        row.largest(lambda m: m.longest_stall_s),
    )
    return row.step, row.loader, *(number(None if seconds is None else 1e3 * seconds) for seconds in figures)
