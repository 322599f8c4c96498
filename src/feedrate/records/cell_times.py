"""Work out what a cell takes, and what a better loader or step could gain, from windows of one process."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from feedrate.errors import DataError
from feedrate.records.estimate import Estimate
from feedrate.records.step_at_rest import slowdown_beside
from feedrate.records.window import MOST, Window, demand_work, mean_batch_s, mean_sample_s
from feedrate.records.window_estimates import Ratio, paired_ratio, sample_time, unpaired_ratio

__all__ = ["CellTimes"]


@dataclass(frozen=True)
class CellTimes:
    """Hold the windows of one replicate: the step alone, the loader alone, both together.

    Times, ceilings and their intervals are properties: each is worked out of these windows alone.
    """

    step_windows: tuple[Window, ...]
    """The step alone on resident batches: one window a round, beside the open stream, which rests. In records without
    `rounds`: half of them before and half after the rest."""
    loader_windows: tuple[Window, ...]
    """The loader alone, drained to the same place as in the full run; one window a round."""
    full_windows: tuple[Window, ...]
    """Both together; one window a round."""
    ahead_batches: int
    """Batches that may have been ready when a window began."""
    batch_samples: float | None = field(default=None, kw_only=True)
    """Mean samples of a planned batch. None in records of feedrate before it was kept."""
    rounds: int | None = field(default=None, kw_only=True)
    """Rounds of three windows that were timed by turns, in the order F S L, L S F, ...: the n-th window of each kind
    belongs to the n-th. None in records of feedrate before it did: each kind was timed in one block."""
    cut_discards: int | None = field(default=None, kw_only=True)
    """How often fewer than `ahead_batches` were discarded, for lack of time. None in records without `rounds`."""
    step_windows_before: tuple[Window, ...] = field(default=(), kw_only=True)
    """The step alone before the stream was opened."""
    step_windows_after: tuple[Window, ...] = field(default=(), kw_only=True)
    """The same after it was closed; empty where the windows of the rounds agreed with those before."""

    @property
    def step_batch_s(self) -> float:
        """Give T_S: seconds a batch of mean size, of the step alone."""
        return self._batch_s(self._windows_alone())

    @property
    def step_beside_resting_loader(self) -> float | None:
        """Tell how many times slower the open stream makes the step though nobody asks it for a batch.

        None: it does not, or it may as well be the machine. With a number T_S is what the step takes without it.
        """
        return slowdown_beside(self.step_windows, self.step_windows_before, self.step_windows_after)

    def _windows_alone(self) -> tuple[Window, ...]:
        """Give the windows that T_S is made of."""
        if self.step_beside_resting_loader is None:
            return self.step_windows
        return self.step_windows_before + self.step_windows_after

    @property
    def loader_batch_s(self) -> float:
        """Give T_L: seconds a batch of mean size, of the loader alone."""
        return self._batch_s(self.loader_windows)

    @property
    def full_batch_mean_s(self) -> float:
        """Give T_F: seconds a batch of mean size, of both together: total time over total samples, times the mean."""
        return self._batch_s(self.full_windows)

    def _batch_s(self, windows: tuple[Window, ...]) -> float:
        # Short windows over ragged days meet large and small ones in other shares each: seconds a batch would compare
        # days, not loaders.
        if self.batch_samples is None:
            return mean_batch_s(windows)
        return mean_sample_s(windows) * self.batch_samples

    @property
    def time_per_sample_s(self) -> float:
        """Give seconds a sample of both together."""
        return mean_sample_s(self.full_windows)

    @property
    def samples_per_s(self) -> float:
        """Give samples a second of both together."""
        return 1 / self.time_per_sample_s

    @property
    def batches_per_s(self) -> float:
        """Give batches a second of both together."""
        return 1 / self.full_batch_mean_s

    @property
    def loader_time_per_sample_s(self) -> float:
        """Give seconds a sample of the loader alone."""
        return mean_sample_s(self.loader_windows)

    @property
    def step_time_per_sample_s(self) -> float:
        """Give seconds a sample of the step alone."""
        return mean_sample_s(self._windows_alone())

    @property
    def loader_ceiling(self) -> float:
        """Divide T_F by T_S: the most that any loader can still gain here."""
        return self.full_batch_mean_s / self.step_batch_s

    @property
    def step_ceiling(self) -> float:
        """Divide T_F by T_L: the most that any step can still gain here."""
        return self.full_batch_mean_s / self.loader_batch_s

    def loader_ratio(self) -> Ratio:
        """Give `loader_ceiling` with its 95 % interval from the rounds; without one in records without `rounds`."""
        return self._ratio(self._windows_alone(), paired=self.step_beside_resting_loader is None)

    def step_ratio(self) -> Ratio:
        """Give `step_ceiling` with its 95 % interval from the rounds; without one in records without `rounds`."""
        return self._ratio(self.loader_windows, paired=True)

    @property
    def loader_ceiling_low(self) -> float | None:
        """Give the lower end of the 95 % interval of `loader_ceiling`; None: there is none."""
        return self.loader_ratio().low

    @property
    def loader_ceiling_high(self) -> float | None:
        """Give the upper end of the 95 % interval of `loader_ceiling`; None: there is none."""
        return self.loader_ratio().high

    @property
    def step_ceiling_low(self) -> float | None:
        """Give the lower end of the 95 % interval of `step_ceiling`; None: there is none."""
        return self.step_ratio().low

    @property
    def step_ceiling_high(self) -> float | None:
        """Give the upper end of the 95 % interval of `step_ceiling`; None: there is none."""
        return self.step_ratio().high

    def full_time(self) -> Estimate:
        """Give T_F, seconds a batch of mean size, with its 95 % interval from the rounds."""
        return self._time(self.full_windows)

    def loader_time(self) -> Estimate:
        """Give T_L, seconds a batch of mean size, with its 95 % interval from the rounds."""
        return self._time(self.loader_windows)

    def step_time(self) -> Estimate:
        """Give T_S, seconds a batch of mean size, with its 95 % interval from the windows that it is made of."""
        return self._time(self._windows_alone())

    def _time(self, windows: tuple[Window, ...]) -> Estimate:
        batch_s, estimate = self._batch_s(windows), sample_time(windows)
        if self.rounds is None or estimate.half is None:
            return Estimate(batch_s, None)
        return Estimate(batch_s, estimate.half / estimate.mean * batch_s)

    def _ratio(self, others: tuple[Window, ...], *, paired: bool) -> Ratio:
        """Divide T_F by the time of other windows."""
        if self.rounds is None:
            return Ratio(Estimate(math.log(self.full_batch_mean_s / self._batch_s(others)), None))
        ratio = paired_ratio if paired and len(others) == len(self.full_windows) else unpaired_ratio
        return ratio(self.full_windows, others)

    @property
    def stall_share(self) -> float:
        """Give 1 - T_S / T_F: the share of the time that the step is not what runs."""
        return 1 - self.step_batch_s / self.full_batch_mean_s

    @property
    def overlap(self) -> float:
        """Give (T_L + T_S - T_F) / min(T_L, T_S): 1 perfect, 0 serial."""
        t_l, t_s, t_f = self.loader_batch_s, self.step_batch_s, self.full_batch_mean_s
        return (t_l + t_s - t_f) / min(t_l, t_s)

    @property
    def prefetch_bias(self) -> float:
        """Bound the share by which batches made before the windows can flatter the full run.

        Of N batches Q were not waited for, so no more than Q / (N - Q); and without them the run had been no slower
        than loader and step one after the other. Rounds begin with batches that were made for them, except where there
        was no time to discard all others.
        """
        batches, ahead = sum(window.batches for window in self.full_windows), self.ahead_batches
        if self.rounds is not None:
            ahead *= self.cut_discards or 0
        unpaid = ahead / (batches - ahead) if batches > ahead else math.inf
        serial = (self.loader_batch_s + self.step_batch_s) / self.full_batch_mean_s - 1
        return max(0.0, min(unpaid, serial))

    @property
    def step_drift(self) -> float:
        """Tell how steady the machine was: the share by which the step alone changed its pace.

        Over rounds, the standard deviation of its windows' seconds a sample, relative to their mean. In records without
        `rounds`, those after the full run relative to those before it, less 1.
        """
        if self.rounds is not None:
            return _scatter([window.s / window.samples for window in self.step_windows])
        half = len(self.step_windows) // 2
        return mean_sample_s(self.step_windows[half:]) / mean_sample_s(self.step_windows[:half]) - 1

    def demand_work(self) -> None:
        """Check the windows that every number is made of.

        Raises:
            DataError: windows are missing, or hold no time, no batch or no sample, or more than can be.
        """
        # Of the step there is one a round, or a half before the rest and a half after it.
        least = {"step_windows": 2, "loader_windows": 1, "full_windows": 1}
        if self.rounds is not None:
            least = dict.fromkeys(least, self.rounds) | {"step_windows_before": 1}
        for where in (*least, "step_windows_before", "step_windows_after"):
            demand_work(getattr(self, where), where, least.get(where, 0))
        if self.batch_samples is not None and not 1 <= self.batch_samples <= MOST:
            raise DataError(f"batch_samples is {self.batch_samples:g}: there is no such batch")


def _scatter(values: Sequence[float]) -> float:
    """Standard deviation relative to the mean; 0 of one value."""
    return statistics.stdev(values) / statistics.fmean(values) if len(values) > 1 else 0.0
