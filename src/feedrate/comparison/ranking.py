"""Rank loaders of one step, and name those that lead only where they are told apart from all others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from feedrate.comparison.paired_test import ALPHA, adjusted
from feedrate.records.estimate import Estimate

__all__ = ["Noise", "Ranking", "noise_of", "rank"]


@dataclass(frozen=True)
class Noise:
    """Hold how much the mean of one and the same thing scatters from cell to cell, as a logarithm."""

    deviation: float
    """Standard deviation."""
    freedom: int
    """Degrees of freedom that it was estimated with, 1 or more."""


@dataclass(frozen=True)
class Ranking:
    """Hold what may be said of rivals."""

    order: tuple[str, ...]
    """All of them, the fastest first."""
    leaders: tuple[str, ...] = ()
    """The fewest at the head of `order` of which each is told apart from each of the others; empty: there are none."""
    lead: Estimate | None = None
    """Logarithm of the slowest leader's rate over that of the next, with its interval; None without leaders."""


@dataclass(frozen=True)
class _Pair:
    """Hold that of two rivals the first is ahead by `lead` +- `error`."""

    lead: float
    error: float
    freedom: int

    @property
    def p(self) -> float:
        """Give the chance of such a lead, either way, between equals."""
        from scipy.special import stdtr

        if self.error == 0:
            return float(self.lead == 0)
        return 2 * float(stdtr(self.freedom, -abs(self.lead) / self.error))

    def interval(self, alpha: float) -> Estimate:
        """Give the lead with its interval of confidence 1 - alpha."""
        from scipy.special import stdtrit

        return Estimate(self.lead, float(stdtrit(self.freedom, 1 - alpha / 2)) * self.error)


def noise_of(groups: Sequence[Sequence[float]]) -> Noise | None:
    """Pool the scatter within each of the groups of values; None where no group has two."""
    several = [values for values in groups if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    squares = sum((len(values) - 1) * statistics.variance(values) for values in several)
    return Noise(math.sqrt(squares / freedom), freedom)


def rank(rates: Mapping[str, Sequence[float]], noise: Noise | None = None) -> Ranking:
    """Rank rivals, and name leaders if there are any; docs/decisions/0009-compare.md has the reasons.

    Each two rivals are compared by Student's t. The error of their difference is the largest of those that are known:
    of `noise`; where all have the same two replicates or more, of the replicates left when each rival's mean and each
    replicate's are taken out (randomised blocks); and of the pair's own differences. All pairs are judged together:
    of those that are told apart at most one in twenty is expected to be false, and among equals a leader is named in
    at most one group of twenty. Source: Benjamini and Hochberg, J. R. Statist. Soc. B 57 (1995); the interval of the
    lead has the confidence that goes with it, Benjamini and Yekutieli, J. Am. Statist. Assoc. 100 (2005).

    Args:
        rates: Natural logarithms of rates by rival, one a replicate; equal places were measured in the same round.
        noise: Scatter from cell to cell of what is the same in all of them.
    """
    order = tuple(sorted(rates, key=lambda name: -statistics.fmean(rates[name])))
    pairs = {(a, b): _pair(rates, a, b, noise) for a, b in combinations(order, 2)}
    known = {names: pair for names, pair in pairs.items() if pair is not None}
    if not known or len(known) < len(pairs):
        return Ranking(order)
    chances = adjusted([pair.p for pair in known.values()])
    apart = {names for names, chance in zip(known, chances, strict=True) if chance <= ALPHA}
    for count in range(1, len(order)):
        leaders, others = order[:count], order[count:]
        if all((leader, other) in apart for leader in leaders for other in others):
            lead = known[leaders[-1], others[0]].interval(ALPHA * len(apart) / len(known))
            return Ranking(order, leaders, lead)
    return Ranking(order)


def _pair(rates: Mapping[str, Sequence[float]], a: str, b: str, noise: Noise | None) -> _Pair | None:
    """Compare two rivals with the largest error that is known; None: nothing is known of it."""
    lead = statistics.fmean(rates[a]) - statistics.fmean(rates[b])
    errors = [] if noise is None else [(math.sqrt(2) * noise.deviation, noise.freedom)]
    count = len(rates[a])
    if count > 1 and {len(values) for values in rates.values()} == {count}:
        residual = _residual(list(rates.values()))
        own = statistics.stdev(of_a - of_b for of_a, of_b in zip(rates[a], rates[b], strict=True))
        errors.append((math.sqrt(2 / count) * residual.deviation, residual.freedom))
        errors.append((own / math.sqrt(count), residual.freedom))
    if not errors:
        return None
    error, freedom = max(errors)
    return _Pair(lead, error, freedom)


def _residual(blocks: Sequence[Sequence[float]]) -> Noise:
    """Find the scatter of (rivals, replicates) that neither a rival's mean nor a replicate's explains."""
    count, rounds = len(blocks), len(blocks[0])
    whole = statistics.fmean(value for values in blocks for value in values)
    rows = [statistics.fmean(values) for values in blocks]
    columns = [statistics.fmean(values) for values in zip(*blocks, strict=True)]
    squares = sum(
        (value - row - column + whole) ** 2
        for values, row in zip(blocks, rows, strict=True)
        for value, column in zip(values, columns, strict=True)
    )
    freedom = (count - 1) * (rounds - 1)
    return Noise(math.sqrt(squares / freedom), freedom)
