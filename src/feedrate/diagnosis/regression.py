"""Tell what has changed since a commit: which side of a cell moved, which stage of it, and whether it shows yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from feedrate.comparison.paired_test import ComparisonVerdict
from feedrate.diagnosis.evidence import StagePart
from feedrate.diagnosis.wording import STAGE_WORDS
from feedrate.formatting import ms
from feedrate.records.estimate import estimate

__all__ = ["Change", "Kind", "describe_stage", "largest_change", "regression_of"]

Kind: TypeAlias = Literal["slower", "faster", "latent", "same", "unsure", "invalid"]
Side: TypeAlias = Literal["loader", "step", "together", ""]

_MOVED = ("SLOWER", "FASTER")
_SIDES: Mapping[str, Side] = {"loader": "loader", "step": "step"}
_NAMES = {"full": "both together", "loader": "the loader alone", "step": "the step alone"}
_ABOUT_TO_SHOW = 1.1
"""Times that the hiding side takes of the other: below, a hidden regression is reported as about to become visible."""


@dataclass(frozen=True)
class Change:
    """What has become of a cell since a commit."""

    kind: Kind
    """`latent`: one side is slower, and the other hides it."""
    side: Side
    """The side that moved; `together`: neither did, but what they do to each other; empty: not known."""
    sentence: str
    """One line, without a stage."""


def regression_of(judgements: Mapping[str, ComparisonVerdict], step_s: float, loader_s: float) -> Change:
    """What the judgements of `full`, `loader` and, if it trains, `step` come to; A is the code that runs, B the commit.

    `step_s`, `loader_s`: T_S and T_L of the code that runs.
    """
    for judgement in judgements.values():
        if judgement.word == "INVALID":
            return Change("invalid", "", f"INVALID: {judgement.reason}")
    if judgements["full"].word in _MOVED:
        return _shows(judgements)
    for name, side in _SIDES.items():
        if name in judgements and judgements[name].word == "SLOWER":
            return _one_slower(judgements, name, side, _hidden(name, step_s, loader_s))
    for name, side in _SIDES.items():
        faster = name in judgements and judgements[name].word == "FASTER" and judgements["full"].word == "UNSURE"
        if faster and _hidden(name, step_s, loader_s) < 1 / _ABOUT_TO_SHOW:
            gain, whole = _as_long(judgements, name), _as_long(judgements, "full")
            return Change("faster", side, f"FASTER: {gain}, and nothing hides it ({whole})")
    if all(judgement.word != "UNSURE" for judgement in judgements.values()):
        return Change("same", "", f"the same: {', '.join(_as_long(judgements, name) for name in judgements)}")
    return Change("unsure", "", f"unsure: {_undecided(judgements)}")


def _hidden(name: str, step_s: float, loader_s: float) -> float:
    """Give how many times as long as a side the other one takes."""
    return step_s / loader_s if name == "loader" else loader_s / step_s


def _shows(judgements: Mapping[str, ComparisonVerdict]) -> Change:
    """Both together moved: with the first side that moved the same way, with neither, or nobody can tell yet."""
    word = judgements["full"].word
    kind: Kind = "slower" if word == "SLOWER" else "faster"
    whole = _as_long(judgements, "full")
    for name, side in _SIDES.items():
        if name in judgements and judgements[name].word == word:
            return Change(kind, side, f"{word}: {_as_long(judgements, name)}, {whole}")
    undecided = _undecided(judgements)
    if undecided:
        return Change(kind, "", f"{word}: {whole}; which side it is, is not known: {undecided}")
    neither = "and neither side alone: look at what they do to each other"
    return Change(kind, "together", f"{word}: {whole}, {neither}")


def _undecided(judgements: Mapping[str, ComparisonVerdict]) -> str:
    """Say of what is not decided what would decide it; empty: all is."""
    return "; ".join(
        f"{_as_long(judgements, name)}: {judgement.reason}"
        for name, judgement in judgements.items()
        if judgement.word == "UNSURE"
    )


def _as_long(judgements: Mapping[str, ComparisonVerdict], name: str) -> str:
    """How many times as long it takes now."""
    judgement = judgements[name]
    around = f" ({1 / judgement.high:.3g}-{1 / judgement.low:.3g})" if judgement.low > 0 else ""
    return f"{_NAMES[name]} takes x{1 / judgement.factor:.3g}{around} as long as then"


def _one_slower(judgements: Mapping[str, ComparisonVerdict], name: str, side: Side, hidden: float) -> Change:
    """One side is slower, and the other takes `hidden` times as long as it."""
    other = "step" if name == "loader" else "loader"
    slower, whole = _as_long(judgements, name), _as_long(judgements, "full")
    if hidden < 1 / _ABOUT_TO_SHOW:
        return Change("slower", side, f"SLOWER: {slower}, and nothing hides it ({whole})")
    if hidden < _ABOUT_TO_SHOW:
        hiding = f"the {other} is hardly slower: it is about to be seen ({whole})"
    else:
        hiding = f"the {other} hides it: it will show on a {other} x{hidden:.1f} as fast"
    return Change("latent", side, f"latent: {slower}, and {hiding}")


def largest_change(
    pairs: Sequence[tuple[Sequence[StagePart], Sequence[StagePart]]], *, slower: bool
) -> StagePart | None:
    """The stage whose cost moved most, of those whose interval leaves out zero if there are any; None: none was told.

    `pairs`: what each stage costs now and then, seconds a batch, measured next to each other, so what drifts cancels.
    `slower`: which way the loader moved as a whole; what moved the other way is no part of that, and cannot be named.
    The cost of what is returned is the change: now less then.
    """
    sides = [({p.stages: p.cost.mean for p in now}, {p.stages: p.cost.mean for p in then}) for now, then in pairs]
    known = set.intersection(*({*now} & {*then} for now, then in sides)) if sides else set()
    changes = [StagePart(stages, estimate([now[stages] - then[stages] for now, then in sides])) for stages in known]
    changes = [change for change in changes if (change.cost.mean > 0) == slower]
    return max(changes, key=lambda change: (change.cost.excludes_zero, abs(change.cost.mean)), default=None)


def describe_stage(change: StagePart | None) -> str:
    """The stage that moved in words, to end a sentence with."""
    if change is None:
        return "no stage of loading could be told from the others"
    words, by_s = " + ".join(STAGE_WORDS[stage] for stage in change.stages), change.cost
    half = "" if by_s.half is None else f" +-{ms(by_s.half)}"
    by = f"{ms(abs(by_s.mean))}{half} a batch {'more' if by_s.mean > 0 else 'less'}"
    if by_s.excludes_zero:
        return f"it is {words}: {by}"
    return f"most likely it is {words} ({by}): more replicates (--replicates) may tell"
