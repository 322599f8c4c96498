"""Estimate the mean that a handful of replicates come from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "estimate", "replicates_for"]


@dataclass(frozen=True)
class Estimate:
    """Hold a mean, and how far from it the truth may lie."""

    mean: float
    half: float | None
    """Half the width of the interval around the mean; None: one value says nothing about it."""

    @property
    def low(self) -> float:
        """Give the lower end of the interval; minus infinity without one."""
        return -math.inf if self.half is None else self.mean - self.half

    @property
    def high(self) -> float:
        """Give the upper end of the interval; infinity without one."""
        return math.inf if self.half is None else self.mean + self.half

    def times(self, factor: float) -> Estimate:
        """Multiply all of it by a number that is not negative."""
        return Estimate(self.mean * factor, None if self.half is None else self.half * factor)

    @property
    def excludes_zero(self) -> bool:
        """Tell whether there is an interval that leaves out zero."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Average independent replicates, with Student's t interval around the mean.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no value to estimate a mean from")
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, None)
    # Imported late: it takes longer than everything else that a table needs.
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(values) - 1, (1 + confidence) / 2))
    return Estimate(mean, quantile * statistics.stdev(values) / math.sqrt(len(values)))


def replicates_for(known: Estimate, count: int, half: float, most: int = 100) -> int:
    """Count the replicates that would bring the interval down to `half`, if they scatter like those `count` did.

    Never fewer than one more, and no more than `most`: the answer is as rough as the scatter that it comes from.
    """
    from scipy.special import stdtrit

    if known.half is None or count < 2:
        return count + 1
    deviation = known.half * math.sqrt(count) / float(stdtrit(count - 1, 0.975))
    wanted = (n for n in range(count + 1, most) if float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n) <= half)
    return next(wanted, most)
