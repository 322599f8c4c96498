"""Say what became of a change that a study tried, for a table, for a page and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from feedrate.comparison.study import JudgedChange, Standing
from feedrate.formatting import ABSENT, factor, number
from feedrate.records.cell_key import CellKey
from feedrate.report.comparison import document as comparison_document
from feedrate.report.comparison import interval

__all__ = ["at_most", "claimed", "difference", "document", "lines_on", "measured", "percent", "said_of", "verdict_word"]

TITLES: Mapping[Standing, str] = {
    "ruled out": "ruled out",
    "open": "open, what could gain most first",
    "not tried": "not tried here",
}
"""What stands above the changes of each standing that are told of in words."""


def verdict_word(change: JudgedChange) -> str:
    """Give the verdict in the words of a comparison."""
    return "not tried" if change.verdict is None else change.verdict.word


def measured(change: JudgedChange) -> str:
    """Format how many times the speed is what it was, such as `x1.31 (1.28-1.35)`."""
    return ABSENT if change.verdict is None else interval(change.verdict)


def percent(change: JudgedChange) -> str:
    """Format the same as a difference, such as `+31 %`."""
    if change.verdict is None or not change.is_timed:
        return ABSENT
    share = 100 * (change.verdict.factor - 1)
    return f"{'+' if share >= 0 else '-'}{number(abs(share), 2)} %"


def claimed(change: JudgedChange) -> str:
    """Give the claim, and how what was measured lies to it."""
    claim, verdict = change.tried.claim, change.verdict
    if claim is None:
        return ABSENT
    if verdict is None or not change.is_judged:
        return claim.text
    return f"{claim.text}: {claim.beside(verdict.low, verdict.high)}"


def at_most(change: JudgedChange) -> str:
    """Format Amdahl's bound, and whether the claim goes beyond it."""
    bound, claim = change.bound, change.tried.claim
    if bound is None:
        return ABSENT
    return f"{factor(bound)}, below the claim" if claim is not None and claim.low > bound else factor(bound)


def difference(change: JudgedChange) -> str:
    """Say what it changes: the parts of the cell that are others, or its code."""
    if not change.tried.against:
        return change.tried.cell
    (own, _, code), (other, _, other_code) = (text.partition("@") for text in (change.tried.cell, change.tried.against))
    apart = [f"{b} -> {a}" for a, b in zip(CellKey.parse(own), CellKey.parse(other), strict=True) if a != b]
    if code != other_code:
        apart.append(f"{f'@{other_code}' if other_code else 'the code here'} -> {f'@{code}' if code else 'that here'}")
    return ", ".join(apart) or "nothing"


def said_of(change: JudgedChange) -> str:
    """Say in a line why it is ruled out, open, or was not tried."""
    verdict = change.verdict
    if verdict is None:
        return f"{change.tried.name}: {change.tried.lacking}"
    pairs = f"{measured(change)} from {len(verdict.pairs.ratios)} pairs"
    text = {
        "SAME": f"no effect, margin {number(100 * verdict.pairs.margin, 2)} %: {pairs}",
        "SLOWER": f"slower: {pairs}",
        "FASTER": f"faster: {pairs}",
        "UNSURE": f"not told: {pairs}; {verdict.reason}",
        "INVALID": f"no verdict: {verdict.reason}",
    }[verdict.word]
    return f"{change.tried.name}: {text}{_left_out(change)}"


def _left_out(change: JudgedChange) -> str:
    count, reason = change.tried.comparison.doubtful_pairs if change.tried.comparison else (0, "")
    return f"; {count} more left out as doubtful: {reason}" if count else ""


def lines_on(changes: Sequence[JudgedChange]) -> Iterator[tuple[str, list[str]]]:
    """Yield what is ruled out, open and not tried: a title, and a line a change; of what is open the most first."""
    for standing, title in TITLES.items():
        mine = [change for change in changes if change.standing == standing]
        if standing == "open":
            mine.sort(key=lambda change: -(change.bound or 1.0))
        if mine:
            yield title, [said_of(change) + _bounded(change) for change in mine]


def _bounded(change: JudgedChange) -> str:
    if change.standing != "open" or change.bound is None:
        return ""
    return f"; {factor(change.bound)} at most is to be gained on the {change.side}"


def document(change: JudgedChange) -> dict[str, object]:
    """Give a change as JSON can hold it; None where there is nothing."""
    tried, verdict = change.tried, change.verdict
    claim = tried.claim
    return {
        "change": tried.name,
        "cell": tried.cell,
        "against": tried.against,
        "builds": tried.builds,
        "claim": None if claim is None else claim.text,
        "claim_low": None if claim is None else claim.low,
        "claim_high": None if claim is None else claim.high,
        "beside_claim": None
        if claim is None or verdict is None or not change.is_judged
        else claim.beside(verdict.low, verdict.high),
        "standing": change.standing,
        "reason": tried.lacking or ("" if verdict is None else verdict.reason),
        "side": change.side,
        "bound": change.bound,
        "comparison": None
        if tried.comparison is None or verdict is None
        else comparison_document(tried.comparison, verdict),
    }
