"""Sum up the seconds from batch to batch of loader and step together: their spread, and where the long ones lie."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from feedrate.records.digits import significant

__all__ = ["BatchGaps", "LongGap"]

_LONGEST = 10
_SAMPLES = 100
"""At most; the others are in the quantiles."""
_DIGITS = 4
"""That count: a clock that is read between batches gives no more."""


@dataclass(frozen=True)
class LongGap:
    """Place one of the longest gaps."""

    s: float
    window: int
    """Number of the full window, from 0."""
    batch: int
    """Number, in that window and from 0, of the batch that the gap ends with."""


@dataclass(frozen=True)
class BatchGaps:
    """Sum up seconds from batch to batch on the host in the full windows: jitter, never the mean's source.

    The first gap of a window begins with it; in records without `rounds` the first batch of a window ends no gap. Times
    are None where there is no gap; all but the sample have four digits.
    """

    count: int = 0
    mean_s: float | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    """Quantiles; between two gaps, linear."""
    max_s: float | None = None
    longest: tuple[LongGap, ...] = ()
    """The longest ten, in the order of their lengths."""
    sample_us: tuple[float, ...] = ()
    """At most a hundred, evenly spaced by number and in the order of time, the first and the last among them; in whole
    microseconds, or to three digits where that is less."""

    @property
    def sample_s(self) -> tuple[float, ...]:
        """Give the sample in seconds."""
        return tuple(us / 1e6 for us in self.sample_us)

    @classmethod
    def of(cls, windows: Iterable[Sequence[float]], first: int = 1) -> BatchGaps:
        """Sum up the gaps of each full window, in the order in which they came.

        `first`: number, in its window, of the batch that the first gap ends with.
        """
        placed = [
            LongGap(s, window, batch)
            for window, gaps in enumerate(windows)
            for batch, s in enumerate(gaps, start=first)
        ]
        if not placed:
            return cls()
        all_s = [gap.s for gap in placed]
        # One gap is every quantile.
        cuts = statistics.quantiles(all_s, n=100, method="inclusive") if len(all_s) > 1 else all_s * 99
        return cls(
            count=len(all_s),
            mean_s=_short(statistics.fmean(all_s)),
            p50_s=_short(cuts[49]),
            p90_s=_short(cuts[89]),
            p95_s=_short(cuts[94]),
            p99_s=_short(cuts[98]),
            max_s=_short(max(all_s)),
            longest=tuple(
                LongGap(_short(gap.s), gap.window, gap.batch)
                for gap in heapq.nlargest(_LONGEST, placed, key=lambda gap: gap.s)
            ),
            sample_us=tuple(map(_microseconds, _spaced(all_s))),
        )


def _spaced(values: Sequence[float]) -> Sequence[float]:
    if len(values) <= _SAMPLES:
        return values
    return [values[round(place * (len(values) - 1) / (_SAMPLES - 1))] for place in range(_SAMPLES)]


def _microseconds(seconds: float) -> float:
    us = seconds * 1e6
    return round(us) if us >= 100 else significant(us, 3)


def _short(seconds: float) -> float:
    return significant(seconds, _DIGITS)
