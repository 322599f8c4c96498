"""Hold where the time of one measured process went, in seconds by what it was spent on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from feedrate.records.digits import significant

__all__ = ["Phases", "summed"]

_DIGITS = 4


@dataclass(frozen=True)
class Phases:
    """Hold all the seconds of one process, from when it was asked for until it had ended, by what it did."""

    processes_s: float = 0.0
    """Started, torch imported, ended, and whatever else no other phase names."""
    data_s: float = 0.0
    """Files brought into the page cache, and batches made ready for the step alone."""
    build_s: float = 0.0
    """The model built, moved to its device and bound to the step."""
    compile_s: float = 0.0
    """The first updates, with whatever they compile."""
    warm_up_s: float = 0.0
    """The loader started, its first batch, and a look at how fast each kind of window is."""
    checks_s: float = 0.0
    """Rows compared with the generator and with the plan, training judged."""
    windows_s: float = 0.0
    """Timed windows of all three kinds."""
    discards_s: float = 0.0
    """Batches taken untimed where the consumer changed."""
    memory_s: float = 0.0
    """The loop going on untimed until memory was read."""
    ablation_s: float = 0.0
    """The cell taken apart, where `feedrate why` asked."""

    @property
    def total_s(self) -> float:
        """Add all of them up."""
        return sum(seconds for _, seconds in self.items())

    def rounded(self) -> Phases:
        """Round each phase to the digits that a sum of many stretches has."""
        return Phases(*(significant(seconds, _DIGITS) for _, seconds in self.items()))

    def items(self) -> Iterator[tuple[str, float]]:
        """Yield each phase's name and seconds, in the order of the fields."""
        for field in dataclasses.fields(self):
            yield field.name.removesuffix("_s"), getattr(self, field.name)


def summed(phases: Iterable[Phases]) -> Phases:
    """Add up the phases of several processes."""
    rows = [[seconds for _, seconds in each.items()] for each in phases]
    return Phases(*map(sum, zip(*rows, strict=True))) if rows else Phases()
