"""Answer by workload and step, in sentences: what is the limit, which loaders lead and by how much, what to try."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from feedrate.records.cell_key import CellKey, split_device
from feedrate.report.notes import notes
from feedrate.report.step_group import StepGroup
from feedrate.report.step_sentence import step_sentence

__all__ = ["StepAnswer", "absent_steps", "headline", "step_answers"]

_WORDS: Mapping[str, str] = {
    "step": "the step is the limit",
    "loading": "loading is a limit",
    "unclear": "limit not clear",
    "doubtful": "doubtful",
    "idle": "loaders alone",
}
_SUMS: Mapping[str, str] = {
    "loading": "loading is a limit",
    "step": "the step itself is the limit, and no loader helps",
    "unclear": "the limit is not clear",
    "doubtful": "all numbers are doubtful",
}
"""What a headline says of steps, by their state, the most urgent first."""
_ENOUGH = 5
"""Replicates that tell smaller differences apart."""
_OWN = "own"
"""Size of a person's own training, whose command no record holds."""


@dataclass(frozen=True)
class StepAnswer:
    """Hold what is said of one step on one workload."""

    step: str
    state: str
    """`step`, `loading` or `unclear` for its limit; `idle`: it trains nothing; `doubtful`: nothing may rest on it."""
    sentence: str
    """What the table says below its rows."""
    leaders: tuple[str, ...]
    """Loaders that are told apart from all others; empty: there are none."""
    advice: str
    """What to try next; commands stand in backticks."""

    @property
    def word(self) -> str:
        """Give the state in a few words."""
        return _WORDS[self.state]


def step_answers(groups: Iterable[StepGroup]) -> list[StepAnswer]:
    """Answer for each step of a workload that has a number, those that train first."""
    answers = [
        StepAnswer(group.step, _state(group), sentence, group.ranking.leaders, _advice(group))
        for group in groups
        if (sentence := step_sentence(group))
    ]
    return sorted(answers, key=lambda answer: answer.state == "idle")


def absent_steps(groups: Iterable[StepGroup]) -> list[tuple[str, str]]:
    """List the steps that have no number at all, by what their cells say of it."""
    by_reason: dict[str, list[str]] = {}
    for group in groups:
        if not group.whole:
            for text in dict.fromkeys(note.text for row in group.rows for note in notes(row)):
                by_reason.setdefault(text, []).append(group.step)
    return [(", ".join(steps), text) for text, steps in by_reason.items()]


def headline(answers: Sequence[StepAnswer]) -> str:
    """Sum up in a sentence or two what limits the steps that train, and which loaders lead; empty without an answer."""
    counts = Counter(answer.state for answer in answers if answer.state != "idle")
    total = counts.total()
    limits = [f"in {counts[state]} {text}" for state, text in _SUMS.items() if counts[state]]
    leads = Counter(", ".join(answer.leaders) for answer in answers if answer.leaders)
    leaders = [f"{name} in {count} of {len(answers)}" for name, count in leads.most_common()]
    sentences = (
        f"Of {total} step{' that trains' if total == 1 else 's that train'}: {', '.join(limits)}." if limits else "",
        f"Loaders that lead: {'; '.join(leaders) or 'none is told apart from all others'}." if answers else "",
    )
    return " ".join(filter(None, sentences))


def _state(group: StepGroup) -> str:
    if not group.standing:
        return "doubtful"
    return group.limit or "idle"


def _advice(group: StepGroup) -> str:
    if not group.standing:
        return f"end what else keeps the machine busy, and measure again: {_again(group, 1)}"
    ranking = group.ranking
    best = ranking.order[0]
    take = f"take {' or '.join(ranking.leaders)}; " if ranking.leaders else ""
    match group.limit:
        case "step":
            return f"{take}leave the loader as it is and push the step: {_why(group, best)} says what it is busy with"
        case "loading":
            return f"{take}then push the loader: {_why(group, best)} says which stage of it takes the time"
        case "unclear":
            return f"{take}measure more often, for a narrower interval: {_again(group, _ENOUGH)}"
    return f"{take}{_why(group, best)} says which stage of the loader takes the time"


def _why(group: StepGroup, loader: str) -> str:
    row = next(row for row in group.rows if row.loader == loader)
    if row.group[1] == _OWN:
        return "`feedrate why -- COMMAND`"
    # Of several ranks one is taken apart.
    key = CellKey.parse(row.cell)
    return f"`feedrate why {shlex.quote(str(key._replace(device=split_device(key.device)[0])))}`"


def _again(group: StepGroup, replicates: int) -> str:
    row = group.rows[0]
    workload, size, device = row.group
    often = f" --replicates {replicates}" if replicates > 1 else ""
    if size == _OWN:
        return f"`feedrate run{often} -- COMMAND`"
    place, ranks = split_device(device)
    several = ("--ranks", str(ranks)) if ranks > 1 else ()
    words = (workload, "--step", group.step, "--size", size, "--device", place, *several)
    return f"`feedrate run {shlex.join(words)}{often}`"
