"""Sum up what the beginnings of epochs take longer than other batches, loader and step together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.records.digits import significant
from feedrate.records.estimate import Estimate

__all__ = ["EpochStarts"]

_DIGITS = 4
_LEAST = 4
"""Gaps between other batches from which it is known what is usual."""


@dataclass(frozen=True)
class EpochStarts:
    """Hold what the first batch of an epoch took longer than other batches; the very first epoch does not count."""

    count: int
    """How many were met."""
    mean_s: float
    """Seconds more than the mean of the others; 0 where it is less."""
    spread_s: float | None
    """Standard deviation over those that were met; None: it is not known."""
    in_windows: float
    """How many of them `full_windows` hold; of a person's own training, whose windows have the mean spread over all
    batches, their batches over those of an epoch."""

    @classmethod
    def of(cls, starts_s: Sequence[float], others_s: Sequence[float], in_windows: float) -> EpochStarts | None:
        """Compare gaps that end with the first batch of an epoch with all others; None: too few of either were met."""
        if not starts_s or len(others_s) < _LEAST:
            return None
        usual_s = statistics.fmean(others_s)
        spread_s = statistics.stdev(starts_s) if len(starts_s) > 1 else None
        return cls(
            count=len(starts_s),
            mean_s=significant(max(0.0, statistics.fmean(starts_s) - usual_s), _DIGITS),
            spread_s=None if spread_s is None else significant(spread_s, _DIGITS),
            in_windows=in_windows,
        )

    @property
    def mean(self) -> Estimate:
        """Give `mean_s` with its 95 % interval, Student's; without one where the spread is not known."""
        if self.spread_s is None:
            return Estimate(self.mean_s, None)
        # Imported late: it takes longer than everything else that a table needs.
        from scipy.special import stdtrit

        quantile = float(stdtrit(self.count - 1, 0.975))
        return Estimate(self.mean_s, quantile * self.spread_s / math.sqrt(self.count))
