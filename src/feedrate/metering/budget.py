"""How long a cell is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.plugin.step import Step

__all__ = ["MeasurementBudget"]


@dataclass(frozen=True)
class MeasurementBudget:
    """How long to measure."""

    seconds: float = 0.4
    """Aim of each of the three times; those of a stream are longer where its queue is long."""
    most_rounds: int = 12
    """Rounds of three windows, one of each kind, that the three times are cut into."""
    least_rounds: int = 4
    """However slow the step is, and however long the queue."""
    most: float = 2.0
    """None of the times is longer than this many times `seconds`."""
    close: float = 0.01
    """Standard error of both ceilings, as a share, at which the rounds of a person's own training may end."""
    most_times: int = 3
    """They end at the latest after so many times as many as were laid out."""
    times: int = 1
    """How many times as long as `seconds` usually are: so many times as often is each rung of the ladder timed."""
    discards: float = 2.0
    """All batches discarded between the windows take no longer than this many times `seconds`."""
    least_batches: int = 4
    """Of each of the three times, however slow the step is."""
    idle_share: float = 0.1
    """Share of `seconds` that a step which trains nothing is timed for."""
    check_bytes: int = 64 << 20
    """Batches worth at most so many bytes are compared with the generator before timing."""
    memory_s: float = 5.0
    """The loop goes on untimed until memory was read, but no longer than this."""

    epoch_start_s: float = 0.0
    """Where no window met the beginning of an epoch, so much may be spent on meeting one; 0: nothing."""

    @classmethod
    def by_turns(cls, seconds: float) -> MeasurementBudget:
        """Give the budget of a process that takes turns: as many rounds more as it is longer than others.

        The pace of a machine that others use changes within a second: the shorter a turn, the more alike are the paces
        that two processes meet.
        """
        times = max(1, round(seconds / cls.seconds))
        return cls(seconds=seconds, most_rounds=cls.most_rounds * times, times=times)

    @property
    def part(self) -> MeasurementBudget:
        """The budget of one of those times."""
        return replace(self, seconds=self.seconds / self.times, times=1)

    def step_seconds(self, step: Step) -> float:
        """Give the aim of T_S: a step that trains nothing takes microseconds, and little tells of it."""
        return self.seconds * (1.0 if step.trains else self.idle_share)

    def batches(self, batch_s: float, at_least: int, ahead: int, epoch: int) -> int:
        """Batches of a phase: 20 times those made ahead, or an epoch, whatever is fewer, as far as time allows."""
        wanted = max(self.seconds / batch_s, at_least, min(20 * ahead, epoch))
        return max(at_least, int(min(wanted, max(self.seconds * self.most / batch_s, at_least))))

    def whole(self, batches: int, block: int) -> int:
        """As many, or those of whole blocks if that is not much more: one batch of a block waits for its reading."""
        return max(1, round(batches / block)) * block if 2 * batches >= block else batches
