"""The tables that the bench prints."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from rich.table import Table
from timing import Timing

__all__ = ["consumers", "times"]


def times(timings: Iterable[Timing], size: str) -> Table:
    """Medians of everybody on every layout of one size, and the goals' ratios."""
    timings = [timing for timing in timings if timing.size == size]
    names = list(dict.fromkeys(timing.loader for timing in timings))
    table = Table(title=f"{size}: loader alone, ns a row, medians (a batch is widened on the host)")
    table.add_column("layout")
    table.add_column("GB stored", justify="right")
    for name in (*names, *(_RATIOS if "floor" in names else ())):
        table.add_column(name, justify="right")
    for layout in dict.fromkeys(timing.layout for timing in timings):
        here = [timing for timing in timings if timing.layout == layout]
        medians = {timing.loader: timing.median for timing in here}
        row = (f"{medians[name]:,.0f}" for name in names)
        table.add_row(layout, f"{here[0].stored_bytes / 1e9:.2f}", *row, *_ratios(medians))
    return table


def consumers(timings: Iterable[Timing], size: str) -> Table:
    """What taking a batch costs the thread that takes it: medians of everybody on every layout of one size."""
    timings = [timing for timing in timings if timing.size == size and timing.consumer_us]
    names = list(dict.fromkeys(timing.loader for timing in timings))
    table = Table(title=f"{size}: user CPU microseconds a batch of the consumer's thread, medians")
    table.add_column("layout")
    for name in names:
        table.add_column(name, justify="right")
    for layout in dict.fromkeys(timing.layout for timing in timings):
        medians = {t.loader: statistics.median(t.consumer_us) for t in timings if t.layout == layout}
        table.add_row(layout, *(f"{medians[name]:,.1f}" for name in names))
    return table


_RATIOS = ("of the floor", "x best other", "x workers")


def _ratios(medians: Mapping[str, float]) -> list[str]:
    if "floor" not in medians:
        return []
    ours = medians["rust_prefetch"]
    others = [time for name, time in medians.items() if name not in ("rust_prefetch", "floor")]
    return [f"{medians['floor'] / ours:.2f}", f"{min(others) / ours:.2f}", f"{medians['workers'] / ours:.1f}"]
