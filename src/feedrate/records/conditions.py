"""Record what the machine and its memory did while windows were timed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

__all__ = ["LEAST_EPOCHS", "Conditions", "GpuClock", "MemorySample", "growth_bytes"]

LEAST_EPOCHS = 5
"""Epochs that must be seen before anybody speaks of a leak."""
SETTLED = 2
"""Epochs that are not among them: pools and buffers grow in the first ones."""
STEADY = 0.9
"""Share of the pairs of samples that must grow: what goes up and down by turns is no leak, whatever its median."""


@dataclass(frozen=True)
class GpuClock:
    """Hold clock, power and temperature of a GPU right after a window of the step alone, when it had been busy."""

    mhz: int
    """Of its processors."""
    default_mhz: int
    """What they run at by default; 0: the driver does not say."""
    reasons: int
    """NVML's bits that say why it is not higher."""
    power_w: float | None = None
    """Watts that it draws; None: the driver does not say."""
    celsius: int | None = None
    """Of its processors."""


@dataclass(frozen=True)
class Conditions:
    """Add up what happened in all timed windows of one process and what lies between those of its rounds.

    Seconds of cores are in steps of 10 ms.
    """

    watched_s: float
    cores: int
    own_core_s: float
    """Processor time of the measured process and its descendants."""
    all_core_s: float
    """Processor time of everybody on the machine, the measured ones included."""
    stolen_core_s: float
    """Time that the host of a virtual machine gave to others."""
    disk_read_bytes: int | None = None
    """What the measured processes had fetched from a device; None: the kernel does not say."""
    swapped_pages: int = 0
    """Pages that the machine swapped in or out."""
    stalled_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds that some process of the machine waited for `cpu`, `io` or `memory` (PSI); empty: the kernel does not
    say."""
    clocks: tuple[GpuClock, ...] = ()
    gpu_strangers: int = 0
    """Processes that were on the GPU before this one."""
    gpu_busy_share: float | None = None
    """Share of up to a second of training on the open stream in which the GPU ran some kernel, by the driver's counter;
    None: the driver does not say, or there is no GPU."""

    @property
    def foreign_cores(self) -> float:
        """Average the cores that others kept busy over the windows; the host of a virtual machine is one of them."""
        if not self.watched_s:
            return 0.0
        return max(0.0, self.all_core_s - self.own_core_s + self.stolen_core_s) / self.watched_s

    @property
    def idle_cores(self) -> float:
        """Average the cores that nobody used over the windows."""
        if not self.watched_s:
            return float(self.cores)
        return max(0.0, self.cores - (self.all_core_s + self.stolen_core_s) / self.watched_s)


@dataclass(frozen=True)
class MemorySample:
    """Hold what memory was in use at a moment between two windows."""

    epochs: float
    """Epochs that the stream had served."""
    host_bytes: int
    """Memory of the process tree that no file is behind, each process's own."""
    shm_bytes: int
    """In use in /dev/shm, by anybody."""
    device_bytes: int | None = None
    """Allocated by torch on the device."""
    training: bool = False
    """The windows around it were of loader and step together; of the loader alone otherwise."""
    pinned_bytes: int | None = None
    """Page-locked memory of the host, as far as it is counted; None: there is no device to lock it for."""


def growth_bytes(samples: Sequence[MemorySample], of: Callable[[MemorySample], int | None]) -> float | None:
    """Estimate the bytes that each epoch adds: the median slope over pairs of samples; None below `LEAST_EPOCHS`.

    Samples of the first `SETTLED` epochs do not count, nor pairs that are less than an epoch apart, or with a step that
    has begun in between: it takes memory of its own, and gives some back. Not above 0 where fewer than `STEADY` of the
    pairs grow.

    Source: Theil 1950 and Sen 1968. One jump, as from a pool that is filled once, does not move it.
    """
    points = [(sample, value) for sample in samples if sample.epochs >= SETTLED and (value := of(sample)) is not None]
    slopes = [
        (high - low) / (late.epochs - early.epochs)
        for (early, low), (late, high) in combinations(points, 2)
        if early.training == late.training and late.epochs - early.epochs >= 1
    ]
    if not slopes or points[-1][0].epochs - points[0][0].epochs < LEAST_EPOCHS:
        return None
    steady = sum(slope > 0 for slope in slopes) >= STEADY * len(slopes)
    return statistics.median(slopes) if steady else min(0.0, statistics.median(slopes))
