"""Test whether A is faster than B: paired log-ratios, an interval that early looks do not bend, five verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from feedrate.records.estimate import Estimate, estimate

__all__ = ["ALPHA", "DRIFT", "FIRST_LOOK", "ComparisonVerdict", "Pairs", "Word", "adjusted", "looks", "verdicts"]

Word: TypeAlias = Literal["FASTER", "SLOWER", "SAME", "UNSURE", "INVALID"]

ALPHA = 0.05
"""Share of comparisons of a thing with itself that may end in FASTER or SLOWER, over all looks together."""
_SPENT = 0.04
"""Of `ALPHA` on looks. The rest is for what pairs are not: normal, and independent of the other pair of their round."""
FIRST_LOOK = 4
"""Pairs before which nothing is decided: the spread of fewer is itself hardly known."""
DRIFT = 0.20
"""Change of the control's time over a comparison beyond which it is INVALID, in natural logarithms.

Less is evened out by the order of a round. So is more, but then it is open which of the machine's paces is meant.
"""
_POWER = 0.9
"""Chance to see an effect of the size that is called the smallest that could be seen."""
_FARTHEST = 1_000_000
"""Pairs beyond which "so many more" is no help."""


def looks(most: int) -> tuple[int, ...]:
    """List the numbers of pairs at which a verdict may end a comparison of at most `most`: 4, 8, 16, ..., `most`."""
    doubled = [FIRST_LOOK]
    while 2 * doubled[-1] < most:
        doubled.append(2 * doubled[-1])
    return (*(count for count in doubled if count < most), most)


@dataclass(frozen=True)
class Pairs:
    """The paired times of one A and one B, and what may be said of them."""

    ratios: tuple[float, ...]
    """(n,) natural logarithm of B's time a sample over A's, run next to one another; above 0: A was faster."""
    controls: tuple[float, ...] = ()
    """(m,) natural logarithm of the control's time a sample, in the order of measuring."""
    margin: float = 0.02
    """Differences smaller than this share are none to whoever asks."""
    most: int = 32
    """Pairs that were planned at most; fixes how often the pairs are looked at."""
    doubt: str = ""
    """Why nothing may be said, whatever the ratios are; empty: nobody knows a reason."""

    @property
    def confidence(self) -> float:
        """Of the interval at each look: Bonferroni's share, so that all of them hold together.

        Repeated confidence intervals: Jennison and Turnbull, J. R. Statist. Soc. B 51 (1989). As a bound on any
        dependence between looks it holds for pairs that drift as well; doubling keeps the looks few.
        """
        return 1 - _SPENT / len(looks(self.most))

    @cached_property
    def speedup(self) -> Estimate:
        """Mean log-ratio with its interval."""
        return estimate(self.ratios, self.confidence) if self.ratios else Estimate(0.0, None)

    @cached_property
    def spread(self) -> float | None:
        """s: standard deviation of the log-ratios; None of fewer than two."""
        return statistics.stdev(self.ratios) if len(self.ratios) > 1 else None

    @cached_property
    def p(self) -> float:
        """Chance of a mean so far from 0, at any look, if A and B are the same: 0.05 where the interval touches 0."""
        if self.spread is None:
            return 1.0
        if self.spread == 0:
            return float(self.speedup.mean == 0)
        from scipy.special import stdtr

        count = len(self.ratios)
        score = abs(self.speedup.mean) * math.sqrt(count) / self.spread
        return min(1.0, ALPHA / (1 - self.confidence) * 2 * float(stdtr(count - 1, -score)))

    @property
    def smallest_effect(self) -> float | None:
        """Smallest difference, as a log-ratio, that these pairs would have told from none nine times in ten.

        (t(confidence) + t(power)) s / sqrt(n): 3.24 s / sqrt(n) for many pairs at a confidence of 0.95.
        """
        if self.spread is None:
            return None
        return (self._quantile(len(self.ratios)) + _t(len(self.ratios), _POWER)) * self._error(len(self.ratios))

    @cached_property
    def drift(self) -> Estimate | None:
        """Change of the control from the first to the last, by least squares; None of fewer than four."""
        count = len(self.controls)
        if count < FIRST_LOOK:
            return None
        places = range(count)
        slope, level = statistics.linear_regression(places, self.controls)
        squares = sum(
            (control - level - slope * place) ** 2 for place, control in zip(places, self.controls, strict=True)
        )
        scatter = math.sqrt(squares / (count - 2) / (count * (count**2 - 1) / 12))
        return Estimate((count - 1) * slope, (count - 1) * scatter * _t(count - 1, 1 - ALPHA / 2))

    def more(self) -> int | None:
        """Count the further pairs, two a round, that decide if mean and spread stay; None: more than a lifetime's."""
        if self.spread is None or len(self.ratios) < FIRST_LOOK:
            return FIRST_LOOK - len(self.ratios) + len(self.ratios) % 2
        mean = abs(self.speedup.mean)
        wanted = max(mean, self.margin - mean)
        count = len(self.ratios)
        while self._quantile(count) * self._error(count) >= wanted:
            count += max(2, count // 50 * 2)
            if count > _FARTHEST:
                return None
        return max(2, count - len(self.ratios) + (count - len(self.ratios)) % 2)

    def _quantile(self, count: int) -> float:
        return _t(count, (1 + self.confidence) / 2)

    def _error(self, count: int) -> float:
        return (self.spread or 0.0) / math.sqrt(count)


def _t(count: int, share: float) -> float:
    """Student's quantile for `count` values."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, share))


@dataclass(frozen=True)
class ComparisonVerdict:
    """A verdict on A against B, and what it rests on."""

    word: Word
    reason: str
    """Why it is INVALID or UNSURE; empty for the others."""
    pairs: Pairs
    p: float
    """Adjusted for all comparisons that were judged together (Benjamini and Hochberg)."""

    @property
    def factor(self) -> float:
        """How many times A's speed is B's."""
        return math.exp(self.pairs.speedup.mean)

    @property
    def low(self) -> float:
        """Lower end of the interval around `factor`."""
        return math.exp(self.pairs.speedup.low)

    @property
    def high(self) -> float:
        """Upper end of the interval around `factor`; infinity without one."""
        return math.exp(self.pairs.speedup.high)

    @property
    def decided(self) -> bool:
        """Whether nothing is gained by measuring on."""
        return self.word != "UNSURE"


def verdicts(family: Sequence[Pairs]) -> tuple[ComparisonVerdict, ...]:
    """Give a verdict on each; of those that say FASTER or SLOWER at most `ALPHA` are expected to be false.

    Comparisons without a doubt are judged together: Benjamini and Hochberg's control of the false-discovery rate.
    """
    doubts = [_doubt(pairs) for pairs in family]
    chances = iter(adjusted([pairs.p for pairs, doubt in zip(family, doubts, strict=True) if not doubt]))
    return tuple(
        ComparisonVerdict("INVALID", doubt, pairs, 1.0) if doubt else _judged(pairs, next(chances), len(doubts))
        for pairs, doubt in zip(family, doubts, strict=True)
    )


def adjusted(chances: Sequence[float]) -> list[float]:
    """Raise the p of tests that are judged together: those up to `ALPHA` hold that share of false ones at most.

    Benjamini and Hochberg's control of the false-discovery rate.
    """
    if len(chances) < 2:
        return list(chances)
    # Late: it takes a second to import, and one comparison needs none of it.
    from scipy.stats import false_discovery_control

    return [float(chance) for chance in false_discovery_control(chances)]


def _doubt(pairs: Pairs) -> str:
    drift = pairs.drift
    if pairs.doubt or drift is None or max(drift.low, -drift.high) <= DRIFT:
        return pairs.doubt
    way, low, high = ("slower", drift.low, drift.high) if drift.mean > 0 else ("faster", -drift.high, -drift.low)
    return (
        f"the control became x{math.exp(abs(drift.mean)):.2f} {way} meanwhile"
        f" ({math.exp(low):.2f}-{math.exp(high):.2f}), so the machine did not stay what it was;"
        " `feedrate doctor` says what may bend it"
    )


def _judged(pairs: Pairs, p: float, family: int) -> ComparisonVerdict:
    speedup = pairs.speedup
    excludes_zero = not speedup.low <= 0 <= speedup.high
    if len(pairs.ratios) < FIRST_LOOK:
        return ComparisonVerdict("UNSURE", _need(pairs, 1), pairs, p)
    if max(-speedup.low, speedup.high) <= pairs.margin:
        return ComparisonVerdict("SAME", "", pairs, p)
    if excludes_zero and p <= ALPHA:
        return ComparisonVerdict("FASTER" if speedup.mean > 0 else "SLOWER", "", pairs, p)
    return ComparisonVerdict("UNSURE", _need(pairs, family if excludes_zero else 1), pairs, p)


def _need(pairs: Pairs, rivals: int) -> str:
    if rivals > 1:
        return f"alone it would be told from none, among {rivals} comparisons it is not"
    more = pairs.more()
    return "no number of pairs would tell" if more is None else f"about {more} more pairs would tell"
