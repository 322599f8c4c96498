"""Times and ratios of times from the windows of one process, with intervals that respect drift and autocorrelation.

Total time over total samples, never a mean of windows: what one window in ten waits for is part of the number. The
interval comes from what each window, or each pair of neighbours, adds to the total's logarithm.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from feedrate.records.estimate import Estimate, estimate
from feedrate.records.window import Window, mean_sample_s

__all__ = ["Ratio", "clearly_slower", "paired_ratio", "ratio_is_within", "sample_time", "unpaired_ratio"]

_MOST_CORRELATED = 0.9
"""Autocorrelation above which a handful of windows says nothing of itself any more."""


@dataclass(frozen=True)
class Ratio:
    """Hold a ratio of two times; its interval is symmetrical in its logarithm."""

    log: Estimate
    """Its natural logarithm."""

    @classmethod
    def over(cls, processes: Sequence[Ratio]) -> Ratio:
        """Give the ratio over processes: of several each is one value, of one alone its own interval stands."""
        if len(processes) == 1:
            return processes[0]
        return cls(estimate([ratio.log.mean for ratio in processes]))

    @property
    def value(self) -> float:
        """Give the ratio."""
        return math.exp(self.log.mean)

    @property
    def low(self) -> float | None:
        """Give the lower end of the 95 % interval; None: there is none."""
        return None if self.log.half is None else math.exp(self.log.low)

    @property
    def high(self) -> float | None:
        """Give the upper end of the 95 % interval; None: there is none."""
        return None if self.log.half is None else math.exp(self.log.high)


def sample_time(windows: Sequence[Window]) -> Estimate:
    """Give seconds a sample with the 95 % interval of windows that followed one another."""
    mean, error = mean_sample_s(windows), _Error.of(_influences(windows))
    return Estimate(mean, None if error is None else mean * error.half)


def paired_ratio(above: Sequence[Window], below: Sequence[Window]) -> Ratio:
    """Divide the time a sample of one kind by that of another whose n-th window was timed next to its n-th.

    What both windows of a round have in common, a machine's pace above all, cancels from the interval.
    """
    error = _paired_error(above, below)
    return Ratio(Estimate(_log_ratio(above, below), None if error is None else error.half))


def ratio_is_within(above: Sequence[Window], below: Sequence[Window], share: float) -> bool:
    """Tell whether the standard error of `paired_ratio` is at most that share of it."""
    error = _paired_error(above, below)
    return error is not None and math.sqrt(error.variance) <= share


def _paired_error(above: Sequence[Window], below: Sequence[Window]) -> _Error | None:
    return _Error.of([up - down for up, down in zip(_influences(above), _influences(below), strict=True)])


def unpaired_ratio(above: Sequence[Window], below: Sequence[Window]) -> Ratio:
    """Divide times of windows from different times, both of which scatter for themselves (Welch's interval)."""
    errors = [_Error.of(_influences(windows)) for windows in (above, below)]
    both = [error for error in errors if error is not None]
    half = _Error.summed(both).half if len(both) == 2 else None
    return Ratio(Estimate(_log_ratio(above, below), half))


def clearly_slower(windows: Sequence[Window], others: Sequence[Window], factor: float) -> bool:
    """Tell whether windows take more than `factor` times what others take, and more than both groups scatter."""
    ratio = unpaired_ratio(windows, others)
    return ratio.value > factor and ratio.low is not None and ratio.low > 1


def _log_ratio(above: Sequence[Window], below: Sequence[Window]) -> float:
    return math.log(mean_sample_s(above) / mean_sample_s(below))


def _influences(windows: Sequence[Window]) -> list[float]:
    """What each window adds to the logarithm of the time a sample: their sum is 0; empty of one window.

    Source: the jackknife, Quenouille, Biometrika 43 (1956), and Tukey, Ann. Math. Statist. 29 (1958).
    """
    if len(windows) < 2:
        return []
    all_s, all_samples = sum(window.s for window in windows), sum(window.samples for window in windows)
    without = [math.log((all_s - window.s) / (all_samples - window.samples)) for window in windows]
    mean = statistics.fmean(without)
    return [(len(windows) - 1) * (mean - log) for log in without]


@dataclass(frozen=True)
class _Error:
    """How far the logarithm of a total may be from the truth."""

    variance: float
    """Square of its standard error."""
    freedom: float
    """Degrees of freedom of that."""

    @classmethod
    def of(cls, influences: Sequence[float]) -> _Error | None:
        """From what each window adds, in the order of time; None: one window has no scatter."""
        if not influences:
            return None
        count = _effective_number(influences)
        return cls(statistics.variance(influences, 0.0) / count, count - 1)

    @classmethod
    def summed(cls, errors: Sequence[_Error]) -> _Error:
        """Of a sum of independent terms; degrees of freedom by Satterthwaite, Biometrics Bulletin 2 (1946)."""
        variance = sum(error.variance for error in errors)
        if variance == 0:
            return cls(0.0, min(error.freedom for error in errors))
        return cls(variance, variance**2 / sum(error.variance**2 / error.freedom for error in errors))

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval, Student's."""
        # Imported late: it takes longer than everything else that a table needs.
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, 0.975)) * math.sqrt(self.variance)


def _effective_number(influences: Sequence[float]) -> float:
    """How many independent values tell as much: n (1 - r) / (1 + r), at least 2, r the correlation of neighbours.

    Source: Bayley and Hammersley, J. R. Statist. Soc. Suppl. 8 (1946), for a first-order process. A negative r counts
    as 0: windows that take turns would otherwise make an interval of nothing.
    """
    squares = sum(influence**2 for influence in influences)
    if squares == 0:
        return float(len(influences))
    products = sum(before * after for before, after in pairwise(influences))
    correlation = min(max(products / squares, 0.0), _MOST_CORRELATED)
    return max(2.0, len(influences) * (1 - correlation) / (1 + correlation))
