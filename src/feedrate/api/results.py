"""Results as a notebook shows them: text as the commands print it, HTML, DataFrames, and the documents of `--json`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from feedrate.calibration.calibrate import CaseResult
from feedrate.comparison.paired_test import verdicts
from feedrate.errors import FeedrateError, UsageError
from feedrate.records.document import document
from feedrate.records.estimate import estimate
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.validity import without_superseded
from feedrate.report.rendered import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.comparison.comparison import Comparison, Variant
    from feedrate.comparison.paired_test import ComparisonVerdict
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.diagnosis.verdict import Verdict
    from feedrate.records.estimate import Estimate
    from feedrate.records.measurement import Outcome

__all__ = [
    "CalibrationResult",
    "CellError",
    "ComparisonResult",
    "DiagnosisResult",
    "Result",
    "Results",
    "Speedup",
    "show_raw",
]

T = TypeVar("T")


class CellError(FeedrateError):
    """A cell gave no number, so nothing can be said of it; `failure` is what its raw results hold."""

    def __init__(self, failure: Failure) -> None:
        log = f"; log: {failure.log}" if failure.log and failure.log not in failure.reason else ""
        super().__init__(f"{failure.cell}: failed, {failure.why}: {failure.reason}{log}")
        self.failure = failure


class Result(ABC):
    """Shows itself: `print` as the command does on a pipe, a notebook as the command does on a terminal."""

    @abstractmethod
    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print it; `explain` adds what its columns mean."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Its numbers as a table; raises `UnavailableError` where pandas is not installed."""

    def __str__(self) -> str:
        return as_text(self.show)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.show)


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
        cells = {outcome.cell for outcome in self.outcomes}
        if len(cells) != 1:
            raise UsageError(f"these are results of {len(cells)} cells; to_frame() has the numbers of each")
        for failure in self.failures:
            raise CellError(failure)
        counting = without_superseded(self.measurements)
        return estimate([counted.samples_per_s for counted in counting if isinstance(counted, Measurement)])

    def show(self, console: Console, *, explain: bool = False, details: bool = False) -> None:
        """Print the table, as `feedrate run` does; `details` adds how the gaps between batches spread."""
        from feedrate.report.table import show

        show(console, self.outcomes, explain=explain, details=details)
        if self.outcomes:
            show_raw(console, self.raw)

    def to_frame(self) -> pd.DataFrame:
        """One row a replicate, one column a quantity; docs/results.md says which."""
        from feedrate.records.frame import frame

        return frame(self.outcomes)

    def as_json(self) -> list[dict[str, object]]:
        """What `feedrate run --json` prints."""
        return [document(outcome) for outcome in self.outcomes]


@dataclass(frozen=True, repr=False)
class DiagnosisResult(Result):
    """What holds a cell back, or each of several."""

    diagnoses: tuple[Diagnosis, ...]
    raw: Path | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """The replicates, their ladders and the evidence.

        Raises:
            UsageError: there are several.
        """
        return _only(self.diagnoses, "diagnoses")

    @property
    def verdict(self) -> Verdict:
        """What holds the cell back, in a `sentence` and as a `kind`; raises like `diagnosis`."""
        return self.diagnosis.verdict

    def show(self, console: Console, *, explain: bool = False, details: bool = False) -> None:
        """Print verdict, waterfall and what to try, as `feedrate why` does; `details` adds what it does with them."""
        from feedrate.report.diagnosis import show

        show(console, self.diagnoses, explain=explain, details=details)
        show_raw(console, self.raw)

    def to_frame(self) -> pd.DataFrame:
        """One row a part of T_F in the order of the waterfall, mean seconds a batch and half the interval around it."""
        from feedrate.records.frame import tabulated
        from feedrate.report.waterfall import waterfall

        rows = [
            (diagnosis.cell, name, seconds.mean, seconds.half)
            for diagnosis in self.diagnoses
            for name, seconds in waterfall(diagnosis.evidence)
        ]
        return tabulated(rows, ["cell", "part", "batch_s", "batch_half_s"])

    def as_json(self) -> list[dict[str, object]]:
        """What `feedrate why --json` prints."""
        return [diagnosis.as_json() for diagnosis in self.diagnoses]


@dataclass(frozen=True)
class Speedup:
    """How many times A's speed is B's, with the 95 % interval around it that early looks do not bend."""

    factor: float
    low: float
    high: float


@dataclass(frozen=True, repr=False)
class ComparisonResult(Result):
    """Whether A is faster than B: one comparison, or several that were judged together."""

    comparisons: tuple[Comparison, ...]
    verdicts: tuple[ComparisonVerdict, ...]
    """One each, false discoveries among them controlled."""
    raw: Path | None = None

    @classmethod
    def of(cls, comparisons: Sequence[Comparison], raw: Path | None) -> ComparisonResult:
        """Judge what was measured so far."""
        return cls(tuple(comparisons), verdicts([comparison.pairs for comparison in comparisons]), raw)

    @property
    def verdict(self) -> ComparisonVerdict:
        """The verdict on A; its `word` is FASTER, SLOWER, SAME, UNSURE or INVALID.

        Raises:
            UsageError: there are several.
        """
        return _only(self.verdicts, "verdicts")

    @property
    def speedup(self) -> Speedup:
        """How many times A's speed is B's; raises like `verdict`."""
        verdict = self.verdict
        return Speedup(verdict.factor, verdict.low, verdict.high)

    @property
    def kept(self) -> Path | None:
        """File that holds the documents, beside the raw results."""
        return self.raw and self.raw.with_suffix(".json")

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print sentences and tables, as `feedrate compare` does."""
        from feedrate.report.comparison import show

        del explain
        show(console, self.comparisons, self.verdicts)
        show_raw(console, self.raw, self.kept)

    def to_frame(self) -> pd.DataFrame:
        """One row a comparison: what was compared, verdict, speed-up, interval, pairs and p."""
        from feedrate.records.frame import tabulated

        columns = ["a", "b", "metric", "verdict", "reason", "speedup", "speedup_low", "speedup_high", "pairs", "p"]
        documents = [
            {**document, "a": _side(one.a), "b": _side(one.b)}
            for one, document in zip(self.comparisons, self.as_json(), strict=True)
        ]
        return tabulated(([document[name] for name in columns] for document in documents), columns)

    def as_json(self) -> list[dict[str, object]]:
        """What `feedrate compare --json` prints."""
        from feedrate.report.comparison import document

        return [document(one, verdict) for one, verdict in zip(self.comparisons, self.verdicts, strict=True)]


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
        """One row a case: its cell, what was expected, what was found, and whether that is right."""
        from feedrate.records.frame import tabulated

        columns = [field.name for field in fields(CaseResult)]
        return tabulated(([getattr(answer, name) for name in columns] for answer in self.answers), columns)

    def as_json(self) -> list[Mapping[str, object]]:
        """What `feedrate calibrate --json` prints."""
        return [asdict(answer) for answer in self.answers]


def _only(several: Sequence[T], noun: str) -> T:
    if len(several) != 1:
        raise UsageError(f"there are {len(several)} {noun}, not one; `.{noun}` has them all")
    return several[0]


def _side(variant: Variant) -> str:
    return f"{variant.cell}@{variant.code}" if variant.code else variant.cell


def show_raw(console: Console, *files: Path | None) -> None:
    """Print where the raw results lie, if they were written down."""
    names: Iterable[str] = map(str, filter(None, files))
    if any(files):
        console.print(f"raw         {', '.join(names)}", style="dim", soft_wrap=True)
