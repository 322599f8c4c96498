"""Give what was measured: a table, a DataFrame, and the error of a cell that gave no number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.result import Result, show_raw
from feedrate.errors import FeedrateError, UsageError
from feedrate.records.document import document
from feedrate.records.estimate import estimate
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.projection import Projection, TrainingLength
from feedrate.records.validity import without_superseded

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.records.estimate import Estimate
    from feedrate.records.measurement import Outcome

__all__ = ["CellError", "Results"]


class CellError(FeedrateError):
    """A cell gave no number, so nothing can be said of it; `failure` is what its raw results hold."""

    def __init__(self, failure: Failure) -> None:
        log = f"; log: {failure.log}" if failure.log and failure.log not in failure.reason else ""
        super().__init__(f"{failure.cell}: failed, {failure.why}: {failure.reason}{log}")
        self.failure = failure


@dataclass(frozen=True, repr=False)
class Results(Result):
    """Outcomes of one cell or more, in the order of measuring."""

    outcomes: tuple[Outcome, ...]
    raw: Path | None = None
    """File that holds a line of JSON for each; None: they were not written down."""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The replicates that gave numbers."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Measurement))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The replicates that gave none, and why."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Failure))

    @property
    def samples_per_s(self) -> Estimate:
        """Samples a second of loader and step together: mean over the replicates, with its 95 % interval.

        Raises:
            UsageError: these are results of several cells.
            CellError: a replicate failed, and half a result is none.
        """
        return estimate([counted.samples_per_s for counted in self._counting()])

    def projected(self, *, epochs: int | None = None, steps: int | None = None) -> Estimate:
        """Seconds that a training of so many epochs, or of so many steps, takes with this loader and step.

        From the opening of the loader to the last update: the first batch and the first update as they were, all other
        batches at the pace of both together, and the beginnings of epochs where one was met (`Session(epoch_starts)`).
        With the 95 % interval over the replicates or, of one, over its windows.

        Raises:
            UsageError: these are results of several cells, not one of the two is given, or it is not known how many
                batches an epoch has.
            CellError: a replicate failed.
        """
        length, projections = TrainingLength(epochs, steps), []
        for measurement in self._counting():
            projection = measurement.projection(length)
            if projection is None:
                raise UsageError(f"{measurement.cell}: how many batches an epoch has is not known")
            projections.append(projection)
        return Projection.over(projections)

    def _counting(self) -> tuple[Measurement, ...]:
        """The replicates of the only cell that count, all of which were measured."""
        cells = {outcome.cell for outcome in self.outcomes}
        if len(cells) != 1:
            raise UsageError(f"these are results of {len(cells)} cells; to_frame() has the numbers of each")
        for failure in self.failures:
            raise CellError(failure)
        counting = without_superseded(self.measurements)
        return tuple(counted for counted in counting if isinstance(counted, Measurement))

    def show(
        self, console: Console, *, explain: bool = False, details: bool = False, length: TrainingLength | None = None
    ) -> None:
        """Print the table, as `feedrate run` does.

        `details` adds how the gaps between batches spread, `length` what a training of that length would take.
        """
        from feedrate.report.table import show

        show(console, self.outcomes, explain=explain, details=details, length=length)
        if self.outcomes:
            show_raw(console, self.raw)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a replicate, one column a quantity; docs/results.md says which."""
        from feedrate.records.frame import frame

        return frame(self.outcomes)

    def as_json(self, length: TrainingLength | None = None) -> list[dict[str, object]]:
        """Give what `feedrate run --json` prints; `length`: with what a training of that length would take."""
        from feedrate.report.scaling import scaling_of
        from feedrate.report.summary_row import rows

        gains = {
            cell: {"ranks": gain.ranks, "speedup": gain.speedup, "efficiency": gain.efficiency}
            for cell, gain in scaling_of(rows(self.outcomes)).items()
        }
        return [
            document(outcome, length) | ({"scaling": gains[outcome.cell]} if outcome.cell in gains else {})
            for outcome in self.outcomes
        ]
