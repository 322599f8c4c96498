"""Describe a picture for plotly as plain values, with colours, marks and axes that all pictures share."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from feedrate.records.estimate import Estimate
from feedrate.report.console import harmless

__all__ = ["NEUTRAL", "Chart", "Colours", "Trace", "halves", "hover", "label", "log_axis", "shown"]

Trace: TypeAlias = dict[str, object]
"""One series of plotly, as its JSON has it."""

_SERIES = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#2ba7a0", "#9c755f", "#d4a017", "#ff7f9e", "#7f7f7f")
"""Readable on white and on black alike."""
_SYMBOLS = {
    "circle": "●",
    "diamond": "◆",
    "square": "■",
    "triangle-up": "▲",
    "cross": "✚",
    "star": "★",
    "hexagon": "⬢",
    "triangle-down": "▼",
}
"""Marks, as plotly names them and as a text has them."""
NEUTRAL = "#8a8f98"
"""Of lines and marks that belong to no loader."""
_LONGEST_LABEL = 30
_DIGITS = 6
_WIDE = 100.0
"""Ratio of the ends of a logarithmic axis beyond which only powers of ten are named."""


@dataclass(frozen=True)
class Chart:
    """Hold one picture: what plotly draws, and what is told of it in words."""

    key: str
    """Its identifier on the page."""
    title: str
    """What it is about, among pictures of its kind."""
    reading: str
    """How to read it, in one sentence."""
    data: Sequence[Trace]
    layout: Mapping[str, object]
    height: int = 380
    """Pixels."""

    @property
    def figure(self) -> dict[str, object]:
        """Give what plotly is to draw."""
        return {"data": _shortened(list(self.data)), "layout": {"height": self.height, **self.layout}}


class Colours:
    """Gives each loader a colour and each step a mark, the same in all pictures of a page."""

    def __init__(self, loaders: Iterable[str], steps: Iterable[str]) -> None:
        self._loaders = {name: place for place, name in enumerate(dict.fromkeys(loaders))}
        self._steps = {name: place for place, name in enumerate(dict.fromkeys(steps))}

    def colour(self, loader: str) -> str:
        """Give the colour of a loader; beyond ten they come again."""
        return _SERIES[self._loaders[loader] % len(_SERIES)]

    def symbol(self, step: str, *, hollow: bool = False) -> str:
        """Give the mark of a step; hollow: it is doubtful."""
        return [*_SYMBOLS][self._steps[step] % len(_SYMBOLS)] + ("-open" if hollow else "")

    def mark(self, step: str) -> str:
        """Give the mark of a step, as a text has it."""
        return _SYMBOLS[self.symbol(step)]


def shown(text: str) -> str:
    """Write a text so that plotly, which obeys some tags of HTML, shows it as it is."""
    return html.escape(harmless(text), quote=False)


def label(text: str) -> str:
    """Write a name beside an axis, its end cut off where it is long."""
    return shown(text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…")


def hover(*lines: str) -> str:
    """Write what is shown beside a mark: lines, of which the first is bold."""
    first, *others = map(shown, lines)
    return "<br>".join([f"<b>{first}</b>", *others])


def halves(estimates: Iterable[Estimate | None], scale: float) -> dict[str, object]:
    """Draw intervals as bars, each half as long as it is wide; none where there is none."""
    lengths = [scale * (each.half or 0.0) if each else 0.0 for each in estimates]
    # A logarithmic axis has no room below zero, and plotly would draw no bar at all.
    means = [scale * each.mean if each else 0.0 for each in estimates]
    below = [min(length, 0.99 * mean) for length, mean in zip(lengths, means, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": lengths,
        "arrayminus": below,
        "thickness": 1.2,
        "width": 0,
        "visible": any(lengths),
    }


def log_axis(title: str, values: Iterable[float | None]) -> dict[str, object]:
    """Describe a logarithmic axis for values; ticks are powers of ten, and 2 and 5 between them where there is room."""
    known = [value for value in values if value]
    wide = bool(known) and max(known) > _WIDE * min(known)
    return {
        "type": "log",
        "title": {"text": title, "standoff": 8},
        "dtick": 1 if wide else "D2",
        "exponentformat": "none",
        "separatethousands": True,
    }


def _shortened(value: object) -> object:
    """Round numbers to more digits than a picture shows: a page of many is sent more easily."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value
