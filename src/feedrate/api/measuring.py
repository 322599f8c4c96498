"""Measure cells, and show and keep outcomes as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from feedrate.api.resources import Resources
from feedrate.plugin.cell import Cell
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.validity import is_doubtful
from feedrate.report.progress import Progress, run_progress
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.records.measurement import Outcome

__all__ = ["AGAIN_S", "again_line", "measured", "measured_again", "measured_once", "unmet_reasons"]

AGAIN_S = 120.0
"""Seconds at most for measuring once more what is doubtful."""


def measured(
    resources: Resources, cells: Sequence[Cell], replicates: int, order_seed: int | None = None
) -> Iterator[Outcome]:
    """Yield the outcomes of all cells as they come, each of them kept; their data sets are made first.

    `order_seed`: what their order follows from; None: it is that of `cells`.
    """
    resources.complain()
    resources.demand_places()
    resources.make_data(cell.recipe for cell in cells if not cell.unmet_needs)
    named = {str(cell): cell for cell in cells}
    with run_progress(resources.caller.console, quiet=resources.settings.quiet) as progress:
        for measured_now in resources.run.outcomes(cells, replicates, progress.begin, order_seed):
            outcome = replace(measured_now, order_seed=order_seed)
            resources.keep(outcome)
            progress.end(outcome)
            yield outcome
            if isinstance(outcome, Failure):
                yield from _in_place_of(outcome, named[outcome.cell], resources, replicates, progress)


def _in_place_of(
    failure: Failure, cell: Cell, resources: Resources, replicates: int, progress: Progress
) -> Iterator[Outcome]:
    """Yield the outcomes of what the settings have tried in place of a cell, until one runs; that one as often."""
    for rung in resources.settings.fallbacks.rungs(cell, failure):
        for replicate in range(failure.replicate, replicates):
            progress.begin(str(rung), replicates - replicate)
            outcome = replace(resources.run.measure(str(rung), replicate), in_place_of=failure.cell)
            resources.keep(outcome)
            progress.end(outcome)
            yield outcome
            if isinstance(outcome, Failure):
                break
        else:
            return


def measured_again(resources: Resources, limit_s: float) -> Iterator[Outcome]:
    """Measure each doubtful replicate of this session once more, under its own number, and yield what comes of it.

    None is begun that would end after `limit_s` seconds if it took as long as the longest so far.
    """
    doubtful = [kept for kept in resources.outcomes if isinstance(kept, Measurement) and is_doubtful(kept)]
    if not doubtful:
        return
    quiet, start_s, longest_s = resources.settings.quiet, now_s(), 0.0
    if not quiet:
        line = f"feedrate: {again_line(len(doubtful), 'replicate', limit_s)}"
        resources.caller.console.print(line, soft_wrap=True)
    with run_progress(resources.caller.console, quiet=quiet) as progress:
        for place, first in enumerate(doubtful):
            begin_s = now_s()
            if begin_s - start_s + longest_s > limit_s:
                return
            progress.begin(first.cell, len(doubtful) - place)
            outcome = resources.run.measure(first.cell, first.replicate)
            longest_s = max(longest_s, now_s() - begin_s)
            resources.keep(outcome)
            progress.end(outcome)
            yield outcome


def again_line(count: int, noun: str, limit_s: float) -> str:
    """Say how many are doubtful, and for how long they are measured once more at most."""
    which = f"1 {noun} is doubtful; it" if count == 1 else f"{count} {noun}s are doubtful; each"
    return f"{which} is measured once more, for {limit_s / 60:.0f} min at most in all"


def measured_once(resources: Resources, cell: Cell, number: int) -> Outcome:
    """Measure one replicate of one cell; it is kept by whoever asks."""
    if cell.unmet_needs:
        return resources.run.unavailable(str(cell), unmet_reasons(cell), number)
    resources.make_data([cell.recipe])
    return resources.run.measure(str(cell), number)


def unmet_reasons(cell: Cell) -> str:
    """Give what this machine lacks for a cell, and how to get it; empty: nothing."""
    return "; ".join(need.reason for need in cell.unmet_needs)
