"""Draw the waterfall of a diagnosis: how a batch's time builds up from the step alone to both together."""

from __future__ import annotations

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.formatting import bare_ms, signed_ms
from feedrate.report.page.chart import NEUTRAL, Chart, hover, label
from feedrate.report.waterfall import bars_of

__all__ = ["waterfall_chart"]

_COLOURS = {"green": "#59a14f", "yellow": "#f28e2b", "cyan": "#4e79a7", "red": "#e15759", "dim": NEUTRAL}
_READING = (
    "The step alone, what each stage of loading adds to it, and both together; a bar to the left takes away. Thin "
    "lines are 95 % intervals."
)
_LINE, _REST = 30, 90


def waterfall_chart(key: str, diagnosis: Diagnosis) -> Chart:
    """Draw one cell that was taken apart."""
    bars = list(bars_of(diagnosis.evidence))
    trace = {
        "type": "bar",
        "orientation": "h",
        "base": [1e3 * bar.start_s for bar in bars],
        "x": [1e3 * bar.cost.mean for bar in bars],
        "y": list(range(len(bars))),
        "text": [
            hover(bar.name.strip(), f"{signed_ms(bar.cost.mean)} ms", f"± {bare_ms(bar.cost.half)} ms") for bar in bars
        ],
        "textposition": "none",
        "hoverinfo": "text",
        "error_x": {
            "type": "data",
            "array": [1e3 * (bar.cost.half or 0.0) for bar in bars],
            "visible": any(bar.cost.half for bar in bars),
            "color": NEUTRAL,
            "thickness": 1.2,
        },
        "marker": {"color": [_COLOURS[bar.style] for bar in bars]},
        "showlegend": False,
    }
    layout = {
        "bargap": 0.35,
        "xaxis": {"title": {"text": "ms a batch"}},
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(bars))),
            "ticktext": [label(bar.name.strip()) for bar in bars],
            "range": [len(bars) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        },
    }
    return Chart(f"waterfall-{key}", diagnosis.cell, _READING, [trace], layout, _REST + _LINE * len(bars))
