"""What a reader must know before believing a row: why it has no number, or what bends the number it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from feedrate.formatting import number
from feedrate.records.measurement import Failure
from feedrate.records.validity import remarks_on
from feedrate.report.summary_row import SummaryRow

__all__ = ["notes"]

_LEVELS = (0.5, 0.2, 0.05)
"""Shares above which prefetched batches, or a machine that changed its pace, are worth a word. A few levels rather than
each row's own figure: rows share a remark, and the figures are in the raw results."""
_TURNS = 1.3
"""Gain from overlapping the two that is worth a word: near balance a finite buffer alone costs 3 to 14 %."""


def notes(row: SummaryRow) -> Iterator[str]:
    """Yield one line for each thing worth knowing, the worst first."""
    yield from dict.fromkeys(_failure(row, failure) for failure in row.failed)
    if row.whole:
        yield from (f"doubtful: the same to the last bit as {cell}: one is the other's number" for cell in row.twins)
        yield from _settings(row)
        yield from remarks_on(row.measured)
        yield from _bent(row)


def _failure(row: SummaryRow, failure: Failure) -> str:
    if failure.why == "unavailable":
        return f"n/a: {failure.reason}"
    total = len(row.failed) + len(row.measured)
    count = f", {len(row.failed)} of {total} replicates" if row.measured else ""
    log = f" (log: {failure.log})" if failure.log and failure.log not in failure.reason else ""
    return f"failed, {failure.why}{count}: {failure.reason}{log}"


def _settings(row: SummaryRow) -> Iterator[str]:
    if any(m.requested.get("safe") for m in row.measured):
        yield "fallback, safe mode: 0 worker processes, whatever the loader's knobs say"


def _bent(row: SummaryRow) -> Iterator[str]:
    bias = _level(m.prefetch_bias for m in row.measured)
    if bias:
        yield f"batches made before the windows may flatter it by more than {bias}: a longer --seconds lowers that"
    # A step that trains nothing takes microseconds: its pace says nothing of the machine.
    drift = _level(abs(m.step_drift) for m in row.measured if m.loss_first is not None)
    if drift:
        yield f"the step alone changed its pace by more than {drift} during the run: the machine was not steady"
    recompiled = max(m.recompiles for m in row.measured)
    if recompiled:
        yield f"torch.compile built {recompiled} graphs again inside the run"
    skipped = max(m.skipped_updates for m in row.measured)
    if skipped:
        yield f"the optimizer skipped {number(skipped)} updates"
    # Together much slower than either alone: neither is to blame by itself.
    loader, step = row.mean(lambda m: m.loader_ceiling), row.mean(lambda m: m.step_ceiling)
    if loader is not None and step is not None and min(loader, step) > _TURNS:
        yield "together slower than either alone: they take turns, or compete for cores or memory"


def _level(shares: Iterable[float]) -> str:
    """The highest level that the largest share exceeds; empty if it exceeds none."""
    largest = max(shares, default=0.0)
    return next((f"{level:.0%}" for level in _LEVELS if largest > level), "")
