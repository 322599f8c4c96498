"""Draw how the times from batch to batch spread, and the longest stall of each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from feedrate.formatting import bare_ms
from feedrate.records.measurement import Measurement
from feedrate.report.page.cell_rows import cell_axis, cells_of, height_of
from feedrate.report.page.chart import NEUTRAL, Chart, Trace, hover, log_axis
from feedrate.report.step_group import StepGroup
from feedrate.report.summary_row import SummaryRow

__all__ = ["gap_chart"]

_READING = (
    "From the median gap to the longest one; a long line is a loop that stalls now and then, which no mean shows. "
    "Where the marks lie on one another batches come evenly."
)
_MARKS: tuple[tuple[str, str, str, Callable[[Measurement], float | None]], ...] = (
    ("median", "circle", "#4e79a7", lambda m: m.batch_gap_p50_s),
    ("p95", "line-ns-open", "#2ba7a0", lambda m: m.batch_gap_p95_s),
    ("p99", "line-ns-open", "#b07aa1", lambda m: m.batch_gap_p99_s),
    ("longest", "diamond", "#e15759", lambda m: m.longest_stall_s),
)
"""Name, mark, colour, and the quantity; quantiles are means over the replicates, the longest is the longest of all."""


def gap_chart(key: str, title: str, groups: Sequence[StepGroup]) -> Chart | None:
    """Draw the gaps of one workload's cells; None where no cell has any."""
    rows = [row for row in cells_of(groups) if row.mean(lambda m: m.batch_gap_p50_s)]
    if not rows:
        return None
    spans: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for row in rows for x in (_ms(row, 0), _ms(row, 3), None)],
        "y": [y for place in range(len(rows)) for y in (place, place, None)],
        "line": {"width": 2, "color": NEUTRAL},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    marks = [_marks(place, rows) for place in range(len(_MARKS))]
    layout = {
        "xaxis": log_axis("ms between batches", (_ms(row, mark) for row in rows for mark in range(len(_MARKS)))),
        "yaxis": cell_axis(rows),
    }
    return Chart(f"gaps-{key}", title, _READING, [spans, *marks], layout, height_of(rows))


def _ms(row: SummaryRow, mark: int) -> float | None:
    name, _, _, quantity = _MARKS[mark]
    seconds = row.largest(quantity) if name == "longest" else row.mean(quantity)
    return None if seconds is None else 1e3 * seconds


def _marks(mark: int, rows: Sequence[SummaryRow]) -> Trace:
    name, symbol, colour, _ = _MARKS[mark]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_ms(row, mark) for row in rows],
        "y": list(range(len(rows))),
        "text": [_told(row) for row in rows],
        "hoverinfo": "text",
        "marker": {"symbol": symbol, "color": colour, "size": 9, "line": {"width": 2, "color": colour}},
    }


def _told(row: SummaryRow) -> str:
    gaps = [f"{name} {bare_ms((_ms(row, place) or 0.0) / 1e3)} ms" for place, (name, *_) in enumerate(_MARKS)]
    longest = max(row.measured, key=lambda m: m.longest_stall_s or 0.0).batch_gaps.longest
    where = [f"the longest in window {longest[0].window}, batch {longest[0].batch}"] if longest else []
    return hover(row.cell, *gaps, *where)
