"""Write a study as a page of Markdown that can be pasted into a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from feedrate.comparison.comparison import METRICS, StoppingRule
from feedrate.comparison.study import JudgedChange, waterfall
from feedrate.formatting import ABSENT, number
from feedrate.report.caption import caption
from feedrate.report.study import bars, total_sentence
from feedrate.report.study_words import (
    at_most,
    claimed,
    difference,
    lines_on,
    measured,
    percent,
    verdict_word,
)

__all__ = ["page"]

_HEADINGS = ("#", "change", "what is another", "claimed", "measured", "speed", "pairs", "verdict", "at most")


def page(title: str, about: str, base: str, rule: StoppingRule, changes: Sequence[JudgedChange]) -> str:
    """Give the text of the page."""
    parts = [f"# {title}", *([about] if about else []), f"It begins with `{base}`.", "## What was tried"]
    parts.append("\n".join(_table(_HEADINGS, (_cells(number, change) for number, change in enumerate(changes, 1)))))
    parts.append(_how(rule))
    contributions = waterfall(changes)
    if contributions:
        rows = list(bars(contributions, "#"))
        widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
        drawn = "\n".join(f"{name:<{widths[0]}}  {of:>{widths[1]}}  {bar}".rstrip() for name, of, bar in rows)
        parts += ["## What each contributed", "Of the base's time a sample:", f"```\n{drawn}\n```"]
    parts += [f"{line[0].upper()}{line[1:]}." for line in total_sentence(changes)]
    for heading, lines in lines_on(changes):
        parts += [f"## {heading[0].upper()}{heading[1:]}", "\n".join(f"- {_plain(line)}" for line in lines)]
    outcomes = [run.outcome for change in changes if change.tried.comparison for run in change.tried.comparison.runs]
    if outcomes:
        named = (line.partition(" ") for line in caption(outcomes))
        parts += ["## Where", "\n".join(f"- {name}: {_plain(text)}" for name, _, text in named)]
    return "\n\n".join(parts) + "\n"


def _cells(number: int, change: JudgedChange) -> Iterator[str]:
    yield str(number)
    yield change.tried.name
    yield f"`{difference(change)}`"
    yield claimed(change)
    yield measured(change)
    yield percent(change)
    yield ABSENT if change.verdict is None else str(len(change.verdict.pairs.ratios))
    yield verdict_word(change)
    yield at_most(change)


def _table(headings: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row("---" for _ in headings)
    yield from map(_row, rows)


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(_plain(text).replace('|', chr(92) + '|') for text in texts)} |"


def _plain(text: str) -> str:
    """Put a text into one line."""
    return " ".join(text.split())


def _how(rule: StoppingRule) -> str:
    """Say what the numbers of the table are."""
    return (
        f"Measured: how many times the speed (`{METRICS[rule.metric]}`) is what it was without the change, with the"
        f" interval that early looks do not bend; both sides in fresh processes by turns, at most {rule.pairs} pairs."
        f" SAME: within {number(100 * rule.margin, 2)} %. All verdicts are judged together: of those that are FASTER or"
        " SLOWER one in twenty may be false. At most: what is to be gained if the side that it changes took no time"
        " (Amdahl), from the times of loader and step before it."
    )
