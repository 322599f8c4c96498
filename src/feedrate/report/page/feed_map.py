"""Draw the feed map: each cell a point, its step's time across and its loader's up, and the line where both balance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from feedrate.formatting import ABSENT, bare_ms
from feedrate.records.estimate import Estimate
from feedrate.report.ceilings import ceiling_text
from feedrate.report.page.chart import NEUTRAL, Chart, Colours, Trace, halves, hover, log_axis
from feedrate.report.step_group import StepGroup
from feedrate.report.summary_row import SummaryRow

__all__ = ["feed_map"]

_ROOM = 1.8
"""Factor that is left free around the points."""
_READING = (
    "Each mark is a cell: the further right, the longer its step takes; the higher, the longer its loader. Left of and "
    "above the dashed line of balance loading is what takes longer: push the loader; right of and below it the step "
    "is: push the step. Bars are 95 % intervals, a hollow mark is doubtful."
)


def feed_map(key: str, title: str, groups: Sequence[StepGroup], colours: Colours) -> Chart | None:
    """Draw the cells of one workload; None where none has a number."""
    rows = [row for group in groups for row in group.whole]
    if not rows:
        return None
    loaders = list(dict.fromkeys(row.loader for row in rows))
    points = [_points(loader, [row for row in rows if row.loader == loader], colours) for loader in loaders]
    (left, right), (low, high) = _ranges(rows)
    ends = [max(left, low), min(right, high)]
    layout = {
        "xaxis": {**log_axis("T_S: the step alone, ms a batch", (left, right)), "range": _log(left, right)},
        "yaxis": {**log_axis("T_L: the loader alone, ms a batch", (low, high)), "range": _log(low, high)},
    }
    sides = [*_sides(left, right, low, high), _line(ends)]
    return Chart(f"map-{key}", title, _READING, [*sides, *points], layout, height=400)


def _points(loader: str, rows: Sequence[SummaryRow], colours: Colours) -> Trace:
    steps, loads = [_step(row) for row in rows], [_loader(row) for row in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [1e3 * each.mean if each else None for each in steps],
        "y": [1e3 * each.mean if each else None for each in loads],
        "error_x": {**halves(steps, 1e3), "color": colours.colour(loader)},
        "error_y": {**halves(loads, 1e3), "color": colours.colour(loader)},
        "text": [_told(row, step, load) for row, step, load in zip(rows, steps, loads, strict=True)],
        "hoverinfo": "text",
        "marker": {
            "color": colours.colour(loader),
            "symbol": [colours.symbol(row.step, hollow=row.is_doubtful) for row in rows],
            "size": 11,
        },
    }


def _told(row: SummaryRow, step: Estimate | None, load: Estimate | None) -> str:
    return hover(
        row.cell,
        f"T_S {_with_half(step)}",
        f"T_L {_with_half(load)}",
        f"T_F {_with_half(row.time(lambda m: m.full_time()))}",
        f"loader up to {ceiling_text(row.mean(lambda m: m.loader_ceiling))}",
        f"step up to {ceiling_text(row.mean(lambda m: m.step_ceiling))}",
        *(["doubtful"] if row.is_doubtful else []),
    )


def _with_half(time: Estimate | None) -> str:
    if time is None:
        return ABSENT
    return f"{bare_ms(time.mean)} ms" if time.half is None else f"{bare_ms(time.mean)} ± {bare_ms(time.half)} ms"


def _step(row: SummaryRow) -> Estimate | None:
    return row.time(lambda m: m.step_time())


def _loader(row: SummaryRow) -> Estimate | None:
    return row.time(lambda m: m.loader_time())


def _ranges(rows: Sequence[SummaryRow]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Find from where to where both axes go, in milliseconds, so that a part of the line of balance is on them."""
    steps = [1e3 * each.mean for row in rows if (each := _step(row))]
    loads = [1e3 * each.mean for row in rows if (each := _loader(row))]
    left, right, low, high = min(steps), max(steps), min(loads), max(loads)
    if high < left:
        high = left
    elif right < low:
        right = low
    return (left / _ROOM, right * _ROOM), (low / _ROOM, high * _ROOM)


def _log(low: float, high: float) -> list[float]:
    return [math.log10(low), math.log10(high)]


def _sides(left: float, right: float, low: float, high: float) -> list[Trace]:
    """Shade the side on which loading takes longer, and name both."""
    start, end = max(left, low), min(right, high)
    shade: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [left, left, start, end, end if end < right else right, left],
        "y": [high, low if start > low else start, start, end, high, high],
        "fill": "toself",
        "fillcolor": "rgba(242,142,43,0.10)",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    names: Trace = {
        "type": "scatter",
        "mode": "text",
        "x": [left * 1.05, right / 1.05],
        "y": [high / 1.05, low * 1.05],
        "text": ["loading takes longer", "the step takes longer"],
        "textposition": ["bottom right", "top left"],
        "textfont": {"color": NEUTRAL},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [shade, names]


def _line(ends: Sequence[float]) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(ends),
        "y": list(ends),
        "line": {"dash": "dash", "width": 1.5, "color": NEUTRAL},
        "hoverinfo": "skip",
        "showlegend": False,
    }
