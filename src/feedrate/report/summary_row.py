"""One line of the table: what all replicates of one cell say together."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from feedrate.records.cell_key import CellKey
from feedrate.records.estimate import Estimate, estimate
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import doubts, identical_results

__all__ = ["SummaryRow", "rows"]


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
        """Workload, size and device: what a table is about."""
        return self._key.workload, self._key.size, self._key.device

    @property
    def loader(self) -> str:
        """The loader, with the knobs that are not at their default."""
        return self._key.loader

    @property
    def step(self) -> str:
        """The step, with the knobs that are not at their default."""
        return self._key.step

    @property
    def available(self) -> bool:
        """False: this machine lacks what the cell needs, so nothing ran."""
        return not any(failure.why == "unavailable" for failure in self.failed)

    @property
    def whole(self) -> bool:
        """Every replicate was measured."""
        return bool(self.measured) and not self.failed

    @cached_property
    def samples_per_s(self) -> Estimate | None:
        """Mean over the replicates with its interval; None unless all were measured."""
        return estimate([m.samples_per_s for m in self.measured]) if self.whole else None

    @cached_property
    def is_doubtful(self) -> bool:
        """Whether nothing may rest on its numbers; see `feedrate.records.validity`."""
        return bool(self.twins) or any(True for m in self.measured for _ in doubts(m))

    def mean(self, quantity: Callable[[Measurement], float | None]) -> float | None:
        """Mean of a quantity over the replicates; None unless every one of them has it."""
        values = [value for m in self.measured if (value := quantity(m)) is not None]
        return statistics.fmean(values) if self.whole and len(values) == len(self.measured) else None

    @cached_property
    def _key(self) -> CellKey:
        return CellKey.parse(self.cell)


def rows(outcomes: Iterable[Outcome]) -> tuple[SummaryRow, ...]:
    """One row a cell, in the order in which the cells first appear."""
    by_cell: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
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
