"""Choose the doubtful cells that `feedrate bench` measures once more, within a time that is said beforehand."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.validity import is_doubtful

__all__ = ["affordable", "doubtful_cells"]


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
