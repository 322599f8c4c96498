"""Give what holds a cell back, or each of several cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.result import Result, only, show_raw
from feedrate.records.validity import remarks_on

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.api.comparison_result import ComparisonResult
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.diagnosis.verdict import Verdict

__all__ = ["DiagnosisResult"]


@dataclass(frozen=True, repr=False)
class DiagnosisResult(Result):
    """What holds a cell back, or each of several."""

    diagnoses: tuple[Diagnosis, ...]
    raw: Path | None = None
    trials: ComparisonResult | None = None
    """What was advised for a training's DataLoader, and tried, against the script as it is; None: nothing was."""

    @property
    def diagnosis(self) -> Diagnosis:
        """The replicates, their ladders and the evidence.

        Raises:
            UsageError: there are several.
        """
        return only(self.diagnoses, "diagnoses")

    @property
    def verdict(self) -> Verdict:
        """What holds the cell back, in a `sentence` and as a `kind`; raises like `diagnosis`."""
        return self.diagnosis.verdict

    def show(self, console: Console, *, explain: bool = False, details: bool = False) -> None:
        """Print verdict, waterfall and what to try, as `feedrate why` does; `details` adds what it does with them."""
        from feedrate.api.trying import trial_statements
        from feedrate.report.diagnosis import show, show_trials

        show(console, self.diagnoses, explain=explain, details=details)
        if self.trials is not None:
            show_trials(console, trial_statements(self.trials))
        show_raw(console, self.raw)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a part of T_F, in the waterfall's order: mean seconds a batch, half the interval around it."""
        from feedrate.records.frame import tabulated
        from feedrate.report.waterfall import waterfall

        rows = [
            (diagnosis.cell, name, seconds.mean, seconds.half)
            for diagnosis in self.diagnoses
            for name, seconds in waterfall(diagnosis.evidence)
        ]
        return tabulated(rows, ["cell", "part", "batch_s", "batch_half_s"])

    def as_json(self) -> list[dict[str, object]]:
        """Give what `feedrate why --json` prints: lines of the raw results, and what is worth a word beside each."""
        trials = {} if self.trials is None else {"trials": self.trials.as_json()}
        return [
            {**diagnosis.as_json(), "remarks": list(remarks_on(diagnosis.measured)), **trials}
            for diagnosis in self.diagnoses
        ]
