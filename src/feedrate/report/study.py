"""Print what became of the changes of a study: a table, what each contributed, and what is ruled out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from feedrate.comparison.study import Contribution, JudgedChange, together, waterfall
from feedrate.formatting import ABSENT, factor_interval, share
from feedrate.report.caption import caption
from feedrate.report.glossary import explained
from feedrate.report.grid import Column, Row, print_entry, print_grid
from feedrate.report.study_words import at_most, claimed, document, lines_on, measured, verdict_word

__all__ = ["STUDY_COLUMNS", "WATERFALL_COLUMNS", "bars", "document", "show", "total_sentence"]

STUDY_COLUMNS = (
    *(Column("change", wraps=True), Column("claimed", leaves=2), Column("A's speed", right=True)),
    *(Column("pairs", right=True, leaves=1), Column("verdict"), Column("at most", leaves=3)),
)
WATERFALL_COLUMNS = (Column("change"), Column("of the base's time", right=True), Column("", leaves=1))
_STYLES = {"kept": "bold green", "ruled out": "", "open": "yellow", "not tried": "dim"}
_WIDTH = 40
"""Characters of a bar as long as the base's time."""


def show(console: Console, title: str, base: str, changes: Sequence[JudgedChange], *, explain: bool = False) -> None:
    """Print all of it."""
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(Text(f"begins with {base}"), soft_wrap=True)
    rows = [Row(tuple(_texts(change)), _STYLES[change.standing]) for change in changes]
    if rows:
        print_grid(console, STUDY_COLUMNS, rows)
    contributions = waterfall(changes)
    if contributions:
        console.print()
        mark = "█" if console.is_terminal else "#"
        print_grid(console, WATERFALL_COLUMNS, [Row(texts) for texts in bars(contributions, mark)])
    for line in total_sentence(changes):
        console.print(Text(line, style="bold"), soft_wrap=True)
    for heading, lines in lines_on(changes):
        console.print()
        console.print(Text(heading, style="bold"))
        for line in lines:
            print_entry(console, "", 2, Text(line))
    console.print()
    outcomes = [run.outcome for change in changes if change.tried.comparison for run in change.tried.comparison.runs]
    for line in caption(outcomes) if outcomes else ():
        console.print(Text(line, style="dim"), soft_wrap=True)
    headings = [column.heading for column in (*STUDY_COLUMNS, *WATERFALL_COLUMNS) if column.heading]
    for heading, text in explained(headings) if explain else ():
        console.print(Text(f"{heading:>18}  {text}", style="dim"), soft_wrap=True)


def _texts(change: JudgedChange) -> Iterator[str]:
    yield change.tried.name
    yield claimed(change)
    yield measured(change)
    yield ABSENT if change.verdict is None else str(len(change.verdict.pairs.ratios))
    yield verdict_word(change)
    yield at_most(change)


def bars(contributions: Sequence[Contribution], mark: str) -> Iterator[tuple[str, str, str]]:
    """Yield the base, what each change took of its time a sample, and what is left: name, share and bar."""
    yield "base", share(1.0), mark * _WIDTH
    for contribution in contributions:
        ends = sorted((contribution.left, contribution.left + contribution.share))
        start, end = (round(_WIDTH * place) for place in ends)
        sign = "-" if contribution.share >= 0 else "+"
        drawn = mark * max(1, end - start)
        yield f"  {contribution.name}", f"{sign}{share(abs(contribution.share))}", " " * start + drawn
    left = contributions[-1].left
    yield "with all of them", share(left), mark * round(_WIDTH * left)


def total_sentence(changes: Sequence[JudgedChange]) -> Iterator[str]:
    """Say how many times as fast it is with all that were built upon, where more than one was."""
    log, kept = together(changes), sum(change.standing == "kept" for change in changes)
    if log is None:
        return
    low, high = (math.exp(log.low), math.exp(log.high)) if log.half is not None else (None, None)
    tried = sum(change.verdict is not None for change in changes)
    yield (
        f"with all changes that build on one another {factor_interval(math.exp(log.mean), low, high)} the speed of the"
        f" base; {kept} of {tried} that were tried hold"
    )
