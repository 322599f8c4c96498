"""Show known answers against found ones: progress while they come, and the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.text import Text

from feedrate.formatting import number
from feedrate.report.console import harmless
from feedrate.report.grid import Column, Row, print_grid
from feedrate.report.progress import bar

if TYPE_CHECKING:
    from rich import progress as bars

    from feedrate.calibration.calibrate import CaseResult

__all__ = ["AnswersProgress", "answers_progress", "show"]

_COLUMNS = (
    Column("case"),
    Column(""),
    Column("expected"),
    Column("found", wraps=True),
    Column("tries", right=True, leaves=1),
)


class AnswersProgress(Protocol):
    """Hears of the cases as they are measured."""

    def begin(self, name: str, left: int) -> None:
        """Hear that a case starts; `left` are to come, this one among them."""

    def end(self, answer: CaseResult) -> None:
        """Hear the answer of a case."""


@contextmanager
def answers_progress(console: Console, *, quiet: bool) -> Iterator[AnswersProgress]:
    """Show a bar on a terminal, a line a case elsewhere; nothing if `quiet`."""
    if console.is_terminal and not quiet:
        with bar(console) as drawn:
            yield _Live(drawn)
    else:
        yield _Lines(None if quiet else console)


class _Lines:
    def __init__(self, console: Console | None) -> None:
        self._console, self._left = console, 0

    def begin(self, name: str, left: int) -> None:
        del name
        self._left = left - 1

    def end(self, answer: CaseResult) -> None:
        if self._console:
            left = f" ({self._left} to go)" if self._left else ""
            self._console.print(Text(f"{_verdict(answer)}: {answer.name}: {answer.found}{left}"), soft_wrap=True)


class _Live:
    def __init__(self, drawn: bars.Progress) -> None:
        self._bar, self._task, self._done = drawn, drawn.add_task("", total=None), 0

    def begin(self, name: str, left: int) -> None:
        self._bar.update(self._task, description=harmless(name), total=self._done + left)

    def end(self, answer: CaseResult) -> None:
        self._done += 1
        self._bar.advance(self._task)
        if answer.right is False:
            line = f"wrong: {answer.name}: expected {answer.expected}, found {answer.found}"
            self._bar.console.print(Text(line, style="red"), soft_wrap=True)


def show(console: Console, answers: Sequence[CaseResult]) -> None:
    """Print the table, what was said of each wrong one, and how many were right."""
    print_grid(console, _COLUMNS, [_row(answer) for answer in answers])
    wrong = [answer for answer in answers if answer.right is False]
    for answer in wrong:
        console.print(Text(f"{answer.name}: {answer.cell}: {answer.told}"), soft_wrap=True)
    asked = [answer for answer in answers if answer.right is not None]
    seconds = number(sum(answer.seconds for answer in asked))
    console.print(f"{len(asked) - len(wrong)} of {len(asked)} right, in {seconds} s", style="bold", soft_wrap=True)


def _row(answer: CaseResult) -> Row:
    texts = (
        answer.name,
        _verdict(answer),
        answer.expected,
        "the same" if answer.right else answer.found,
        str(answer.tries or "-"),
    )
    return Row(texts, {True: "", False: "red", None: "dim"}[answer.right])


def _verdict(answer: CaseResult) -> str:
    return {True: "right", False: "WRONG", None: "n/a"}[answer.right]
