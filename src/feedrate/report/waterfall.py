"""Draw how a batch's time builds up: the step alone, what each stage of loading adds, and both together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.formatting import bare_ms, signed_ms
from feedrate.report.grid import GAP, Column, Row, print_grid

if TYPE_CHECKING:
    from feedrate.diagnosis.evidence import Evidence
    from feedrate.records.estimate import Estimate

__all__ = ["Bar", "bars_of", "print_waterfall", "waterfall"]

_WIDTH, _NARROW = 40, 10
"""Characters of the longest bar, and where there is little room."""
_COLUMNS = (Column(""), Column("ms", right=True), Column("+-", right=True, leaves=2), Column("", leaves=1))


def print_waterfall(console: Console, evidence: Evidence) -> None:
    """Print one line for each part of T_F: its milliseconds a batch, half its interval, and a bar."""
    bars = list(bars_of(evidence))
    longest = max(max(bar.start_s, bar.start_s + bar.cost.mean) for bar in bars)
    texts = [(bar.name, signed_ms(bar.cost.mean), bare_ms(bar.cost.half)) for bar in bars]
    taken = sum(max(map(len, column)) + GAP for column in zip(*texts, strict=True))
    width = max(_NARROW, min(_WIDTH, console.width - taken))
    mark = "█" if console.is_terminal else "#"
    rows = [
        Row((*text, Text(_drawn(bar, longest, width, mark), style=bar.style if console.is_terminal else "")))
        for bar, text in zip(bars, texts, strict=True)
    ]
    print_grid(console, _COLUMNS, rows)


def waterfall(evidence: Evidence) -> Iterator[tuple[str, Estimate]]:
    """Yield the parts of T_F by name, seconds a batch, in the order in which they are drawn."""
    yield from ((bar.name.removeprefix("  + "), bar.cost) for bar in bars_of(evidence))


@dataclass(frozen=True)
class Bar:
    """Hold one line of the waterfall."""

    name: str
    cost: Estimate
    start_s: float
    """Where it begins."""
    style: str = ""


def bars_of(evidence: Evidence) -> Iterator[Bar]:
    """Yield the step alone, then what each stage adds, then both together and the loader alone."""
    yield Bar("T_S step alone", evidence.step_s, 0.0, "green")
    at = evidence.step_s.mean
    for part in evidence.stage_parts:
        if part.stages != ("read cold",):
            yield Bar(f"  + {part.name}", part.cost, at, "yellow")
            at += part.cost.mean
    if evidence.unexplained_s is not None:
        yield Bar("  + unexplained", evidence.unexplained_s, at, "dim")
    yield Bar("T_F together", evidence.full_s, 0.0, "cyan")
    if "read cold" in evidence.parts:
        yield Bar("  + read cold", evidence.parts["read cold"], evidence.full_s.mean, "red")
    yield Bar("T_L loader alone", evidence.loader_s, 0.0, "dim")
    at = 0.0
    for loading in evidence.loading_parts:
        yield Bar(f"  {loading.stage}", loading.cost, at, "dim")
        at += loading.cost.mean
    if evidence.loading_parts and evidence.loading_rest_s is not None:
        yield Bar("  unexplained", evidence.loading_rest_s, at, "dim")


def _drawn(bar: Bar, longest: float, width: int, mark: str) -> str:
    start, end = sorted((bar.start_s, bar.start_s + bar.cost.mean))
    first, last = (round(width * max(0.0, at) / longest) for at in (start, end))
    return " " * first + mark * max(last - first, 1 if bar.cost.mean > 0 else 0)
