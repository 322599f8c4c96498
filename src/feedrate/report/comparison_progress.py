"""Show how far a comparison is: one line that changes on a terminal, a line a round elsewhere, on standard error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.text import Text

from feedrate.comparison.comparison import ComparedRun, Comparison
from feedrate.comparison.paired_test import ComparisonVerdict
from feedrate.report.comparison import interval
from feedrate.report.console import harmless

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["Rounds", "rounds_shown"]


class Rounds(Protocol):
    """Hears of each process and each round of a comparison."""

    def ran(self, comparison: Comparison, run: ComparedRun, still_open: Sequence[Comparison]) -> None:
        """Hear that a process ended; `still_open` are the comparisons without a verdict."""

    def end(self, comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        """Hear that a round ended, with the verdicts so far on all comparisons."""


@contextmanager
def rounds_shown(console: Console, *, quiet: bool) -> Iterator[Rounds]:
    """Show rounds as they come."""
    if quiet:
        yield _Silent()
    elif console.is_terminal:
        with console.status("round 1") as status:
            yield _Live(status)
    else:
        yield _Lines(console)


class _Silent:
    def ran(self, comparison: Comparison, run: ComparedRun, still_open: Sequence[Comparison]) -> None:
        del comparison, run, still_open

    def end(self, comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        del comparisons, judgements


class _Lines(_Silent):
    def __init__(self, console: Console) -> None:
        self._console = console

    def end(self, comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        self._console.print(Text(_so_far(comparisons, judgements)), soft_wrap=True)


class _Live(_Silent):
    def __init__(self, status: Status) -> None:
        self._status, self._known = status, ""

    def ran(self, comparison: Comparison, run: ComparedRun, still_open: Sequence[Comparison]) -> None:
        several = f", {len(still_open)} comparisons open" if len(still_open) > 1 else ""
        line = f"{len(comparison.runs)} processes, the last one {run.role}: {run.outcome.cell}{several}"
        self._status.update(Text(harmless(f"{self._known}{line}")))

    def end(self, comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        self._known = f"{_so_far(comparisons, judgements)}; "


def _so_far(comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> str:
    pairs = max(len(judgement.pairs.ratios) for judgement in judgements)
    if len(comparisons) == 1:
        # No word: between looks there is no verdict.
        return f"{pairs} pairs: {interval(judgements[0])}"
    words = [judgement.word for judgement in judgements]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return f"{pairs} pairs: {counts}"
