"""Draw memory beside throughput, and the cells of each step that no other beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feedrate.formatting import megabytes, number
from feedrate.report.page.chart import NEUTRAL, Chart, Colours, Trace, halves, hover, log_axis
from feedrate.report.step_group import StepGroup
from feedrate.report.summary_row import SummaryRow

__all__ = ["front", "memory_chart"]

_READING = (
    "Further left takes less memory, higher trains faster. The dotted line of a step joins its loaders that no other "
    "beats in both; what is below it costs memory or speed for nothing."
)


def memory_chart(key: str, title: str, groups: Sequence[StepGroup], colours: Colours) -> Chart | None:
    """Draw the peak of the host's memory against samples a second; None where nobody measured it."""
    rows = [row for group in groups for row in group.whole if _memory(row)]
    if not rows:
        return None
    loaders = list(dict.fromkeys(row.loader for row in rows))
    fronts = [_front_line([row for row in group.whole if _memory(row)]) for group in groups]
    points = [_points(loader, [row for row in rows if row.loader == loader], colours) for loader in loaders]
    layout = {
        "xaxis": {"title": {"text": "peak of host memory, MB"}, "rangemode": "tozero"},
        "yaxis": log_axis("samples/s", map(_rate, rows)),
    }
    return Chart(f"memory-{key}", title, _READING, [*fronts, *points], layout, height=340)


def front(rows: Sequence[SummaryRow]) -> Iterator[SummaryRow]:
    """Yield the rows that no other beats in both memory and rate, from the least memory up."""
    best = 0.0
    for row in sorted(rows, key=lambda row: (_memory(row), -_rate(row))):
        if _rate(row) > best:
            best = _rate(row)
            yield row


def _memory(row: SummaryRow) -> float:
    return row.mean(lambda m: m.host_peak_bytes) or 0.0


def _rate(row: SummaryRow) -> float:
    return row.samples_per_s.mean if row.samples_per_s else 0.0


def _front_line(rows: Sequence[SummaryRow]) -> Trace:
    best = list(front(rows))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [_memory(row) / 1e6 for row in best],
        "y": [_rate(row) for row in best],
        "line": {"dash": "dot", "width": 1.5, "color": NEUTRAL},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _points(loader: str, rows: Sequence[SummaryRow], colours: Colours) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [_memory(row) / 1e6 for row in rows],
        "y": [_rate(row) for row in rows],
        "error_y": {**halves([row.samples_per_s for row in rows], 1.0), "color": colours.colour(loader)},
        "text": [
            hover(row.cell, f"{number(_rate(row), 4)} samples/s", f"host {megabytes(_memory(row))} MB") for row in rows
        ],
        "hoverinfo": "text",
        "marker": {
            "color": colours.colour(loader),
            "symbol": [colours.symbol(row.step, hollow=row.is_doubtful) for row in rows],
            "size": 10,
        },
    }
