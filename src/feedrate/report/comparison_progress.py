"""How far a comparison is: one line drawn over and over on a terminal, a line a round elsewhere, on standard error."""

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
    """Told of a comparison as it goes on."""

    def ran(self, duel: Comparison, ran: ComparedRun, still: Sequence[Comparison]) -> None:
        """A process ended; `still` are the duels that are open."""

    def end(self, duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        """A round ended, of all duels."""


@contextmanager
def rounds_shown(console: Console, *, quiet: bool) -> Iterator[Rounds]:
    """Show rounds as they come."""
    if quiet:
        yield _Silent()
    elif console.is_terminal:
        with console.status("block 1") as status:
            yield _Live(status)
    else:
        yield _Lines(console)


class _Silent:
    def ran(self, duel: Comparison, ran: ComparedRun, still: Sequence[Comparison]) -> None:
        del duel, ran, still

    def end(self, duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        del duels, judgements


class _Lines(_Silent):
    def __init__(self, console: Console) -> None:
        self._console = console

    def end(self, duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        self._console.print(Text(_so_far(duels, judgements)), soft_wrap=True)


class _Live(_Silent):
    def __init__(self, status: Status) -> None:
        self._status, self._known = status, ""

    def ran(self, duel: Comparison, ran: ComparedRun, still: Sequence[Comparison]) -> None:
        several = f", {len(still)} comparisons open" if len(still) > 1 else ""
        said = f"{len(duel.runs)} processes, the last one {ran.role}: {ran.outcome.cell}{several}"
        self._status.update(Text(harmless(f"{self._known}{said}")))

    def end(self, duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
        self._known = f"{_so_far(duels, judgements)}; "


def _so_far(duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> str:
    pairs = max(len(found.pairs.ratios) for found in judgements)
    if len(duels) == 1:
        # No word: between looks there is no verdict.
        return f"{pairs} pairs: {interval(judgements[0])}"
    words = [found.word for found in judgements]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return f"{pairs} pairs: {counts}"
