"""Sum up what all replicates of one cell say together: one line of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from feedrate.records.cell_key import CellKey
from feedrate.records.estimate import Estimate, estimate
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import doubts, identical_results, without_superseded
from feedrate.records.window_estimates import Ratio

__all__ = ["SummaryRow", "ranked", "rows"]


@dataclass(frozen=True)
class SummaryRow:
    """Hold the replicates of one cell; if any of them failed, no number is shown."""

    cell: str
    measured: tuple[Measurement, ...]
    failed: tuple[Failure, ...]
    twins: tuple[str, ...] = ()
    """Cells that agree with it in the last bit of something where two runs cannot."""

    @property
    def group(self) -> tuple[str, str, str]:
        """Name workload, size and device: what a table is about."""
        return self._key.workload, self._key.size, self._key.device

    @property
    def loader(self) -> str:
        """Name the loader, with the knobs that are not at their default."""
        return self._key.loader

    @property
    def step(self) -> str:
        """Name the step, with the knobs that are not at their default."""
        return self._key.step

    @property
    def available(self) -> bool:
        """Tell whether this machine has what the cell needs; if not, nothing ran."""
        return not any(failure.why == "unavailable" for failure in self.failed)

    @property
    def whole(self) -> bool:
        """Tell whether every replicate was measured."""
        return bool(self.measured) and not self.failed

    @cached_property
    def samples_per_s(self) -> Estimate | None:
        """Estimate the mean over the replicates with its interval; None unless all were measured."""
        return estimate([m.samples_per_s for m in self.measured]) if self.whole else None

    @cached_property
    def is_doubtful(self) -> bool:
        """Tell whether nothing may rest on its numbers; see `feedrate.records.validity`."""
        return bool(self.twins) or any(True for m in self.measured for _ in doubts(m))

    def ceiling(self, ratio: Callable[[Measurement], Ratio]) -> Ratio | None:
        """Estimate a ceiling over the replicates, or over the rounds of the only one; None unless all were measured."""
        return Ratio.over([ratio(m) for m in self.measured]) if self.whole else None

    def time(self, of: Callable[[Measurement], Estimate]) -> Estimate | None:
        """Estimate a time over the replicates, or over the rounds of the only one; None unless all were measured."""
        times = [of(m) for m in self.measured] if self.whole else []
        return times[0] if len(times) == 1 else estimate([time.mean for time in times]) if times else None

    def mean(self, quantity: Callable[[Measurement], float | None]) -> float | None:
        """Average a quantity over the replicates; None unless every one of them has it."""
        values = self.values(quantity)
        return statistics.fmean(values) if values else None

    def largest(self, quantity: Callable[[Measurement], float | None]) -> float | None:
        """Find the largest of a quantity over the replicates; None unless every one of them has it."""
        return max(self.values(quantity), default=None)

    def values(self, quantity: Callable[[Measurement], float | None]) -> tuple[float, ...]:
        """List a quantity by replicate; empty unless every one of them has it."""
        values = tuple(value for m in self.measured if (value := quantity(m)) is not None)
        return values if self.whole and len(values) == len(self.measured) else ()

    @property
    def stands(self) -> bool:
        """Tell whether there is a number and it may be rested on."""
        return self.whole and not self.is_doubtful

    @property
    def trains(self) -> bool:
        """Tell whether the step trains; one that does not takes microseconds, which say nothing of a machine."""
        return any(m.loss_first is not None for m in self.measured)

    @cached_property
    def _key(self) -> CellKey:
        return CellKey.parse(self.cell)


def rows(outcomes: Iterable[Outcome]) -> tuple[SummaryRow, ...]:
    """Make one row a cell, in the order in which the cells first appear.

    Of a replicate that was measured once more since it was doubtful, the row has what `without_superseded` leaves.
    """
    by_cell: dict[str, list[Outcome]] = {}
    for outcome in without_superseded(outcomes):
        by_cell.setdefault(outcome.cell, []).append(outcome)
    alike = list(identical_results(m for in_cell in by_cell.values() for m in in_cell if isinstance(m, Measurement)))
    return tuple(
        SummaryRow(
            cell,
            tuple(m for m in in_cell if isinstance(m, Measurement)),
            tuple(m for m in in_cell if isinstance(m, Failure)),
            tuple(other for group in alike if cell in group for other in group if other != cell),
        )
        for cell, in_cell in by_cell.items()
    )


def ranked(members: Sequence[SummaryRow]) -> Iterator[SummaryRow]:
    """Yield the rows step by step; within a step the fastest first; what has no number comes last in either."""
    by_step: dict[str, list[SummaryRow]] = {}
    for row in members:
        by_step.setdefault(row.step, []).append(row)
    for mine in sorted(by_step.values(), key=lambda members: not any(row.whole for row in members)):
        yield from sorted(mine, key=lambda row: (not row.available, not row.whole, -_rate(row)))


def _rate(row: SummaryRow) -> float:
    return row.samples_per_s.mean if row.samples_per_s else 0.0
