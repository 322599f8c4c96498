"""A beside B: blocks of fresh processes in the order control, A, B, B, A, until a verdict or the end of the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from feedrate.comparison.paired_test import ComparisonVerdict, Pairs, looks, verdicts
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.runner.forkserver import ForkServer
from feedrate.system.stopwatch import now_s

__all__ = ["METRICS", "ORDER", "ComparedRun", "Comparison", "StoppingRule", "Variant", "run_rounds"]

METRICS = {
    "full": "time_per_sample_s",
    "loader": "loader_time_per_sample_s",
    "step": "step_time_per_sample_s",
}
"""Property of `Measurement` that is compared: loader and step together, the loader alone, the step alone."""
ORDER = ("control", "a", "b", "b", "a")
"""Of a block. What drifts evenly through it meets A and B alike, and leaves the mean of its two pairs alone."""
_PAIRS_A_BLOCK = 2


@dataclass(frozen=True)
class Variant:
    """One of the things that are compared: a cell, and the code that measures it."""

    cell: str
    code: str
    """Commit or plugin file that it was asked for at; empty: the code that runs."""
    measure: Callable[[ForkServer], Outcome]
    """What came of it, in a fresh process."""


@dataclass(frozen=True)
class ComparedRun:
    """One process of a duel."""

    role: str
    """`control`, `a` or `b`."""
    outcome: Outcome


@dataclass(frozen=True)
class StoppingRule:
    """How a duel is judged, and when it ends whatever it says."""

    metric: str = "full"
    margin: float = 0.02
    pairs: int = 32
    """At most; a whole number of blocks."""
    budget_s: float = 600.0
    """No round but the first is begun that would end later, if it lasts as long as the longest so far."""
    also: tuple[str, ...] = ()
    """Metrics that must be decided, too, before a duel ends early."""


@dataclass(eq=False)
class Comparison:
    """An A, a B, the control beside them, and what has come of them so far."""

    a: Variant
    b: Variant
    control: Variant
    limits: StoppingRule
    ran: list[ComparedRun] = field(default_factory=list)

    def block(self, fork_server: ForkServer) -> Iterator[ComparedRun]:
        """Run one block, and yield each process's outcome; it ends early when one fails."""
        sides = {"control": self.control, "a": self.a, "b": self.b}
        for role in ORDER:
            ran = ComparedRun(role, sides[role].measure(fork_server))
            self.ran.append(ran)
            yield ran
            if isinstance(ran.outcome, Failure):
                return

    @property
    def pairs(self) -> Pairs:
        """What is known so far. Pairs that lack one half do not count."""
        return self.pairs_of(self.limits.metric)

    def pairs_of(self, metric: str) -> Pairs:
        """The same of any of `METRICS`: the processes measure all of them."""
        times = {role: [math.log(getattr(one, METRICS[metric])) for one in self.measured(role)] for role in ("a", "b")}
        controls = [math.log(one.step_time_per_sample_s) for one in self.measured("control")]
        ratios = tuple(b - a for a, b in zip(times["a"], times["b"], strict=False))
        return Pairs(ratios, tuple(controls), self.limits.margin, self.limits.pairs, self._doubt)

    @property
    def is_settled(self) -> bool:
        """Nothing else is asked that is open, all of it judged together."""
        return not self.limits.also or all(found.decided for found in self.judgements.values())

    @property
    def judgements(self) -> dict[str, ComparisonVerdict]:
        """What is known so far of each metric that is asked for, false discoveries among them controlled."""
        asked = (self.limits.metric, *self.limits.also)
        return dict(zip(asked, verdicts([self.pairs_of(metric) for metric in asked]), strict=True))

    def measured(self, role: str) -> list[Measurement]:
        """The numbers that there are of the control, of `a` or of `b`, in the order of measuring."""
        return [ran.outcome for ran in self.ran if ran.role == role and isinstance(ran.outcome, Measurement)]

    @property
    def failures(self) -> list[Failure]:
        """Why there is no number, where there is none."""
        return [ran.outcome for ran in self.ran if isinstance(ran.outcome, Failure)]

    @property
    def _doubt(self) -> str:
        for failure in self.failures:
            return f"{failure.cell} failed, {failure.why}: {failure.reason}"
        caches = [{one.page_cache for one in self.measured(role)} for role in ("a", "b")]
        if all(caches) and not caches[0] & caches[1]:
            states = [" and ".join(sorted(found)) for found in caches]
            return f"the page cache was {states[0]} for one and {states[1]} for the other"
        return ""


def run_rounds(
    duels: Sequence[Comparison],
    limits: StoppingRule,
    fork_server: Callable[[], AbstractContextManager[ForkServer]],
    told: Callable[[Comparison, ComparedRun, Sequence[Comparison]], None],
) -> Iterator[tuple[ComparisonVerdict, ...]]:
    """Run rounds of one block of each duel that is still open, and yield the judgements after each round.

    Verdicts end a duel at the looks that were planned alone, never in between: each look is one more chance of a false
    alarm. `told` hears of each process, and which duels are open.
    """
    start, longest_s, done = now_s(), 0.0, 0
    at = looks(limits.pairs)
    still = list(duels)
    while still and done < limits.pairs and (not done or now_s() - start + longest_s <= limits.budget_s):
        begun = now_s()
        for duel in still:
            # Address layout and hash seed are those of the process that was forked: each block gets others.
            with fork_server() as fresh:
                for ran in duel.block(fresh):
                    told(duel, ran, still)
        longest_s = max(longest_s, now_s() - begun)
        done += _PAIRS_A_BLOCK
        found = verdicts([duel.pairs for duel in duels])
        still = [
            duel
            for duel, judgement in zip(duels, found, strict=True)
            if duel in still and not duel.failures and not (done in at and judgement.decided and duel.is_settled)
        ]
        yield found
