"""Give what became of each change of a study: a table, a waterfall, hypotheses that are ruled out, and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.comparison_result import Speedup
from feedrate.api.result import Result, show_raw
from feedrate.comparison.comparison import StoppingRule
from feedrate.comparison.study import Contribution, JudgedChange, TriedChange, judged, together, waterfall

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["StudyProgress", "StudyResult"]

_COLUMNS = (
    *("change", "cell", "against", "claim", "standing", "verdict", "reason"),
    *("speedup", "speedup_low", "speedup_high", "pairs", "p", "margin", "bound"),
)


@dataclass
class StudyProgress:
    """What is known so far of a study that goes on."""

    title: str
    about: str
    base: str
    rule: StoppingRule
    tried: list[TriedChange] = field(default_factory=list)
    """In their order; the last one may still be compared."""


@dataclass(frozen=True, repr=False)
class StudyResult(Result):
    """What became of each change that a study tried."""

    title: str
    about: str
    base: str
    """The cell that it began with."""
    rule: StoppingRule
    changes: tuple[JudgedChange, ...]
    """In the order in which they were tried, all of them judged together."""
    raw: Path | None = None

    @classmethod
    def of(cls, progress: StudyProgress, raw: Path | None) -> StudyResult:
        """Judge what was tried so far."""
        return cls(progress.title, progress.about, progress.base, progress.rule, judged(progress.tried), raw)

    @property
    def kept(self) -> tuple[JudgedChange, ...]:
        """The changes that hold: FASTER."""
        return self._standing("kept")

    @property
    def ruled_out(self) -> tuple[JudgedChange, ...]:
        """The changes that do not: SAME, within the margin, or SLOWER."""
        return self._standing("ruled out")

    @property
    def open(self) -> tuple[JudgedChange, ...]:
        """The changes of which the pairs do not tell."""
        return self._standing("open")

    @property
    def not_tried(self) -> tuple[JudgedChange, ...]:
        """The changes that this machine cannot try; `tried.lacking` says why."""
        return self._standing("not tried")

    def _standing(self, standing: str) -> tuple[JudgedChange, ...]:
        return tuple(change for change in self.changes if change.standing == standing)

    @property
    def waterfall(self) -> Sequence[Contribution]:
        """What each change that is kept took of the base's time a sample, and all others together."""
        return waterfall(self.changes)

    @property
    def together(self) -> Speedup | None:
        """How many times as fast as the base it is with all changes that were built upon; None: there is none."""
        log = together(self.changes)
        return None if log is None else Speedup(math.exp(log.mean), math.exp(log.low), math.exp(log.high))

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the table, the waterfall and what is ruled out, as `feedrate study` does."""
        from feedrate.report.study import show

        show(console, self.title, self.base, self.changes, explain=explain)
        show_raw(console, self.raw, self.raw and self.raw.with_suffix(".json"))

    def as_markdown(self) -> str:
        """Give a page that can be pasted into a report: tables, waterfall, and what was ruled out, with margins."""
        from feedrate.report.study_markdown import page

        return page(self.title, self.about, self.base, self.rule, self.changes)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a change: what it is, its claim, verdict, speed-up, interval, pairs, and Amdahl's bound."""
        from feedrate.records.frame import tabulated
        from feedrate.report.study import document

        documents = [document(change) for change in self.changes]
        rows = [{**told, **_numbers(told), "claim": told["claim"]} for told in documents]
        return tabulated(([row.get(name) for name in _COLUMNS] for row in rows), _COLUMNS)

    def as_json(self) -> dict[str, object]:
        """Give what `feedrate study --json` prints."""
        from feedrate.report.study import document

        total = self.together
        return {
            "kind": "study",
            "title": self.title,
            "base": self.base,
            "changes": [document(change) for change in self.changes],
            "waterfall": [vars(contribution) for contribution in self.waterfall],
            "together": None
            if total is None
            else {
                "speedup": total.factor,
                "speedup_low": total.low or None,
                "speedup_high": total.high if math.isfinite(total.high) else None,
            },
        }


def _numbers(told: dict[str, object]) -> dict[str, object]:
    """Give the numbers of the comparison that a change's document holds."""
    comparison = told["comparison"]
    return comparison if isinstance(comparison, dict) else {}
