"""Find out whether numbers that follow each other grow, however noisy they are, and whether the growth ends."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from feedrate.diagnosis.symptom import Drift
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.records.soak import Pace

__all__ = ["drift", "machine_growth", "steady_growth"]

_LEAST = 3
"""Points of the first and of the last third of a trend."""
_MOST = 90
"""Points that are compared pair by pair; more are put together first."""


@dataclass(frozen=True)
class _Thirds:
    """Hold a quantity in the first, the middle and the last third of the batches."""

    first: Sequence[float]
    middle: Sequence[float]
    last: Sequence[float]

    @classmethod
    def of(cls, points: Sequence[Pace], quantity: Callable[[Pace], float]) -> _Thirds:
        begin, end = _middle(points[0]), _middle(points[-1])
        thirds: tuple[list[float], ...] = ([], [], [])
        for point in points:
            place = (_middle(point) - begin) / (end - begin) if end > begin else 0.0
            thirds[min(2, int(3 * place))].append(quantity(point))
        return cls(*thirds)

    @property
    def begin(self) -> float:
        return statistics.median(self.first)

    @property
    def now(self) -> float:
        return statistics.median(self.last)

    @property
    def growth(self) -> float:
        return self.now / self.begin if self.begin > 0 else 1.0

    @property
    def apart(self) -> bool:
        """Tell whether most of the last third lies above most of the first: three quarters of each."""
        return _quartiles(self.last)[0] > _quartiles(self.first)[2]

    @property
    def gradual(self) -> bool:
        """Tell whether the middle lies between: a machine that slows at one moment mostly leaves it at one end."""
        if not self.middle:
            return False
        between, least = statistics.median(self.middle), Thresholds.min_growth_of_each_third
        return between >= least * self.begin and self.now >= least * between


def _quartiles(values: Sequence[float]) -> Sequence[float]:
    return statistics.quantiles(values, method="inclusive")


def machine_growth(others: Sequence[Pace]) -> float:
    """Say how many times longer the machine takes at the end for the work of the other side; 1: no longer.

    Both sides take turns, and a machine slows both. Of time that nobody spends on a processor it says nothing.
    """
    points = _put_together(others)
    if not points:
        return 1.0
    times, cores = _growths(points)
    if min(len(times.first), len(times.last)) < _LEAST or not (times.apart and _works(times, cores)):
        return 1.0
    return max(1.0, min(times.growth, cores.growth))


def drift(before: Sequence[Pace], during: Sequence[Pace], machine: float = 1.0) -> Drift | None:
    """Tell whether batches take longer the higher their number, far beyond what a busy machine does; None: they do not.

    `before`, `during`: batches in windows, then those of the soak, which takes turns with the other side. Waits for a
    processor do not count, and wherever most of the rest is time on one, that must grow as well; where a side waits for
    something else, the soak alone must show it, too, for turns cost a queue more than a long drain does. By `machine`,
    which `machine_growth` of the other side gives, all of it is less.
    """
    points = _put_together([*before, *during])
    if not points:
        return None
    times, cores = _growths(points)
    if min(len(times.first), len(times.last)) < _LEAST or not times.apart:
        return None
    works = _works(times, cores)
    if times.now - machine * times.begin < Thresholds.min_drift_s or not (works or _slope(during).low > 0):
        return None
    if not (_has_grown_at_work(times, cores, machine) if works else _has_grown_in_waits(times, machine)):
        return None
    slope = _slope(points)
    batches = points[-1].number + points[-1].batches - points[0].number
    return Drift(times.begin, times.now, slope.median, slope.low, slope.high, batches) if slope.median > 0 else None


def _growths(points: Sequence[Pace]) -> tuple[_Thirds, _Thirds]:
    """Give seconds a batch without waits for a processor, and those on one."""
    times = _Thirds.of(points, lambda pace: pace.undisturbed_s)
    return times, _Thirds.of(points, lambda pace: pace.core_s / pace.batches)


def _works(times: _Thirds, cores: _Thirds) -> bool:
    return cores.now >= Thresholds.min_core_share_of_work * times.now


class _Slope(NamedTuple):
    """Hold the seconds a batch that each batch adds, and the ends of the 95 % interval."""

    median: float
    low: float
    high: float


def _slope(points: Sequence[Pace]) -> _Slope:
    """Take the median slope over all pairs (Theil 1950, Sen 1968)."""
    # Imported late: it takes longer than everything else that a table needs.
    from scipy.stats import theilslopes

    median, _, low, high = theilslopes([pace.undisturbed_s for pace in points], [*map(_middle, points)], 0.95)
    return _Slope(float(median), float(low), float(high))


def _has_grown_at_work(times: _Thirds, cores: _Thirds, machine: float) -> bool:
    growth = min(times.growth, cores.growth) / machine
    if times.gradual and cores.gradual:
        return growth >= Thresholds.min_growth_of_drift
    return growth >= Thresholds.min_growth_at_once


def _has_grown_in_waits(times: _Thirds, machine: float) -> bool:
    return times.growth / machine >= (
        Thresholds.min_growth_of_waiting if times.gradual else Thresholds.min_waiting_growth_at_once
    )


def _middle(pace: Pace) -> float:
    """Give the number of the batch in the middle."""
    return pace.number + pace.batches / 2


def _put_together(paces: Sequence[Pace]) -> Sequence[Pace]:
    """Put neighbours together, so that at most `_MOST` are left."""
    size = max(1, -(-len(paces) // _MOST))
    groups = [paces[start : start + size] for start in range(0, len(paces), size)]
    return [
        Pace(
            group[0].number,
            sum(pace.batches for pace in group),
            sum(pace.s for pace in group),
            sum(pace.core_s for pace in group),
            sum(pace.waited_s for pace in group),
        )
        for group in groups
    ]


def steady_growth(values: Sequence[float], least: float) -> float | None:
    """Give what was added from the first value to the last, if that is at least `least` and had no end; else None.

    Cut into pieces, each but the first must add a fair part: what is filled once, or goes up and down, does not.
    """
    pieces = Thresholds.pieces_of_growth
    if len(values) <= pieces:
        return None
    ends = [values[round(place * (len(values) - 1) / pieces)] for place in range(pieces + 1)]
    added = [after - before for before, after in pairwise(ends)]
    total = ends[-1] - ends[0]
    fair = Thresholds.min_piece_of_growth * total / pieces
    return total if total >= least and min(added[1:]) >= fair else None
