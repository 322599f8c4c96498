"""Hold what ails a cell beside what holds it back: kinds, places and the facts that they stand on, without prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

__all__ = [
    "CollectorPauses",
    "Counted",
    "Drift",
    "Growth",
    "HeldCycles",
    "Place",
    "Symptom",
    "SymptomFacts",
    "SymptomKind",
]

SymptomKind: TypeAlias = Literal[
    "drift", "collector pauses", "reference cycles", "memory growth", "descriptor growth", "thread growth",
    "process growth",
]  # fmt: skip
Place: TypeAlias = Literal["step", "loader", "together", "workers", "shared memory", "pinned memory"]
"""Whose it is: of the process that trains the side, or both together; or what no side of that process holds."""
Counted: TypeAlias = Literal["descriptors", "threads", "processes"]


@dataclass(frozen=True)
class Drift:
    """Tell that one side takes longer with every batch."""

    begin_s: float
    """Seconds a batch at first: the median of the first third."""
    now_s: float
    """The same of the last third."""
    slope_s: float
    """Seconds a batch that each batch adds: the median slope over all pairs (Theil, Sen)."""
    slope_low_s: float
    slope_high_s: float
    """Ends of its 95 % interval."""
    batches: int
    """From the first batch that was watched to the last."""

    @property
    def doubling_batches(self) -> float:
        """Count the batches from now until it takes twice as long as now, if it goes on so."""
        return self.now_s / self.slope_s


@dataclass(frozen=True)
class CollectorPauses:
    """Tell that Python's garbage collector stops the loop."""

    share: float
    """Of the time of loader and step together."""
    longest_s: float
    batch_s: float
    """Mean seconds a batch of both together."""
    collections: tuple[int, ...]
    """By generation, while the loop was watched."""
    batches: int
    """Of both together, of the step alone or of the loader alone."""
    objects: int
    """That the most frequent type has."""
    type_name: str
    """That type; empty: not known."""


@dataclass(frozen=True)
class HeldCycles:
    """Tell of memory that is in use until the collector runs, as objects refer to each other in a circle."""

    bytes_a_batch: float
    objects_a_batch: float


@dataclass(frozen=True)
class Growth:
    """Tell that memory, or a count, grows with every batch, and had no end while it was watched."""

    a_batch: float
    """Bytes, or so many of them, that a batch adds."""
    batches: int
    epochs: float
    """That the stream had served by then."""
    batches_left: float | None = None
    """Until there is no room left, if it goes on so; None: there is no limit."""
    most_bytes: float | None = None
    """Bytes more that it can come to, where it copies what is shared; None: no end is known."""


SymptomFacts: TypeAlias = Drift | CollectorPauses | HeldCycles | Growth


@dataclass(frozen=True)
class Symptom:
    """Name something that gets worse, or comes now and then: no mean of a batch shows it."""

    kind: SymptomKind
    place: Place
    facts: SymptomFacts

    @property
    def title(self) -> str:
        """Give kind and place, as `feedrate calibrate` compares them."""
        return f"{self.kind}: {self.place}"

    def as_json(self) -> Mapping[str, object]:
        """Give plain values, as JSON can hold them."""
        return asdict(self)
