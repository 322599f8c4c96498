"""Give the best settings of a script's DataLoader, the proof, and what to paste."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.result import Result, show_raw
from feedrate.records.cell_key import split_spec
from feedrate.records.document import document

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.api.comparison_result import ComparisonResult
    from feedrate.records.measurement import Outcome

__all__ = ["TuningResult"]


@dataclass(frozen=True, repr=False)
class TuningResult(Result):
    """What became of tuning one command."""

    outcomes: tuple[Outcome, ...]
    """Of the script as it is, then of each setting that was tried, in the order of measuring."""
    best: str
    """The settings that won; empty: nothing was to be gained, or nothing could run."""
    proof: ComparisonResult | None
    """The best against the script as it is, in pairs; None: it was not asked."""
    raw: Path | None = None

    @property
    def gains(self) -> bool:
        """Whether the best settings are told apart from the script as it is."""
        return self.proof is not None and self.proof.verdict.word == "FASTER"

    @property
    def paste(self) -> str:
        """What to write into the script; empty where nothing helps."""
        if not self.gains:
            return ""
        _, settings = split_spec(self.best)
        words = {"true": "True", "false": "False"}
        return f"DataLoader(..., {', '.join(f'{key}={words.get(text, text)}' for key, text in settings.items())})"

    @property
    def sentence(self) -> str:
        """Say in a line what helps, and how much."""
        if self.proof is None and self.best:
            return f"no answer: the time was up before it was proven that {self.best} helps; give it more (--budget)"
        if self.proof is None:
            return (
                "nothing helps: the step is the limit"
                if len(self.outcomes) == 1
                else "nothing helps: no other setting could run, or within --memory"
            )
        gain, verdict = self.proof.speedup, self.proof.verdict
        if self.gains:
            return f"{self.paste} gains x{gain.factor:.2f} ({gain.low:.2f} to {gain.high:.2f})"
        if verdict.word in ("SAME", "SLOWER"):
            return f"nothing helps: the best of all that was tried, {self.best}, is no faster than the script as it is"
        return f"no answer: whether {self.best} helps is not told apart yet: {verdict.reason}"

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the answer, the table of what was tried, and the proof, as `feedrate tune` does."""
        from feedrate.report.comparison import show as show_comparison
        from feedrate.report.table import show as show_table

        console.print(self.sentence, style="bold", soft_wrap=True)
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
            "proof": None if self.proof is None else self.proof.as_json(),
            "outcomes": [document(outcome) for outcome in self.outcomes],
        }
