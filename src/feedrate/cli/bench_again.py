"""Measure the cells of `feedrate bench`, and once more those that are doubtful, within a time said beforehand."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from feedrate.api.measuring import AGAIN_S, again_line
from feedrate.cli.bench_asv import outcomes_of, run_asv
from feedrate.cli.bench_cells import asv_selection
from feedrate.cli.context import CommandContext
from feedrate.plugin.cell import Cell
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import is_doubtful

__all__ = ["affordable", "doubtful_cells", "measure_cells"]

_START_S = 20.0
"""Of the time for doubtful cells: what asv takes before it measures the first one."""


def measure_cells(
    ready: Sequence[Cell], replicates: int, shell: CommandContext, chosen: Mapping[str, str], raw: Path, *, once: bool
) -> int:
    """Have asv measure all cells and, unless `once`, the doubtful ones once more: 0, or 1 when a cell failed.

    Raises:
        UnavailableError: asv measured nothing, or was ended.
    """
    run_asv([asv_selection(ready)], len(ready) * replicates, replicates, shell, chosen, raw)
    if not once:
        _measure_again(ready, replicates, shell, chosen, raw)
    return int(any(map(_has_failed, outcomes_of(raw))))


def _measure_again(
    ready: Sequence[Cell], replicates: int, shell: CommandContext, chosen: Mapping[str, str], raw: Path
) -> None:
    outcomes = outcomes_of(raw)
    doubtful = doubtful_cells(outcomes)
    again = affordable(doubtful, outcomes, AGAIN_S - _START_S)
    if not again:
        return
    left = f" ({len(again)} of them fit into that)" if len(again) < len(doubtful) else ""
    shell.err.print(f"feedrate: {again_line(len(doubtful), 'cell', AGAIN_S)}{left}", soft_wrap=True)
    selections = [asv_selection([cell]) for cell in ready if str(cell) in again]
    run_asv(selections, len(selections) * replicates, replicates, shell, chosen, raw, limit_s=AGAIN_S)


def _has_failed(outcome: Outcome) -> bool:
    """Tell whether something went wrong; a cell that this machine cannot run has not failed."""
    return isinstance(outcome, Failure) and outcome.why != "unavailable"


def doubtful_cells(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """List the cells with a doubtful replicate, in the order in which they were measured."""
    doubtful = (outcome.cell for outcome in outcomes if isinstance(outcome, Measurement) and is_doubtful(outcome))
    return tuple(dict.fromkeys(doubtful))


def affordable(cells: Iterable[str], outcomes: Sequence[Outcome], limit_s: float) -> tuple[str, ...]:
    """Take the first of the cells that were measured, together, within `limit_s` seconds: they will be again."""
    took_s, chosen, spent_s = _durations(outcomes), [], 0.0
    for cell in cells:
        spent_s += took_s[cell]
        if spent_s > limit_s:
            break
        chosen.append(cell)
    return tuple(chosen)


def _durations(outcomes: Sequence[Outcome]) -> Mapping[str, float]:
    """Add up seconds from the start of each replicate to that of the next one, by cell; of the last the median."""
    ran = [outcome for outcome in outcomes if isinstance(outcome, Measurement) or outcome.why != "unavailable"]
    starts = [datetime.fromisoformat(outcome.started) for outcome in ran]
    seconds = [(after - before).total_seconds() for before, after in pairwise(starts)]
    took_s = dict.fromkeys((outcome.cell for outcome in ran), 0.0)
    for outcome, each_s in zip(ran, [*seconds, statistics.median(seconds or [0.0])], strict=True):
        took_s[outcome.cell] += each_s
    return took_s
