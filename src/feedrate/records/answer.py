"""Define what the fresh process of one replicate answers: all that it measured, or why it could not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.conditions import Conditions, MemorySample
from feedrate.records.epoch_starts import EpochStarts
from feedrate.records.ladder import Ladder
from feedrate.records.measurement import Kind
from feedrate.records.own_copy import OwnCopy
from feedrate.records.phases import Phases
from feedrate.records.rank_times import RankTimes
from feedrate.records.shuffle import Shuffle
from feedrate.records.training_health import TrainingHealth
from feedrate.records.window import Window

__all__ = [
    "Compilation",
    "DeviceBefore",
    "DevicePeaks",
    "Failed",
    "Measured",
    "MeasuredCell",
    "ReplicateAnswer",
    "RoundTimes",
    "StepTimes",
    "StreamTimes",
    "TrainingResult",
]


@dataclass(frozen=True)
class Compilation:
    """Hold what torch.compile did."""

    graphs: int = 0
    breaks: int = 0
    """Places where it gave up a graph and left the rest to Python."""
    seconds: float = 0.0


@dataclass(frozen=True)
class DeviceBefore:
    """Hold what a device has, and what is taken of it, before a loader comes; None without one."""

    total_bytes: int | None = None
    taken_bytes: int | None = None
    """Of others, of the driver and of this process's context, before the model was built."""
    built_bytes: int | None = None
    """Model, as it was built: before its first update."""
    step_peak_bytes: int | None = None
    """The most while updates alone were made, batches left out."""


@dataclass(frozen=True)
class StepTimes:
    """Hold the times of the step alone on batches that are ready, while there is no stream."""

    windows_before: tuple[Window, ...]
    windows_after: tuple[Window, ...]
    first_step_s: float
    compiled: Compilation
    """Before timing."""
    recompiles: int
    device: DeviceBefore = DeviceBefore()


@dataclass(frozen=True)
class RoundTimes:
    """Hold the times of the step alone, the loader alone and both together by turns, beside one open stream."""

    full_windows: tuple[Window, ...]
    step_windows: tuple[Window, ...]
    loader_windows: tuple[Window, ...]
    batch_gaps: BatchGaps
    discarded_batches: int
    cut_discards: int
    pinned_copy_bytes: int | None = None
    pageable_copy_bytes: int | None = None
    epoch_starts: EpochStarts | None = None
    loader_wait_s: float | None = None
    """Seconds a batch that the full windows waited for the next batch; None: a process that trains alone."""
    events: Mapping[str, float] = field(default_factory=dict)
    """What was counted with `count_event` in the full windows, for each batch of them."""


@dataclass(frozen=True)
class DevicePeaks:
    """Hold the most bytes that were used of a CUDA device; None without one."""

    allocated_bytes: int | None = None
    reserved_bytes: int | None = None
    used_bytes: int | None = None


@dataclass(frozen=True)
class StreamTimes:
    """Hold the rounds of one open stream, and what is known of its batches."""

    rounds: RoundTimes
    memory_samples: tuple[MemorySample, ...]
    device: DevicePeaks
    first_batch_s: float
    batch_samples: float
    smallest_batch_samples: int | None
    largest_batch_samples: int | None
    batch_bytes: int
    epoch_bytes: int | None
    ahead_batches: int
    checked_batches: int
    epoch_batches: int | None = None
    epoch_blocks: int | None = None
    epoch_files: int | None = None
    shuffle: Shuffle | None = None


@dataclass(frozen=True)
class TrainingResult:
    """Tell how training went while it was timed; hold nothing of a step that trains nothing."""

    loss_first: float | None = None
    loss_last: float | None = None
    skipped_updates: int = 0
    loss_scale: float | None = None
    replayed_share: float | None = None
    health: TrainingHealth | None = None


@dataclass(frozen=True)
class MeasuredCell:
    """Hold all that was measured of one cell; each value is explained where `Measurement` has it."""

    build_s: float
    step: StepTimes
    stream: StreamTimes
    training: TrainingResult
    page_cache: str
    conditions: Conditions
    observed: Mapping[str, object]
    phases: Phases
    ladder: Ladder | None = None
    """None: it was not asked for."""
    ranks: tuple[RankTimes, ...] | None = None
    """By number; None: one process trained alone."""
    own_copy: OwnCopy | None = None
    """What the loader made before; None: it reads the data set."""


@dataclass(frozen=True)
class Measured:
    """Answer for a process that came to its end."""

    kind: ClassVar[str] = "measured"

    cell: MeasuredCell
    import_s: float
    requested: Mapping[str, object]


@dataclass(frozen=True)
class Failed:
    """Answer for a process in which something raised."""

    kind: ClassVar[str] = "failed"

    why: Kind
    reason: str
    """One line."""


ReplicateAnswer: TypeAlias = Measured | Failed
