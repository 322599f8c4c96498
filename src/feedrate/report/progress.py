"""Show how far a run is, on standard error: a bar with the time left on a terminal, a line a result elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.text import Text

from feedrate.formatting import number
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.report.console import harmless

__all__ = ["Progress", "bar", "rows_written", "run_progress"]

if TYPE_CHECKING:
    from rich import progress as bars


class Progress(Protocol):
    """Hears of a run as it goes on."""

    def begin(self, cell: str, left: int) -> None:
        """Hear that a cell starts; `left` measurements are to come, this one among them."""

    def end(self, outcome: Outcome) -> None:
        """Hear what came of a cell."""


@contextmanager
def run_progress(console: Console, *, quiet: bool) -> Iterator[Progress]:
    """Show outcomes as they come."""
    if quiet:
        yield _Silent()
    elif console.is_terminal:
        with bar(console) as drawn:
            yield _Live(drawn)
    else:
        yield _Lines(console)


class _Silent:
    def begin(self, cell: str, left: int) -> None:
        del cell, left

    def end(self, outcome: Outcome) -> None:
        del outcome


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console, self._left = console, 0

    def begin(self, cell: str, left: int) -> None:
        del cell
        self._left = left - 1

    def end(self, outcome: Outcome) -> None:
        left = f" ({self._left} to go)" if self._left else ""
        self._console.print(Text(f"{outcome.cell}: {_told(outcome)}{left}"), soft_wrap=True)


class _Live:
    def __init__(self, bar: bars.Progress) -> None:
        self._bar, self._task, self._done = bar, bar.add_task("", total=None), 0

    def begin(self, cell: str, left: int) -> None:
        self._bar.update(self._task, description=harmless(cell), total=self._done + left)
        if not self._done:
            # The estimate needs a moment to count from, or it would stay blank until the second cell is done.
            self._bar.advance(self._task, 0)

    def end(self, outcome: Outcome) -> None:
        # A cell that could not start says nothing about how long the others take.
        if not (isinstance(outcome, Failure) and outcome.why == "unavailable"):
            self._done += 1
            self._bar.advance(self._task)
        self._bar.console.print(Text(f"{outcome.cell}: {_told(outcome)}", style=_style(outcome)), soft_wrap=True)


def bar(console: Console) -> bars.Progress:
    """Draw a bar with what is done, the time it took and the time that is left."""
    # Late: this part of rich is slow to import, and most commands draw no bar.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    # A cell takes tens of seconds: the estimate looks back over all of them, and drawing is no load on the machine.
    return Progress(
        *columns,
        TextColumn("{task.description}", markup=False),
        console=console,
        speed_estimate_period=1e6,
        refresh_per_second=1,
    )


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, Measurement):
        return f"{number(outcome.samples_per_s, 4)} samples/s"
    return f"n/a: {outcome.reason}" if outcome.why == "unavailable" else f"failed, {outcome.why}: {outcome.reason}"


def _style(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Measurement) else "dim" if outcome.why == "unavailable" else "red"


@contextmanager
def rows_written(console: Console, label: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` rows of a data set are written; call what it yields with the rows each step adds."""
    if quiet or not console.is_terminal:
        if not quiet:
            console.print(f"writing {label}: {total:,} rows", soft_wrap=True)
        yield lambda rows: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("writing {task.description}", markup=False),
        BarColumn(24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(harmless(f"{label}: {total:,} rows"), total=total)
        yield lambda rows: progress.advance(task, rows)
