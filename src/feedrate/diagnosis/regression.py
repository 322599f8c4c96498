"""What has changed since a commit: which side of a cell moved, which stage of it, and whether anybody notices yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from feedrate.comparison.paired_test import ComparisonVerdict
from feedrate.diagnosis.wording import STAGE_WORDS
from feedrate.formatting import ms
from feedrate.records.estimate import Estimate, estimate

__all__ = ["Change", "Kind", "Stage", "describe_stage", "largest_change", "regression_of"]

Kind: TypeAlias = Literal["slower", "faster", "latent", "same", "unsure", "invalid"]
Side: TypeAlias = Literal["loader", "step", "together", ""]

_MOVED = ("SLOWER", "FASTER")
_SIDES: Mapping[str, Side] = {"loader": "loader", "step": "step"}
_NAMES = {"full": "both together", "loader": "the loader alone", "step": "the step alone"}
_SOON = 1.1
"""What is hidden by less than this is all but seen."""


@dataclass(frozen=True)
class Stage:
    """A stage of loading whose cost is not what it was."""

    name: str
    """One of `evidence.STAGES`, or several that could not be told apart."""
    change_s: Estimate
    """Seconds a batch, now less then, with the loader drained without a step."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the change leaves out zero."""
        return self.change_s.half is not None and abs(self.change_s.mean) > self.change_s.half


@dataclass(frozen=True)
class Change:
    """What has become of a cell since a commit."""

    kind: Kind
    """`latent`: one side is slower, and the other hides it."""
    side: Side
    """The side that moved; `together`: neither did, but what they do to each other."""
    sentence: str
    """One line, without a stage."""


def regression_of(found: Mapping[str, ComparisonVerdict], step_s: float, loader_s: float) -> Change:
    """What the judgements of `full`, `loader` and, if it trains, `step` come to; A is the code that runs, B the commit.

    `step_s`, `loader_s`: T_S and T_L of the code that runs.
    """
    for judgement in found.values():
        if judgement.word == "INVALID":
            return Change("invalid", "", f"INVALID: {judgement.reason}")
    full = found["full"].word
    if full in _MOVED:
        side: Side = next((_SIDES[name] for name in _SIDES if name in found and found[name].word == full), "together")
        kind: Kind = "slower" if full == "SLOWER" else "faster"
        told = _told(found, "full") if side == "together" else f"{_told(found, side)}, {_told(found, 'full')}"
        why = ", and neither side alone: look at what they do to each other" if side == "together" else ""
        return Change(kind, side, f"{full}: {told}{why}")
    for name, side in _SIDES.items():
        if name in found and found[name].word == "SLOWER":
            return _one_slower(found, name, side, step_s / loader_s if name == "loader" else loader_s / step_s)
    if all(one.word != "UNSURE" for one in found.values()):
        return Change("same", "", f"the same: {', '.join(_told(found, name) for name in found)}")
    open_ones = [name for name, one in found.items() if one.word == "UNSURE"]
    reasons = "; ".join(f"{_told(found, name)}: {found[name].reason}" for name in open_ones)
    return Change("unsure", "", f"unsure: {reasons}")


def _told(found: Mapping[str, ComparisonVerdict], name: str) -> str:
    """How many times as long it takes now."""
    one = found[name]
    around = f" ({1 / one.high:.3g}-{1 / one.low:.3g})" if one.low > 0 else ""
    return f"{_NAMES[name]} takes x{1 / one.factor:.3g}{around} as long as then"


def _one_slower(found: Mapping[str, ComparisonVerdict], name: str, side: Side, hidden: float) -> Change:
    """One side is slower, and the other takes `hidden` times as long as it."""
    other = "step" if name == "loader" else "loader"
    whole = _told(found, "full")
    if hidden < 1 / _SOON:
        return Change("slower", side, f"SLOWER: {_told(found, name)}, and nothing hides it ({whole})")
    if hidden < _SOON:
        way = f"the {other} is hardly slower: it is about to be seen ({whole})"
    else:
        way = f"the {other} hides it: it will show on a {other} x{hidden:.1f} as fast"
    return Change("latent", side, f"latent: {_told(found, name)}, and {way}")


def largest_change(pairs: Sequence[tuple[Mapping[str, Estimate], Mapping[str, Estimate]]]) -> Stage | None:
    """The stage whose cost moved most, of those whose interval leaves out zero if there are any; None: none was told.

    `pairs`: what each stage costs now and then, seconds a batch, measured next to each other, so what drifts cancels.
    """
    known = set.intersection(*({*now} & {*then} for now, then in pairs)) if pairs else set()
    stages = [Stage(name, estimate([now[name].mean - then[name].mean for now, then in pairs])) for name in known]
    return max(stages, key=lambda one: (one.is_clear, abs(one.change_s.mean)), default=None)


def describe_stage(stage: Stage | None) -> str:
    """The stage in words, to end a sentence with."""
    if stage is None:
        return "no stage of loading could be told from the others"
    words = " + ".join(STAGE_WORDS.get(name, name) for name in stage.name.split(" + "))
    half = "" if stage.change_s.half is None else f" +-{ms(stage.change_s.half)}"
    by = f"{ms(abs(stage.change_s.mean))}{half} a batch {'more' if stage.change_s.mean > 0 else 'less'}"
    if stage.is_clear:
        return f"it is {words}: {by}"
    return f"most likely it is {words} ({by}): more replicates (--replicates) may tell"
