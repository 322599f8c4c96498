"""Give the best settings of a script's DataLoader, the proof, what to paste, and what another loader gains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.result import Result, show_raw
from feedrate.api.trying import pasted
from feedrate.records.cell_key import split_spec
from feedrate.records.document import document

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.api.comparison_result import ComparisonResult
    from feedrate.comparison.paired_test import ComparisonVerdict
    from feedrate.records.measurement import Outcome

__all__ = ["TuningResult"]

_MEANING = {
    "threads": "its samples come from threads of the process that trains, which nothing has to cross to",
    "ring_workers": "its batches cross from the workers in memory that is used again, not in new one for each tensor",
}
"""What it says of a training that this loader is faster there than torch's."""


@dataclass(frozen=True, repr=False)
class TuningResult(Result):
    """What became of tuning one command."""

    outcomes: tuple[Outcome, ...]
    """Of the script as it is, then of each setting that was tried, in the order of measuring."""
    best: str
    """The settings of torch's loader that won; empty: nothing was to be gained, or none could run."""
    proof: ComparisonResult | None
    """The best, and the other, if there are any, against the script as it is, in pairs; None: it was not asked."""
    raw: Path | None = None
    other: str = ""
    """The loader of feedrate's that was faster still; empty: none was."""

    @property
    def gains(self) -> bool:
        """Whether the best settings are told apart from the script as it is."""
        return self._has_gain(self.best)

    @property
    def paste(self) -> str:
        """What to write into the script; empty where nothing helps that could be written."""
        return pasted(self.best) if self.gains else ""

    @property
    def sentence(self) -> str:
        """Say in a line what helps, and how much."""
        if self.proof is None and (self.best or self.other):
            tried = self.best or self.other
            return f"no answer: the time was up before it was proven that {tried} helps; give it more (--budget)"
        if self.proof is None:
            return (
                "nothing helps: the step is the limit"
                if len({outcome.cell for outcome in self.outcomes}) == 1
                else "nothing helps: no other setting could run, or within --memory"
            )
        if self.gains:
            return f"{self.paste} gains {self._gain(self.best)}"
        verdict = self._verdict(self.best)
        if verdict is None:
            return "nothing to paste helps: no other setting of torch's loader could run, or within --memory"
        if verdict.word in ("SAME", "SLOWER"):
            tried = f"the best of all that was tried, {self.best}, is no faster than the script as it is"
            return f"{'nothing to paste helps' if self.beside else 'nothing helps'}: {tried}"
        return f"no answer: whether {self.best} helps is not told apart yet: {verdict.reason}"

    @property
    def beside(self) -> str:
        """Say in a line what a loader of feedrate's own gains, for which nothing can be pasted; empty: none does."""
        if not self._has_gain(self.other):
            return ""
        return (
            f"{self.other} gains {self._gain(self.other)}: feedrate's own loader, for which there is no line to paste;"
            f" {_MEANING[split_spec(self.other)[0]]}"
        )

    def _has_gain(self, loader: str) -> bool:
        verdict = self._verdict(loader)
        return verdict is not None and verdict.word == "FASTER"

    def _gain(self, loader: str) -> str:
        verdict = self._verdict(loader)
        return "" if verdict is None else f"x{verdict.factor:.2f} ({verdict.low:.2f} to {verdict.high:.2f})"

    def _verdict(self, loader: str) -> ComparisonVerdict | None:
        """The verdict on the best, or on the other; None: there is none."""
        if self.proof is None or not loader:
            return None
        return self.proof.verdicts[0 if loader == self.best else -1]

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the answer, the table of what was tried, and the proof, as `feedrate tune` does."""
        from feedrate.report.comparison import show as show_comparison
        from feedrate.report.table import show as show_table

        console.print(self.sentence, style="bold", soft_wrap=True)
        if self.beside:
            console.print(self.beside, soft_wrap=True)
        console.print()
        show_table(console, self.outcomes, explain=explain)
        if self.proof is not None:
            console.print()
            show_comparison(console, self.proof.comparisons, self.proof.verdicts)
        show_raw(console, self.raw)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a run of a setting; docs/results.md says which columns."""
        from feedrate.records.frame import frame

        return frame(self.outcomes)

    def as_json(self) -> dict[str, object]:
        """Give what `feedrate tune --json` prints."""
        return {
            "sentence": self.sentence,
            "best": self.best,
            "paste": self.paste,
            "other": self.other,
            "beside": self.beside,
            "proof": None if self.proof is None else self.proof.as_json(),
            "outcomes": [document(outcome) for outcome in self.outcomes],
        }
