"""Say of all loaders of one step, in one sentence, what limits it and which of them lead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from feedrate.formatting import bare_ms, factor, factor_interval
from feedrate.records.estimate import Estimate
from feedrate.report.step_group import Spread, StepGroup, limit_of

__all__ = ["step_sentence"]

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MOST_NAMED = 3
"""Leaders that are named; of more the others are."""


def step_sentence(group: StepGroup) -> str:
    """Say T_S with its spread, the limit, and the leaders; empty where nothing was measured."""
    return "; ".join(_clauses(group))


def _clauses(group: StepGroup) -> Iterator[str]:
    if group.step_s is None:
        return
    yield _step_time(group.step_s, trains=group.trains)
    standing, doubtful = group.standing, len(group.whole) - len(group.standing)
    if not standing:
        yield f"{_all_of(doubtful)} doubtful, so nothing rests on {'it' if doubtful == 1 else 'them'}"
        return
    if group.trains and group.gain is not None:
        yield _limit(group.gain)
    if len(standing) > 1:
        yield _lead(group, "others" if doubtful else "")
    if doubtful:
        yield f"{_count(doubtful)} doubtful"


def _step_time(spread: Spread, *, trains: bool) -> str:
    # Of microseconds the spread says nothing of the machine.
    is_spread = trains and spread.low < spread.high
    around = f" ({bare_ms(spread.low)} to {bare_ms(spread.high)})" if is_spread else ""
    return f"T_S {bare_ms(spread.mean)} ms{around}"


def _limit(gain: Estimate) -> str:
    """Say what a perfect loader would gain."""
    match limit_of(gain):
        case "step":
            return _by_step(gain.mean if gain.half is None else gain.high)
        case "loading" if gain.half is not None:
            return f"loading is a limit; a perfect loader would gain {_interval(gain)}"
        case "unclear":
            return f"what limits it is not clear; a perfect loader would gain {factor(math.exp(gain.high))} at most"
    return f"a perfect loader would gain {factor(math.exp(gain.mean))}"


def _by_step(most: float) -> str:
    gains = "no loader gains anything" if most <= 0 else f"no loader gains more than {factor(math.exp(most))}"
    return f"the step is the limit; {gains}"


def _lead(group: StepGroup, rest: str) -> str:
    ranking = group.ranking
    if ranking.lead is None:
        return f"the {_count(len(ranking.order))} {f'{rest} ' if rest else ''}are not told apart"
    leaders, others = ranking.leaders, ranking.order[len(ranking.leaders) :]
    who = _listed(leaders) if len(leaders) <= _MOST_NAMED else f"all but {_listed(others)}"
    return f"{who} {'leads' if len(leaders) == 1 else 'lead'}, {_interval(ranking.lead)}"


def _interval(ratio: Estimate) -> str:
    """Format a factor with its interval, from their logarithms."""
    return factor_interval(math.exp(ratio.mean), math.exp(ratio.low), math.exp(ratio.high))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else str(count)


def _all_of(count: int) -> str:
    return "it is" if count == 1 else "both are" if count == 2 else f"all {_count(count)} are"
