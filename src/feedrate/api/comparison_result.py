"""Give whether A is faster than B, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.result import Result, only, show_raw
from feedrate.comparison.paired_test import verdicts

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.comparison.comparison import Comparison
    from feedrate.comparison.paired_test import ComparisonVerdict

__all__ = ["ComparisonResult", "Speedup"]


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
        return only(self.verdicts, "verdicts")

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
        """Give one row a comparison: what was compared, verdict, speed-up, interval, pairs and p."""
        from feedrate.records.frame import tabulated

        columns = ["a", "b", "metric", "verdict", "reason", "speedup", "speedup_low", "speedup_high", "pairs", "p"]
        documents = [
            {**document, "a": str(comparison.a), "b": str(comparison.b)}
            for comparison, document in zip(self.comparisons, self.as_json(), strict=True)
        ]
        return tabulated(([document[name] for name in columns] for document in documents), columns)

    def as_json(self) -> list[dict[str, object]]:
        """Give what `feedrate compare --json` prints."""
        from feedrate.report.comparison import document

        return [
            document(comparison, verdict) for comparison, verdict in zip(self.comparisons, self.verdicts, strict=True)
        ]
