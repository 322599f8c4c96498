"""Say what is measured in place of a cell that ran out of memory, or whose workers failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell

if TYPE_CHECKING:
    from feedrate.plugin.workload import Workload
    from feedrate.records.measurement import Failure

__all__ = ["OOM", "Fallbacks"]

OOM = ("result", "ladder")
"""What becomes of a cell that runs out of memory: that is its result; or forms of it that need less are tried, too."""

_BATCHES = (0.75, 0.5)
"""Shares of the workload's own batch."""
_CRASHES = ("exception", "signal", "hang")


@dataclass(frozen=True)
class Fallbacks:
    """Which failures of a cell have others measured in its place; by default none, for a failure is a result."""

    oom_ladder: bool = False
    """Out of memory: less of it, rung by rung."""
    safe_retry: bool = False
    """A loader with processes of its own failed: without them."""

    def rungs(self, cell: Cell, failure: Failure) -> Iterator[Cell]:
        """Yield what to try in its place, the nearest first; the first one that runs is the answer."""
        if self.oom_ladder and failure.why == "out of memory":
            yield from _in_less_memory(cell)
        if self.safe_retry and failure.why in _CRASHES:
            loader = cell.loader.without_workers()
            if loader != cell.loader:
                yield replace(cell, loader=loader)


def _in_less_memory(cell: Cell) -> Iterator[Cell]:
    """Yield it with smaller chunks, then smaller batches as well, then steps that hold less besides."""
    for loader in cell.loader.in_less_memory():
        cell = replace(cell, loader=loader)
        yield cell
    for workload in _with_smaller_batches(cell.workload, cell.size):
        cell = replace(cell, workload=workload)
        yield cell
    for step in cell.step.in_less_memory():
        yield replace(cell, step=step)


def _with_smaller_batches(workload: Workload, size: str) -> Iterator[Workload]:
    """Yield it with shares of its own batch, where it has a knob for that which is of use as the others are set."""
    if "batch_size" not in workload.knobs:
        return
    samples = workload.batch_samples(size)
    for share in _BATCHES:
        with suppress(UsageError):
            smaller = workload.with_knobs({"batch_size": str(max(1, int(samples * share)))})
            if smaller.batch_samples(size) < samples:
                yield smaller
