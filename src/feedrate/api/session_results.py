"""Give what a session has measured, diagnosed, compared and calibrated so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.calibration_result import CalibrationResult
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.api.results import Results
from feedrate.records.measurement import Failure, Measurement

if TYPE_CHECKING:
    from feedrate.api.changing import ChangeResult
    from feedrate.api.resources import Resources
    from feedrate.api.study_result import StudyResult
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.records.measurement import Outcome

__all__ = ["SessionResults"]


class SessionResults:
    """Reads what there is so far out of what a session keeps, also after an interrupt."""

    resources: Resources
    """What the session keeps."""

    @property
    def outcomes(self) -> Sequence[Outcome | Diagnosis]:
        """What was measured so far, in that order: measurements, failures, and what was diagnosed."""
        return tuple(self.resources.outcomes)

    @property
    def results(self) -> Results:
        """What was measured so far, as one table."""
        measured = tuple(outcome for outcome in self.outcomes if isinstance(outcome, Measurement | Failure))
        return Results(measured, self.raw)

    @property
    def diagnosis(self) -> DiagnosisResult:
        """What was diagnosed so far; of a cell that was interrupted, by the replicates that there are."""
        others = (outcome for outcome in self.outcomes if not isinstance(outcome, Measurement | Failure))
        trials = self.resources.trials
        return DiagnosisResult(tuple(others), self.raw, ComparisonResult.of(trials, self.raw) if trials else None)

    @property
    def comparison(self) -> ComparisonResult:
        """What was begun to be compared last, judged by what was measured so far."""
        return ComparisonResult.of(self.resources.comparisons, self.raw)

    @property
    def studied(self) -> StudyResult | None:
        """What is known so far of the study that was begun last; None: it was not begun."""
        from feedrate.api.study_result import StudyResult

        study = self.resources.study
        return None if study is None else StudyResult.of(study, self.raw)

    @property
    def change(self) -> ChangeResult | None:
        """What is known so far of the cell whose change was asked for last; None: it was not begun."""
        from feedrate.api.changing import ChangeResult

        comparisons = self.resources.comparisons
        return ChangeResult.of(comparisons[0], self.resources.stage, self.raw) if comparisons else None

    @property
    def calibration(self) -> CalibrationResult:
        """The answers of the last calibration so far."""
        return CalibrationResult(tuple(self.resources.answers))

    @property
    def raw(self) -> Path | None:
        """The file of raw results; None: there is none."""
        return self.resources.raw
