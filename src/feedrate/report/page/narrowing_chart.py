"""Draw the pairs of a comparison, and how the interval around A's speed narrowed with them."""

from __future__ import annotations

import math

from feedrate.comparison.paired_test import FIRST_LOOK
from feedrate.formatting import number
from feedrate.records.estimate import estimate
from feedrate.report.page.chart import NEUTRAL, Chart, Trace, hover
from feedrate.report.page.run_file import KeptComparison

__all__ = ["narrowing_chart"]

_READING = (
    "Each mark is a pair of processes: how many times B's speed A had. The band is the interval around their mean "
    "after so many pairs. Above the dashed line of 1 A is faster; within the dotted lines of the margin they are the "
    "same."
)
_BLUE = "#4e79a7"


def narrowing_chart(key: str, comparison: KeptComparison) -> Chart | None:
    """Draw a comparison; None where no pair stands."""
    ratios = comparison.log_ratios
    if not ratios:
        return None
    counts = list(range(1, len(ratios) + 1))
    speeds = [math.exp(ratio) for ratio in ratios]
    pairs: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "a pair",
        "x": counts,
        "y": speeds,
        "text": [
            hover(f"pair {count}", f"A's speed x{number(speed)}") for count, speed in zip(counts, speeds, strict=True)
        ],
        "hoverinfo": "text",
        "marker": {"color": NEUTRAL, "size": 8},
    }
    layout = {
        "xaxis": {
            "title": {"text": "pairs"},
            "range": [0.5, len(ratios) + 0.5],
            "dtick": max(1, round(len(ratios) / 8)),
        },
        "yaxis": {"title": {"text": "A's speed over B's"}, "type": "log", "exponentformat": "none"},
    }
    data = [*_lines(comparison, len(ratios)), *_band(comparison), pairs]
    return Chart(f"pairs-{key}", "Pairs, and the interval as it narrowed", _READING, data, layout)


def _band(comparison: KeptComparison) -> list[Trace]:
    counts = list(range(FIRST_LOOK, len(comparison.log_ratios) + 1))
    speedups = [estimate(comparison.log_ratios[:count], comparison.confidence) for count in counts]
    if not speedups:
        return []
    shared: Trace = {"type": "scatter", "mode": "lines", "x": counts, "hoverinfo": "skip"}
    edge = {"width": 0, "color": _BLUE}
    told = [
        hover(f"after {count} pairs", f"x{number(math.exp(each.mean))}", f"{_ends(each.low, each.high)}")
        for count, each in zip(counts, speedups, strict=True)
    ]
    return [
        {**shared, "y": [math.exp(each.low) for each in speedups], "line": edge, "showlegend": False},
        {
            **shared,
            "y": [math.exp(each.high) for each in speedups],
            "line": edge,
            "fill": "tonexty",
            "fillcolor": "rgba(78,121,167,0.25)",
            "name": "interval",
        },
        {
            **shared,
            "y": [math.exp(each.mean) for each in speedups],
            "line": {"color": _BLUE, "width": 2},
            "name": "mean",
            "text": told,
            "hoverinfo": "text",
        },
    ]


def _ends(low: float, high: float) -> str:
    return f"{number(math.exp(low))} to {number(math.exp(high))}"


def _lines(comparison: KeptComparison, count: int) -> list[Trace]:
    levels = [(1.0, "dash"), (1 + comparison.margin, "dot"), (1 / (1 + comparison.margin), "dot")]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0.5, count + 0.5],
            "y": [level, level],
            "line": {"dash": dash, "width": 1, "color": NEUTRAL},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        for level, dash in levels
    ]
