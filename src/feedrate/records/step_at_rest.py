"""Find out whether a loader that is open, but at rest, slows the step: then T_S is what it takes without."""

from __future__ import annotations

import math
from collections.abc import Sequence

from feedrate.records.window import Window, mean_sample_s
from feedrate.records.window_estimates import clearly_slower

__all__ = ["is_slower_beside", "slowdown_beside"]

_NOTABLE = 1.05
"""Times the step without a stream, from which a slower one is worth asking why."""


def is_slower_beside(beside: Sequence[Window], alone: Sequence[Window]) -> bool:
    """Tell whether the step is notably slower beside a stream that rests, and clear of both groups' noise."""
    return clearly_slower(_undisturbed(beside), _undisturbed(alone), _NOTABLE)


def slowdown_beside(beside: Sequence[Window], before: Sequence[Window], after: Sequence[Window]) -> float | None:
    """Tell how many times slower the resting stream makes the step; None: not at all, or it may be the machine.

    It is the stream only if the step was quicker both before it was opened and after it was closed, and the two are
    nearer to each other than to what lies between.
    """
    if not (before and after and is_slower_beside(beside, before) and is_slower_beside(beside, after)):
        return None
    beside_s, before_s, after_s = (mean_sample_s(_undisturbed(windows)) for windows in (beside, before, after))
    apart = abs(math.log(after_s / before_s))
    if apart >= math.log(beside_s / before_s) / 2:
        return None
    return beside_s / mean_sample_s((*_undisturbed(before), *_undisturbed(after)))


def _undisturbed(windows: Sequence[Window]) -> list[Window]:
    """Leave out the slowest quarter: one moment in which the machine was busy must not pass for the scatter of all."""
    ranked = sorted(windows, key=lambda window: window.s / window.samples)
    return ranked[: len(ranked) - len(ranked) // 4]
