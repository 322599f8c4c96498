"""Give known answers against those that were found on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from feedrate.api.result import Result
from feedrate.calibration.calibrate import CaseResult

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["CalibrationResult"]


@dataclass(frozen=True, repr=False)
class CalibrationResult(Result):
    """Known answers against those that were found here."""

    answers: tuple[CaseResult, ...]

    @property
    def right(self) -> bool:
        """Whether none of those that could be asked here is wrong."""
        return all(answer.right is not False for answer in self.answers)

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the table, as `feedrate calibrate` does."""
        from feedrate.report.calibration import show

        del explain
        show(console, self.answers)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a case: its cell, what was expected, what was found, and whether that is right."""
        from feedrate.records.frame import tabulated

        columns = [field.name for field in fields(CaseResult)]
        return tabulated(([getattr(answer, name) for name in columns] for answer in self.answers), columns)

    def as_json(self) -> list[Mapping[str, object]]:
        """Give what `feedrate calibrate --json` prints."""
        return [asdict(answer) for answer in self.answers]
