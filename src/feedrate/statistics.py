"""What a handful of replicates say about the mean they come from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """A mean and how far from it the truth may lie."""

    mean: float
    half: float | None
    """Half the width of the interval around the mean; None: one value says nothing about it."""

    @property
    def low(self) -> float:
        """Lower end of the interval; minus infinity without one."""
        return -math.inf if self.half is None else self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval; infinity without one."""
        return math.inf if self.half is None else self.mean + self.half


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of independent replicates, with Student's t interval around it.

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
