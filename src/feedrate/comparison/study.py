"""Sum up changes that were tried one after the other: which hold, what each contributed, what it could gain at most."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from feedrate.comparison.claim import Claim
from feedrate.comparison.comparison import Comparison
from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict, verdicts
from feedrate.records.cell_key import CellKey
from feedrate.records.estimate import Estimate

__all__ = ["Contribution", "JudgedChange", "Side", "Standing", "TriedChange", "judged", "together", "waterfall"]

Standing: TypeAlias = Literal["kept", "ruled out", "open", "not tried"]
Side: TypeAlias = Literal["loader", "step"]


@dataclass(frozen=True)
class TriedChange:
    """Hold a change, what it is compared with, and the comparison, which may still go on."""

    name: str
    cell: str
    """With the change, and the code that it is measured with."""
    against: str
    """Without it; empty: it was not tried."""
    claim: Claim | None
    comparison: Comparison | None
    """None: it was not tried."""
    lacking: str = ""
    """Why it was not tried."""
    builds: bool = True
    """The changes after it begin where it ends; False: it stands beside the others."""


@dataclass(frozen=True)
class JudgedChange:
    """Hold a change with its verdict, judged together with all others of its study."""

    tried: TriedChange
    verdict: ComparisonVerdict | None
    """None: it was not tried."""

    @property
    def standing(self) -> Standing:
        """Tell what became of it: kept is what is FASTER, ruled out what is SAME or SLOWER; the rest is open."""
        if self.verdict is None:
            return "not tried"
        if self.verdict.word == "FASTER":
            return "kept"
        return "ruled out" if self.verdict.word in ("SAME", "SLOWER") else "open"

    @property
    def side(self) -> Side | None:
        """Tell which side alone it changes; None: both, the workload, or the code."""
        if self.tried.comparison is None:
            return None
        a, b = self.tried.comparison.a, self.tried.comparison.b
        apart = [
            family
            for family, with_it, without in zip(
                CellKey._fields, CellKey.parse(a.cell), CellKey.parse(b.cell), strict=True
            )
            if with_it != without
        ]
        if a.code != b.code or apart not in (["loader"], ["step"]):
            return None
        return "loader" if apart == ["loader"] else "step"

    @property
    def bound(self) -> float | None:
        """Give Amdahl's bound: how many times as fast it was if the side that it changes took no time at all.

        T_F / T_S of what it is compared with for a change of the loader, T_F / T_L for one of the step, the mean over
        the processes; never below 1. None: it changes more than a side, or nothing was measured. Source: Amdahl, AFIPS
        Spring Joint Computer Conference (1967).
        """
        if self.side is None or self.tried.comparison is None or self.tried.comparison.rule.metric != "full":
            return None
        before = self.tried.comparison.measured("b")
        ceilings = [run.loader_ceiling if self.side == "loader" else run.step_ceiling for run in before]
        return max(1.0, statistics.geometric_mean(ceilings)) if ceilings else None

    @property
    def is_timed(self) -> bool:
        """Tell whether there are pairs enough for an interval."""
        return self.verdict is not None and len(self.verdict.pairs.ratios) >= FIRST_LOOK

    @property
    def is_judged(self) -> bool:
        """Tell whether what was measured may be held against a claim."""
        return self.is_timed and self.verdict is not None and self.verdict.word != "INVALID"


def judged(tried: Sequence[TriedChange]) -> tuple[JudgedChange, ...]:
    """Judge all changes that were tried together, false discoveries among them controlled."""
    words = iter(verdicts([change.comparison.pairs for change in tried if change.comparison is not None]))
    return tuple(JudgedChange(change, None if change.comparison is None else next(words)) for change in tried)


@dataclass(frozen=True)
class Contribution:
    """Hold what a change, or several, took of the time a sample of the base; all of them and `left` add up to 1."""

    name: str
    share: float
    """Of the base's time; below 0 where it takes longer."""
    left: float
    """What of the base's time is left after it and all before it."""


def waterfall(changes: Sequence[JudgedChange]) -> tuple[Contribution, ...]:
    """Give what each change that is kept took away, in their order, and last what all others did that were built upon.

    Of changes that stand beside the others there is none: they were each tried alone.
    """
    left, others, kept = 1.0, 0.0, []
    for change in _chain(changes):
        assert change.verdict is not None
        taken = left - left / change.verdict.factor
        left -= taken
        if change.standing == "kept":
            kept.append((change.tried.name, taken))
        else:
            others += taken
    rows, at = [], 1.0
    for name, taken in kept:
        at -= taken
        rows.append(Contribution(name, taken, at))
    if others:
        rows.append(Contribution("all others", others, at - others))
    return tuple(rows)


def together(changes: Sequence[JudgedChange]) -> Estimate | None:
    """Give the logarithm of how many times as fast as the base it is with all changes that were built upon.

    Its interval is that of a sum of independent terms, at the confidence of each; None: there is no such change.
    """
    known = [change.verdict.pairs.speedup for change in _chain(changes) if change.verdict is not None]
    if not known:
        return None
    halves = [speedup.half for speedup in known if speedup.half is not None]
    half = math.hypot(*halves) if len(halves) == len(known) else None
    return Estimate(sum(speedup.mean for speedup in known), half)


def _chain(changes: Sequence[JudgedChange]) -> list[JudgedChange]:
    """Those that others were built upon, and that have a time."""
    return [change for change in changes if change.tried.builds and change.verdict and change.verdict.pairs.ratios]
