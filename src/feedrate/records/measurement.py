"""Hold what one run gave: raw numbers with the unit in the name; everything else is a property."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.cell_times import CellTimes
from feedrate.records.codec import decoded
from feedrate.records.conditions import Conditions, MemorySample, growth_bytes
from feedrate.records.earlier_formats import as_of_today
from feedrate.records.epoch_starts import EpochStarts
from feedrate.records.estimate import Estimate
from feedrate.records.format_number import format_of, line_of
from feedrate.records.own_copy import OwnCopy
from feedrate.records.phases import Phases
from feedrate.records.projection import Projection, TrainingLength
from feedrate.records.rank_times import RankTimes
from feedrate.records.shuffle import Shuffle
from feedrate.records.training_health import TrainingHealth

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
    in_place_of: str | None = field(default=None, kw_only=True)
    """The cell that failed, in whose place this one was tried; None: this one was asked for."""
    order_seed: int | None = field(default=None, kw_only=True)
    """What the order of the run's cells followed from; None: they were measured as they were named."""
    log: str = field(default="", kw_only=True)
    """Path of what the run's processes wrote to standard error; empty: there is nothing to read."""


@dataclass(frozen=True)
class Measurement(CellTimes, _Record):
    """Hold one replicate: what one fresh process timed of one cell."""

    kind: ClassVar[str] = "measurement"

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
    discarded_batches: int
    """Batches taken untimed wherever the stream met another consumer, or the same after a pause. In records without
    `rounds`: before the full windows began."""
    checked_batches: int
    """Batches compared bit by bit with the generator before timing."""
    loss_first: float | None = field(default=None, kw_only=True)
    loss_last: float | None = field(default=None, kw_only=True)
    skipped_updates: int = field(default=0, kw_only=True)
    """Batches after which the optimizer made no step (a gradient scaler's overflow)."""
    loss_scale: float | None = field(default=None, kw_only=True)
    """What a gradient scaler multiplied the loss by at the end; None: the step scales none."""
    replayed_share: float | None = field(default=None, kw_only=True)
    """Updates that were a replay of one captured before, of all; None: the step captures none."""
    health: TrainingHealth | None = field(default=None, kw_only=True)
    """How the model answered each target, and where gradients came to, when all was timed; None: the step trains
    nothing, or the record is from before it was kept."""
    compiles: int = field(default=0, kw_only=True)
    """Graphs that torch.compile built before timing."""
    graph_breaks: int | None = field(default=None, kw_only=True)
    """Places where it gave up a graph, before timing, and left the rest to Python; None: from before it was kept."""
    compile_s: float | None = field(default=None, kw_only=True)
    """What it took for that, on the first updates; None: from before it was kept."""
    recompiles: int = field(default=0, kw_only=True)
    """Graphs it built again while the run went on."""
    smallest_batch_samples: int | None = field(default=None, kw_only=True)
    largest_batch_samples: int | None = field(default=None, kw_only=True)
    """Samples of the smallest and of the largest planned batch; None: nobody knows, or from before it was kept."""
    batch_bytes: int
    """Bytes of a planned batch of mean size as the loader yields it."""
    epoch_bytes: int | None = field(default=None, kw_only=True)
    """Bytes of the decoded rows that an epoch reads. None in records of feedrate before it was kept."""
    epoch_batches: int | None = field(default=None, kw_only=True)
    """Batches of an epoch; None: nobody knows, or from before it was kept."""
    epoch_blocks: int | None = field(default=None, kw_only=True)
    epoch_files: int | None = field(default=None, kw_only=True)
    """Blocks that it reads, and the files that they lie in; None: nobody knows, or from before it was kept."""
    own_copy: OwnCopy | None = field(default=None, kw_only=True)
    """The copy of the data set that the loader keeps in a format of its own; None: it reads the data set."""
    shuffle: Shuffle | None = field(default=None, kw_only=True)
    """How far rows came from their places in the files; None: nobody looked."""
    epoch_starts: EpochStarts | None = field(default=None, kw_only=True)
    """What the beginnings of epochs took longer than other batches; None: none was met, or from before it was kept."""
    host_peak_bytes: int | None = field(default=None, kw_only=True)
    """Largest proportional set size of the whole process tree."""
    shm_peak_bytes: int | None = field(default=None, kw_only=True)
    """Growth of /dev/shm."""
    device_total_bytes: int | None = field(default=None, kw_only=True)
    device_taken_bytes: int | None = field(default=None, kw_only=True)
    """What others, the driver and the process's own context held of the device before the model was built."""
    device_built_bytes: int | None = field(default=None, kw_only=True)
    """What the model took of the device before its first update."""
    device_step_peak_bytes: int | None = field(default=None, kw_only=True)
    """The most that model, optimizer and updates took of the device while there was no loader, batches left out."""
    device_allocated_peak_bytes: int | None = field(default=None, kw_only=True)
    device_reserved_peak_bytes: int | None = field(default=None, kw_only=True)
    device_used_peak_bytes: int | None = field(default=None, kw_only=True)
    """The device's own used bytes, less those before the run."""
    pinned_copy_bytes: int | None = field(default=None, kw_only=True)
    """Bytes a batch copied to the device from page-locked memory, while the stream was timed; None: no copies."""
    pageable_copy_bytes: int | None = field(default=None, kw_only=True)
    """The same from other memory, which the driver copies once more on the way."""
    page_cache: str
    """`warm`, `cold` or `unknown`, as verified before timing."""
    requested: Mapping[str, object] = field(default_factory=dict)
    observed: Mapping[str, object] = field(default_factory=dict)
    conditions: Conditions | None = None
    """What the machine did meanwhile. None in records of feedrate before it was kept."""
    events: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    """How often a batch of the full windows had something done that was counted with `count_event`, by name."""
    looks: tuple[MemorySample, ...] = ()
    """What was held between the windows of the loader alone and of both together."""
    ranks: tuple[RankTimes, ...] | None = field(default=None, kw_only=True)
    """By number, where several trained together; the windows then have the samples of all and the time of the slowest.
    None: one process trained alone."""
    phases: Phases | None = None
    """Where the time of the process went. None in records of feedrate before it was kept."""

    @property
    def start_up_s(self) -> float:
        """Give the seconds from opening the loader to the end of the first update, with whatever the step compiles."""
        return self.first_batch_s + max(self.first_step_s, self.compile_s or 0.0)

    @property
    def epoch_boundary_s(self) -> float | None:
        """Give the seconds that the beginning of an epoch adds to those of its batches; None: none was met."""
        return None if self.epoch_starts is None else self.epoch_starts.mean_s

    @property
    def epoch_s(self) -> float | None:
        """Give the seconds of an epoch in the middle of a training; without its beginning where none was met."""
        epoch = self._later_epoch()
        return None if epoch is None else epoch.mean

    @property
    def epoch_low_s(self) -> float | None:
        """Give the lower end of the 95 % interval of `epoch_s`; None: there is none."""
        epoch = self._later_epoch()
        return None if epoch is None or epoch.half is None else epoch.low

    @property
    def epoch_high_s(self) -> float | None:
        """Give the upper end of the 95 % interval of `epoch_s`; None: there is none."""
        epoch = self._later_epoch()
        return None if epoch is None or epoch.half is None else epoch.high

    def _later_epoch(self) -> Estimate | None:
        """Give an epoch that is not the first: its batches, and its beginning where that is known."""
        if self.epoch_batches is None:
            return None
        boundary = None if self.epoch_starts is None else self.epoch_starts.mean
        return Projection(0.0, self.steady_time().times(self.epoch_batches), boundary).total

    def steady_time(self) -> Estimate:
        """Give T_F with its 95 % interval, without what the beginnings of epochs take of it."""
        full, starts = self.full_time(), self.epoch_starts
        if starts is None:
            return full
        all_s = sum(window.s for window in self.full_windows)
        return full.times(max(0.0, 1 - starts.in_windows * starts.mean_s / all_s))

    def projection(self, length: TrainingLength) -> Projection | None:
        """Project a training of that length; None: it is not known how many batches an epoch has."""
        if self.epoch_batches is None:
            return None
        boundary = None if self.epoch_starts is None else self.epoch_starts.mean
        return Projection.of(length, self.epoch_batches, self.start_up_s, self.steady_time(), boundary)

    @property
    def bytes_per_s(self) -> float:
        """Give bytes of batches, as the loader yields them, a second."""
        return self.batch_bytes / self.full_batch_mean_s

    @property
    def device_peak_bytes(self) -> int | None:
        """Give the largest number of bytes that torch reserved on the device."""
        return self.device_reserved_peak_bytes

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
    def gradient_norm(self) -> float | None:
        """Give the norm of the whole gradient in one update after the last window; None where it was not seen."""
        return None if self.health is None else self.health.gradient_norm

    @property
    def least_scale(self) -> float | None:
        """Give the least SCALE(yhat/y) of any column of any target; None where none was looked at."""
        forecasts = () if self.health is None else self.health.forecasts
        return min((forecast.scale for forecast in forecasts if forecast.scale is not None), default=None)

    @property
    def mean_correlation(self) -> float | None:
        """Give the information coefficient, mean of all columns of all targets; None where none was looked at."""
        forecasts = () if self.health is None else self.health.forecasts
        known = [forecast.correlation for forecast in forecasts if forecast.correlation is not None]
        return sum(known) / len(known) if known else None

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

    @property
    def pinned_epoch_growth_bytes(self) -> float | None:
        """Give the bytes of page-locked memory that each epoch adds; None below five epochs and without a device."""
        return growth_bytes(self.looks, lambda look: look.pinned_bytes)

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


Outcome: TypeAlias = "Measurement | Failure"
