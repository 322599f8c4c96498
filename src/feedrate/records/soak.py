"""Hold how a loop went on for a while with the collector on: pace and memory, stretch by stretch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["Cycles", "Holdings", "Pace", "Phase", "Soak", "Stretch"]

Phase: TypeAlias = Literal["step", "loader", "both"]
"""Who works: the step on ready batches, the loader whose batches are dropped, or both together."""


@dataclass(frozen=True)
class Pace:
    """Hold the seconds that consecutive batches took."""

    number: int
    """Of the first of them: updates, or batches of the stream, before it."""
    batches: int
    s: float
    core_s: float
    """Processor time meanwhile: of the step's thread, or of all threads of the process where the loader works."""
    waited_s: float = 0.0
    """What the thread that takes the batches waited for a processor meanwhile: others had it."""

    @property
    def undisturbed_s(self) -> float:
        """Give seconds a batch without the waits for a processor."""
        return max(0.0, self.s - self.waited_s) / self.batches


@dataclass(frozen=True)
class Holdings:
    """Count what the processes of a measurement hold at one moment, by owner."""

    trainer_bytes: int
    """Of the process that trains: memory that no file is behind, less what measuring keeps of its own."""
    trainer_file_bytes: int
    """Of the same: mapped pages of files, which the kernel takes back when it needs them."""
    workers_bytes: int
    """Of the processes below it: pages that each has for itself alone."""
    workers_file_bytes: int
    shared_bytes: int
    """In shared memory: files of /dev/shm, open or linked, and segments that are mapped."""
    pinned_bytes: int
    """Locked into memory."""
    descriptors: int
    processes: int
    threads: int
    workers_anonymous_bytes: int | None = None
    """Of the processes below it: memory that no file is behind, with the pages that they share since they were forked.
    None: in records of before."""


@dataclass(frozen=True)
class Stretch:
    """Hold the pace of consecutive batches of one phase, and what was held after them."""

    phase: Phase
    pace: Pace
    held: Holdings
    quick: Pace
    """Of a batch that is quicker than three quarters of them, without collections: what others do slows the rest. Where
    batches are made ahead, the same as `pace`: of those one comes late and the next at once."""
    untimed: int = 0
    """Batches before those of `pace` that belong to what was added to `held`."""
    collections: tuple[int, ...] = (0, 0, 0)
    """Runs of the garbage collector, by generation."""
    collecting_s: float = 0.0
    """Processor time of those runs."""
    longest_collection_s: float = 0.0

    @property
    def batches(self) -> int:
        """Count the batches of the stretch, timed or not: what was added to `held` came with them."""
        return self.untimed + self.pace.batches


@dataclass(frozen=True)
class Cycles:
    """Count what only the garbage collector frees, as objects refer to each other in a circle."""

    batches: int
    objects: int
    held_bytes: int
    """Of tensors, arrays and bytes among them, each counted once."""


@dataclass(frozen=True)
class Soak:
    """Hold how the loop went as a user's program runs it: rounds of step, loader and both, the collector on."""

    begin: Holdings
    stretches: tuple[Stretch, ...]
    """Round by round: the three phases in their order."""
    step_before: tuple[Pace, ...] = ()
    """The step on ready batches, from the first update on; empty where a device works on after a call."""
    loader_before: tuple[Pace, ...] = ()
    """The loader alone, from the first batch on."""
    cycles: Mapping[str, Cycles] = field(default_factory=dict)
    """By phase: `step` or `loader`."""
    tracked: Mapping[str, int] = field(default_factory=dict)
    """Objects that the collector looks through at the end, by the names of the most frequent types."""
    epochs: float = 0.0
    """Epochs that the stream had served at the end, those before the soak included."""
    available_bytes: int = 0
    """Memory that could be had at the end without swapping."""
    descriptor_limit: int = 0
    """Open files that a process may have; 0: no limit."""

    def of(self, phase: Phase) -> Sequence[Stretch]:
        """List the stretches of one phase, in their order."""
        return [stretch for stretch in self.stretches if stretch.phase == phase]

    @property
    def batches(self) -> int:
        """Count the batches of all stretches."""
        return sum(stretch.batches for stretch in self.stretches)
