"""Lay out the rounds of a cell: how many, and how many batches each of their windows has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feedrate.metering.budget import MeasurementBudget
    from feedrate.records.answer import RoundTimes
    from feedrate.records.window import Window

__all__ = ["Paces", "Queue", "RoundSchedule"]

_WINDOW_OF_QUEUES = 5
"""A window of a stream is this many times as long as its queue, where time allows: what a queue happens to hold when a
window begins and ends is the less of it."""
_STEP_BY_TURNS = 12
"""Numbers of rounds are this far apart by turns: two processes have as many, though what they saw of their paces before
differs, and none goes on alone for long when the other has ended."""


@dataclass(frozen=True)
class Paces:
    """Hold seconds a batch, roughly."""

    full_s: float
    step_s: float
    loader_s: float

    @classmethod
    def of(cls, rounds: RoundTimes) -> Paces:
        """Take them from rounds that were timed."""
        return cls(*map(_batch_s, (rounds.full_windows, rounds.step_windows, rounds.loader_windows)))


def _batch_s(windows: Sequence[Window]) -> float:
    return sum(window.s for window in windows) / sum(window.batches for window in windows)


@dataclass(frozen=True)
class Queue:
    """Say what a stream has ready."""

    ahead: int
    """Batches that may have been made before they are asked for."""
    block: int
    """Batches that one reading gives."""
    epoch: int
    """Batches of an epoch."""


@dataclass(frozen=True)
class RoundSchedule:
    """Lay out rounds: one is a window of each kind, F S L, the next L S F, so that steady drift cancels over two."""

    rounds: int
    full_batches: int
    step_batches: int
    loader_batches: int
    discard: int
    """Batches to be discarded wherever the stream meets another consumer, or the same after a pause."""
    discard_s: float
    """The longest that one such discarding may take."""

    @classmethod
    def of(
        cls, paces: Paces, queue: Queue, effort: MeasurementBudget, step_seconds: float, *, by_turns: bool = False
    ) -> RoundSchedule:
        """Choose as many rounds, an even number, as give windows of whole blocks and affordable discards.

        `step_seconds`: aim of T_S. `by_turns`: there is a pause before each round, and one more discard for it.
        """
        least = effort.least_batches
        full = effort.batches(paces.full_s, least, queue.ahead, queue.epoch)
        loader = effort.batches(paces.loader_s, least, queue.ahead, queue.epoch)
        step = max(least, int(step_seconds / paces.step_s))
        shortest = max(queue.block, _WINDOW_OF_QUEUES * queue.ahead)
        discard_s, allowed_s = queue.ahead * (paces.full_s + paces.loader_s), effort.discards * effort.seconds
        rounds_a_discard = 1 if by_turns else 2
        counts = range(effort.most_rounds, effort.least_rounds, -_STEP_BY_TURNS if by_turns else -2)
        rounds = next(
            (
                count
                for count in counts
                if count * shortest <= full
                and count * queue.block <= loader
                and count / rounds_a_discard * discard_s <= allowed_s
            ),
            effort.least_rounds,
        )
        return cls(
            rounds=rounds,
            full_batches=effort.whole(-(-full // rounds), queue.block),
            step_batches=-(-step // rounds),
            loader_batches=effort.whole(-(-loader // rounds), queue.block),
            discard=max(1, queue.ahead),
            discard_s=allowed_s / rounds,
        )
