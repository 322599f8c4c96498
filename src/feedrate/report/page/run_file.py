"""Read a file of raw results for the page: each record beside its line, and comparisons that are kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from feedrate.diagnosis.diagnosis import Diagnosis, placed_records
from feedrate.errors import DataError
from feedrate.records.codec import decoded
from feedrate.records.jsonl import Placed, Unreadable
from feedrate.records.measurement import Failure, Measurement, Outcome

__all__ = ["ComparedSide", "KeptComparison", "RunFile", "read_run"]


@dataclass(frozen=True)
class ComparedSide:
    """Name one of the two that were compared."""

    cell: str
    code: str = ""
    """Commit or plugin file; empty: the code that ran."""


@dataclass(frozen=True)
class KeptComparison:
    """Hold what the page shows of a comparison that `feedrate compare` has kept."""

    a: ComparedSide
    b: ComparedSide
    control: str
    """The cell that was measured beside both."""
    sentence: str
    margin: float
    confidence: float
    log_ratios: tuple[float, ...] = ()
    """Natural logarithm of B's time over A's, of each pair in the order of measuring."""


@dataclass(frozen=True)
class RunFile:
    """Hold what one file of raw results says."""

    path: Path
    lines: tuple[Placed[Outcome | Diagnosis], ...]
    comparisons: tuple[KeptComparison, ...] = ()
    """What is kept beside it."""
    complaints: tuple[str, ...] = ()
    """What could not be read, a line each."""

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """List the measurements and failures."""
        return tuple(placed.record for placed in self.lines if isinstance(placed.record, Measurement | Failure))

    @cached_property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """List the cells that were taken apart."""
        return tuple(placed.record for placed in self.lines if isinstance(placed.record, Diagnosis))

    @cached_property
    def raced(self) -> tuple[Outcome, ...]:
        """List the outcomes of cells that were measured beside one another, without those of comparisons.

        The two of a comparison may be one cell at two commits, and no table tells them apart.
        """
        compared = {cell for each in self.comparisons for cell in (each.a.cell, each.b.cell, each.control)}
        return tuple(outcome for outcome in self.outcomes if outcome.cell not in compared)

    @property
    def measured(self) -> tuple[Outcome, ...]:
        """List all outcomes, those of diagnoses among them."""
        return (*self.outcomes, *(each for diagnosis in self.diagnoses for each in diagnosis.measured))

    @property
    def started(self) -> str:
        """Give when its first outcome was begun: UTC, ISO 8601; empty without one."""
        return min((outcome.started for outcome in self.measured), default="")


def read_run(path: Path) -> RunFile:
    """Read a file of raw results, and the comparisons beside it.

    Raises:
        DataError: it cannot be read, or holds no record.
    """
    everything = list(placed_records(path))
    lines = tuple(placed for placed in everything if isinstance(placed, Placed))
    if not lines:
        raise DataError(f"{path}: holds no results; `feedrate run` writes them")
    unreadable = [str(line) for line in everything if isinstance(line, Unreadable)]
    try:
        comparisons = tuple(_kept(path.with_suffix(".json")))
    except DataError as error:
        return RunFile(path, lines, (), (*unreadable, str(error)))
    return RunFile(path, lines, comparisons, tuple(unreadable))


def _kept(path: Path) -> Iterator[KeptComparison]:
    if path.suffix != ".json" or not path.is_file():
        return
    try:
        documents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise DataError(f"{path}: is left out: it is no JSON that can be read") from None
    for document in documents if isinstance(documents, list) else [documents]:
        # What has changed since a commit holds a comparison for each side.
        inner = document.get("comparisons") if isinstance(document, dict) else None
        for each in inner.values() if isinstance(inner, dict) else [document]:
            if isinstance(each, dict) and each.get("kind") == "comparison":
                yield decoded(KeptComparison, each, str(path))
