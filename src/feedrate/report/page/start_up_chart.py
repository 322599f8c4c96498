"""Draw what passes before the second update: imports, the model, the first batch, the first step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from feedrate.formatting import number
from feedrate.records.measurement import Measurement
from feedrate.report.page.cell_rows import cell_axis, cells_of, height_of
from feedrate.report.page.chart import Chart, Trace, hover
from feedrate.report.step_group import StepGroup
from feedrate.report.summary_row import SummaryRow

__all__ = ["start_up_chart"]

_READING = (
    "Seconds before a training is under way: torch imported (on a CPU once for all cells), data set opened and model "
    "built, the loader's first batch, and the first update with whatever it compiles."
)
_PARTS: tuple[tuple[str, str, Callable[[Measurement], float]], ...] = (
    ("imports", "#9aa3ad", lambda m: m.import_s),
    ("model built", "#76b7b2", lambda m: m.build_s),
    ("first batch", "#f28e2b", lambda m: m.first_batch_s),
    ("first step", "#4e79a7", lambda m: m.first_step_s),
)


def start_up_chart(key: str, title: str, groups: Sequence[StepGroup]) -> Chart | None:
    """Draw the start-up of one workload's cells, means over the replicates; None where none has a number."""
    rows = cells_of(groups)
    if not rows:
        return None
    bars = [_bars(place, rows) for place in range(len(_PARTS))]
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "legend": {"traceorder": "normal"},
        "xaxis": {"title": {"text": "s"}},
        "yaxis": cell_axis(rows),
    }
    return Chart(f"start-{key}", title, _READING, bars, layout, height_of(rows))


def _bars(part: int, rows: Sequence[SummaryRow]) -> Trace:
    name, colour, quantity = _PARTS[part]
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": [row.mean(quantity) for row in rows],
        "y": list(range(len(rows))),
        "text": [_told(row) for row in rows],
        "textposition": "none",
        "hoverinfo": "text",
        "marker": {"color": colour},
    }


def _told(row: SummaryRow) -> str:
    return hover(row.cell, *(f"{name} {number(row.mean(quantity))} s" for name, _, quantity in _PARTS))
