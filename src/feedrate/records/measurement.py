"""Hold what one run gave: raw numbers with the unit in the name; everything else is a property."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from feedrate.errors import DataError
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.codec import decoded
from feedrate.records.conditions import Conditions, MemorySample, growth_bytes
from feedrate.records.earlier_formats import as_of_today
from feedrate.records.estimate import Estimate
from feedrate.records.format_number import format_of, line_of
from feedrate.records.phases import Phases
from feedrate.records.step_at_rest import slowdown_beside
from feedrate.records.window import MOST, Window, demand_work, mean_batch_s, mean_sample_s
from feedrate.records.window_estimates import Ratio, paired_ratio, sample_time, unpaired_ratio

__all__ = ["Failure", "Kind", "Measurement", "Outcome"]

Kind = Literal["exception", "signal", "out of memory", "hang", "unavailable", "invalid"]


@dataclass(frozen=True)
class _Record:
    """Hold what measurements and failures have in common."""

    cell: str
    run: str
    """The invocation of feedrate that it belongs to."""
    replicate: int
    started: str
    """UTC, ISO 8601."""
    environment: Mapping[str, object]
    """Versions, machine, git commit, limits and variables; see `feedrate.system.environment`."""
    log: str = field(default="", kw_only=True)
    """Path of what the run's processes wrote to standard error; empty: there is nothing to read."""


