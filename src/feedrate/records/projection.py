"""Project what a training of so many epochs or steps takes from what one process timed of a few batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.errors import UsageError
from feedrate.records.estimate import Estimate, estimate

__all__ = ["Projection", "TrainingLength"]


@dataclass(frozen=True)
class TrainingLength:
    """Say how long a training is: so many epochs, or so many steps; a step is a batch that is trained on."""

    epochs: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise UsageError("a training is so many epochs or so many steps long: name one of the two")
        if self.count < 1:
            raise UsageError(f"{self} is no training: one epoch, or one step, is the least")

    @property
    def count(self) -> int:
        """Give the number, of epochs or of steps."""
        return self.epochs if self.epochs is not None else self.steps or 0

    def __str__(self) -> str:
        noun = "epoch" if self.epochs is not None else "step"
        return f"{self.count:,} {noun}{'s' if self.count != 1 else ''}"

    def batches(self, epoch_batches: int) -> int:
        """Count the batches that it trains on."""
        return self.count if self.epochs is None else self.count * epoch_batches


@dataclass(frozen=True)
class Projection:
    """Hold what a training takes, from the opening of its loader to its last update, and what that is made of."""

    start_up_s: float
    """The first batch and the first update, with whatever that compiles; seen once, so without an interval."""
    steady: Estimate
    """Seconds of all other batches at the pace of loader and step together, with its 95 % interval."""
    boundaries: Estimate | None
    """Seconds that the beginnings of later epochs add; None: nobody met one, and they are left out."""

    @classmethod
    def of(
        cls, length: TrainingLength, epoch_batches: int, start_up_s: float, batch: Estimate, boundary: Estimate | None
    ) -> Projection:
        """Project a length; `batch` and `boundary`: seconds of a batch, and more for the first of each later epoch."""
        batches = length.batches(epoch_batches)
        later = (batches - 1) // epoch_batches
        boundaries = Estimate(0.0, 0.0) if later == 0 else None if boundary is None else boundary.times(later)
        return cls(start_up_s, batch.times(batches - 1), boundaries)

    @property
    def s(self) -> float:
        """Give the seconds of all of it."""
        return self.start_up_s + self.steady.mean + (0.0 if self.boundaries is None else self.boundaries.mean)

    @property
    def total(self) -> Estimate:
        """Give the seconds of all of it, with the 95 % interval of what is in it; None where the pace has none."""
        half = self.steady.half
        if half is not None and self.boundaries is not None:
            half = math.hypot(half, self.boundaries.half or 0.0)
        return Estimate(self.s, half)

    @staticmethod
    def over(processes: Sequence[Projection]) -> Estimate:
        """Give the seconds over processes: of several each is one value, of one alone its own interval stands."""
        if len(processes) == 1:
            return processes[0].total
        return estimate([each.s for each in processes])

    def as_json(self, length: TrainingLength) -> dict[str, object]:
        """Give it as JSON can hold it; None where not measured."""
        total = self.total
        return {
            "epochs": length.epochs,
            "steps": length.steps,
            "s": total.mean,
            "low_s": None if total.half is None else total.low,
            "high_s": None if total.half is None else total.high,
            "start_up_s": self.start_up_s,
            "steady_s": self.steady.mean,
            "boundaries_s": None if self.boundaries is None else self.boundaries.mean,
        }
