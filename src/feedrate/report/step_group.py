"""Sum up all loaders of one step on one workload: T_S, which of them lead, and what a better one could gain."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from feedrate.comparison.ranking import Noise, Ranking, noise_of, rank
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.records.estimate import Estimate
from feedrate.records.measurement import Measurement
from feedrate.records.window_estimates import Ratio
from feedrate.report.summary_row import SummaryRow

__all__ = ["Limit", "Spread", "StepGroup", "limit_of", "step_groups"]

Limit: TypeAlias = Literal["step", "loading", "unclear"]


@dataclass(frozen=True)
class Spread:
    """Hold a mean over the loaders of a step, and from where to where it differs between them."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class StepGroup:
    """Hold the rows of one step on one workload, size and device."""

    step: str
    rows: tuple[SummaryRow, ...]
    noise: Noise | None
    """How much what is the same in all rows differs between them; None: nothing shows it."""

    @property
    def whole(self) -> tuple[SummaryRow, ...]:
        """Select the rows with a number."""
        return tuple(row for row in self.rows if row.whole)

    @property
    def standing(self) -> tuple[SummaryRow, ...]:
        """Select the rows whose numbers may be rested on."""
        return tuple(row for row in self.rows if row.stands)

    @property
    def trains(self) -> bool:
        """Tell whether the step trains."""
        return any(row.trains for row in self.rows)

    @cached_property
    def step_s(self) -> Spread | None:
        """Average T_S over the loaders that stand, or over all if none does; None: nothing was measured."""
        each = [row.mean(_step_batch_s) for row in self.standing or self.whole]
        times = [seconds for seconds in each if seconds is not None]
        return Spread(statistics.fmean(times), min(times), max(times)) if times else None

    @cached_property
    def ranking(self) -> Ranking:
        """Rank the loaders that stand; see `feedrate.comparison.ranking.rank`."""
        rates = {row.loader: [math.log(rate) for rate in row.values(_samples_per_s)] for row in self.standing}
        return rank(rates, self.noise)

    @cached_property
    def gain(self) -> Estimate | None:
        """Estimate the logarithm of what a perfect loader would gain over the leaders, or over all if none leads.

        The interval is over their processes, or over the rounds of the only one; None: nothing stands.
        """
        leaders = self.ranking.leaders or self.ranking.order
        ratios = [m.loader_ratio() for row in self.standing if row.loader in leaders for m in row.measured]
        return Ratio.over(ratios).log if ratios else None

    @property
    def limit(self) -> Limit | None:
        """Name what limits the step; None: it does not train, or nothing stands."""
        return limit_of(self.gain) if self.trains and self.gain is not None else None

    def mark(self, row: SummaryRow) -> str:
        """Choose `*` for the one loader that leads, `~` for each of several that do, `?` for the doubtful."""
        if row.whole and row.is_doubtful:
            return "?"
        leaders = self.ranking.leaders
        if not row.stands or row.loader not in leaders:
            return ""
        return "*" if len(leaders) == 1 else "~"


def limit_of(gain: Estimate) -> Limit:
    """Name what limits a step of which that is the logarithm of what a perfect loader would gain.

    One side is named only where the whole interval says so; without an interval, where the mean does.
    """
    edge = math.log(Thresholds.max_ratio_to_one_side)
    low, high = (gain.mean, gain.mean) if gain.half is None else (gain.low, gain.high)
    return "step" if high <= edge else "loading" if low > edge else "unclear"


def step_groups(rows: Iterable[SummaryRow]) -> tuple[StepGroup, ...]:
    """Group the rows of one workload, size and device by step, in the order in which the steps first appear.

    T_S is the same for all loaders of a step, so its spread over them is the noise of a cell. A step that trains
    nothing takes microseconds, which say little: there it is the spread of T_L of a loader over the steps, if there are
    several.
    """
    by_step: dict[str, list[SummaryRow]] = {}
    for row in rows:
        by_step.setdefault(row.step, []).append(row)
    of_loaders = noise_of(_by_loader(row for members in by_step.values() for row in members))
    return tuple(StepGroup(step, tuple(members), _noise(members, of_loaders)) for step, members in by_step.items())


def _noise(members: Sequence[SummaryRow], of_loaders: Noise | None) -> Noise | None:
    standing = [row for row in members if row.stands]
    of_step = noise_of([[_log_mean(row.values(_step_batch_s)) for row in standing]])
    return of_step if any(row.trains for row in standing) else of_loaders or of_step


def _by_loader(rows: Iterable[SummaryRow]) -> list[list[float]]:
    """Collect T_L, as a logarithm, of each loader over the steps."""
    by_loader: dict[str, list[float]] = {}
    for row in rows:
        if row.stands:
            by_loader.setdefault(row.loader, []).append(_log_mean(row.values(_loader_batch_s)))
    return list(by_loader.values())


def _log_mean(values: Iterable[float]) -> float:
    return statistics.fmean(map(math.log, values))


def _samples_per_s(measurement: Measurement) -> float:
    return measurement.samples_per_s


def _step_batch_s(measurement: Measurement) -> float:
    return measurement.step_batch_s


def _loader_batch_s(measurement: Measurement) -> float:
    return measurement.loader_batch_s