@dataclass(frozen=True)
class Measurement(_Record):
    """Hold one replicate: what one fresh process timed of one cell."""

    kind: ClassVar[str] = "measurement"

    step_windows: tuple[Window, ...]
    """The step alone on resident batches: one window a round, beside the open stream, which rests. In records without
    `rounds`: half of them before and half after the rest."""
    loader_windows: tuple[Window, ...]
    """The loader alone, drained to the same place as in the full run; one window a round."""
    full_windows: tuple[Window, ...]
    """Both together; one window a round."""
    batch_gaps: BatchGaps
    """Seconds from batch to batch in the full windows: how they spread."""
    import_s: float
    """Start of the interpreter to torch imported."""
    build_s: float
    """Data set opened, model built, moved to the device."""
    first_batch_s: float
    """Stream opened to its first batch on the device."""
    first_step_s: float
    """The first update, with whatever it compiles."""
    ahead_batches: int
    """Batches that may have been ready when a window began."""
    discarded_batches: int
    """Batches taken untimed wherever the stream met another consumer, or the same after a pause. In records without
    `rounds`: before the full windows began."""
    checked_batches: int
    """Batches compared bit by bit with the generator before timing."""
    loss_first: float | None = field(default=None, kw_only=True)
    loss_last: float | None = field(default=None, kw_only=True)
    skipped_updates: int = field(default=0, kw_only=True)
    """Batches after which the optimizer made no step (a gradient scaler's overflow)."""
    compiles: int = field(default=0, kw_only=True)
    """Graphs that torch.compile built before timing."""
    recompiles: int = field(default=0, kw_only=True)
    """Graphs it built again while the run went on."""
    batch_bytes: int
    """Bytes of a planned batch of mean size as the loader yields it."""
    host_peak_bytes: int | None = field(default=None, kw_only=True)
    """Largest proportional set size of the whole process tree."""
    shm_peak_bytes: int | None = field(default=None, kw_only=True)
    """Growth of /dev/shm."""
    device_allocated_peak_bytes: int | None = field(default=None, kw_only=True)
    device_reserved_peak_bytes: int | None = field(default=None, kw_only=True)
    device_used_peak_bytes: int | None = field(default=None, kw_only=True)
    """The device's own used bytes, less those before the run."""
    page_cache: str
    """`warm`, `cold` or `unknown`, as verified before timing."""
    requested: Mapping[str, object] = field(default_factory=dict)
    observed: Mapping[str, object] = field(default_factory=dict)
    batch_samples: float | None = None
    """Mean samples of a planned batch. None in records of feedrate before it was kept."""
    conditions: Conditions | None = None
    """What the machine did meanwhile. None in records of feedrate before it was kept."""
    looks: tuple[MemorySample, ...] = ()
    """What was held between the windows of the loader alone and of both together."""
    rounds: int | None = None
    """Rounds of three windows that were timed by turns, in the order F S L, L S F, ...: the n-th window of each kind
    belongs to the n-th. None in records of feedrate before it did: each kind was timed in one block."""
    cut_discards: int | None = None
    """How often fewer than `ahead_batches` were discarded, for lack of time. None in records without `rounds`."""
    step_windows_before: tuple[Window, ...] = ()
    """The step alone before the stream was opened."""
    step_windows_after: tuple[Window, ...] = ()
    """The same after it was closed; empty where the windows of the rounds agreed with those before."""
    phases: Phases | None = None
    """Where the time of the process went. None in records of feedrate before it was kept."""

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
    def bytes_per_s(self) -> float:
        """Give bytes of batches, as the loader yields them, a second."""
        return self.batch_bytes / self.full_batch_mean_s

    @property
    def loader_time_per_sample_s(self) -> float:
        """Give seconds a sample of the loader alone."""
        return mean_sample_s(self.loader_windows)

    @property
    def step_time_per_sample_s(self) -> float:
        """Give seconds a sample of the step alone."""
        return mean_sample_s(self._windows_alone())

    @property
    def device_peak_bytes(self) -> int | None:
        """Give the largest number of bytes that torch reserved on the device."""
        return self.device_reserved_peak_bytes

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
    def batch_gap_p50_s(self) -> float | None:
        """Median gap between batches in the full windows; None where there is no gap."""
        return self.batch_gaps.p50_s

    @property
    def batch_gap_p95_s(self) -> float | None:
        """Gap between batches that one in twenty exceeds; None where there is no gap."""
        return self.batch_gaps.p95_s

    @property
    def batch_gap_p99_s(self) -> float | None:
        """Gap between batches that one in a hundred exceeds; None where there is no gap."""
        return self.batch_gaps.p99_s

    @property
    def longest_stall_s(self) -> float | None:
        """Longest gap between batches in the full windows; None where there is no gap."""
        return self.batch_gaps.max_s

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

    @property
    def foreign_cores(self) -> float | None:
        """Give the cores that others kept busy while windows were timed."""
        return None if self.conditions is None else self.conditions.foreign_cores

    @property
    def disk_read_bytes(self) -> int | None:
        """Give the bytes that the measured processes had read from a device while windows were timed."""
        return None if self.conditions is None else self.conditions.disk_read_bytes

    @property
    def epochs_seen(self) -> float:
        """Give the epochs between the first look at memory and the last."""
        return self.looks[-1].epochs - self.looks[0].epochs if self.looks else 0.0

    @property
    def host_epoch_growth_bytes(self) -> float | None:
        """Give the bytes of the processes' own memory that each epoch adds; None below five epochs."""
        return growth_bytes(self.looks, lambda look: look.host_bytes)

    @property
    def shm_epoch_growth_bytes(self) -> float | None:
        """Give the bytes in /dev/shm that each epoch adds; None below five epochs."""
        return growth_bytes(self.looks, lambda look: look.shm_bytes)

    @property
    def device_epoch_growth_bytes(self) -> float | None:
        """Give the bytes on the device that each epoch adds; None below five epochs and without a device."""
        return growth_bytes(self.looks, lambda look: look.device_bytes)

    def as_json(self) -> dict[str, object]:
        """Give one line of the raw results."""
        return line_of(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Measurement:
        """Read what `as_json` gave; keys that this version does not know are left out.

        Raises:
            DataError: a value is missing, of another type, or nothing that can be measured.
        """
        measurement = decoded(cls, as_of_today(raw))
        measurement.demand_work()
        return measurement

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


@dataclass(frozen=True)
class Failure(_Record):
    """Tell why a replicate gave no number."""

    kind: ClassVar[str] = "failure"

    why: Kind
    reason: str
    """One line."""

    def as_json(self) -> dict[str, object]:
        """Give one line of the raw results."""
        return line_of(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Failure:
        """Read what `as_json` gave; raises like `Measurement.from_json`."""
        format_of(raw)
        return decoded(cls, raw)


def _scatter(values: Sequence[float]) -> float:
    """Standard deviation relative to the mean; 0 of one value."""
    return statistics.stdev(values) / statistics.fmean(values) if len(values) > 1 else 0.0


Outcome: TypeAlias = "Measurement | Failure"
