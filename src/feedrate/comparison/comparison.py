"""Compare A with B in rounds of fresh processes (control, A, B, B, A) until there is a verdict or the time is up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict, Pairs, looks, verdicts
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import doubts, is_doubtful
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.turnstile import Running, by_turns
from feedrate.system.stopwatch import now_s

__all__ = ["METRICS", "ORDER", "ComparedRun", "Comparison", "StoppingRule", "Variant", "run_rounds"]

METRICS = {
    "full": "time_per_sample_s",
    "loader": "loader_time_per_sample_s",
    "step": "step_time_per_sample_s",
}
"""Property of `Measurement` that is compared: loader and step together, the loader alone, the step alone."""
ORDER = ("control", "a", "b", "b", "a")
"""Roles of the processes of a round. What drifts evenly through it meets A and B alike, and leaves the mean of its two
pairs alone."""
_PAIRS_A_ROUND = 2
_NO_ROOM = "out of memory"


def _is_kept_already(outcome: Outcome) -> None:
    del outcome


@dataclass(frozen=True)
class Variant:
    """One of the things that are compared: a cell, and the code that measures it."""

    cell: str
    code: str
    """Commit, plugin file or variables that it was asked for with; empty: the code that runs, as it is."""
    measure: Callable[[ForkServer], Outcome]
    """Measures the cell once, in a fresh process."""
    keep: Callable[[Outcome], object] = _is_kept_already
    """Adds an outcome to the raw results where measuring does not."""
    begin: Callable[[ForkServer, Path], Running[Outcome]] | None = None
    """Begins to measure it by turns with another, where both listen at a socket, and adds to the raw results; None: it
    measures alone."""
    writer: str = ""
    """Tells the code that writes its data set from another: two that write differently cannot have theirs at a time."""

    def __str__(self) -> str:
        return f"{self.cell}@{self.code}" if self.code else self.cell


@dataclass(frozen=True)
class ComparedRun:
    """One process of a comparison."""

    role: str
    """`control`, `a` or `b`."""
    outcome: Outcome


@dataclass(frozen=True)
class StoppingRule:
    """How a comparison is judged, and when it ends whatever it says."""

    metric: str = "full"
    margin: float = 0.02
    pairs: int = 32
    """At most; a whole number of rounds."""
    budget_s: float = 600.0
    """No round but the first is begun that would end later, if it lasts as long as the longest so far."""
    also: tuple[str, ...] = ()
    """Metrics that must be decided, too, before a comparison ends early, unless one of them explains the first."""


@dataclass(eq=False)
class Comparison:
    """An A, a B, the control beside them, and the processes that have been measured so far."""

    a: Variant
    b: Variant
    control: Variant
    rule: StoppingRule
    pace: str = "step"
    """Which of `METRICS` of the control shows how the machine drifts: one that takes longer than microseconds."""
    runs: list[ComparedRun] = field(default_factory=list)
    alone: bool = False
    """Two processes at a time do not fit into memory: those of a pair are measured one after the other."""

    def run_round(self, fork_server: ForkServer) -> Iterator[ComparedRun]:
        """Run one round, and yield each of its processes; it ends early when one fails."""
        for role in ORDER[:1]:
            yield self._measured(role, fork_server)
        for pair in (ORDER[1:3], ORDER[3:]):
            if self.failures:
                return
            yield from self._pair(pair, fork_server)

    def _measured(self, role: str, fork_server: ForkServer) -> ComparedRun:
        variant = self._variants[role]
        run = ComparedRun(role, variant.measure(fork_server))
        # First: an interrupt between the two must not leave a process out that the raw results have.
        self.runs.append(run)
        variant.keep(run.outcome)
        return run

    def _pair(self, roles: Sequence[str], fork_server: ForkServer) -> Iterator[ComparedRun]:
        """Measure both of a pair: by turns where both can, else one after the other."""
        variants = [self._variants[role] for role in roles]
        begins = [partial(variant.begin, fork_server) for variant in variants if variant.begin is not None]
        if len(begins) == len(roles) and len({variant.writer for variant in variants}) == 1 and not self.alone:
            runs = [ComparedRun(role, outcome) for role, outcome in zip(roles, by_turns(begins), strict=True)]
            self.alone = any(isinstance(run.outcome, Failure) and run.outcome.why == _NO_ROOM for run in runs)
            if not self.alone:
                self.runs += runs
                yield from runs
                return
        for role in roles:
            run = self._measured(role, fork_server)
            yield run
            if isinstance(run.outcome, Failure):
                return

    @property
    def _variants(self) -> dict[str, Variant]:
        return {"control": self.control, "a": self.a, "b": self.b}

    @property
    def pairs(self) -> Pairs:
        """Pairs of the metric that is asked for. Those that lack one half do not count."""
        return self.pairs_of(self.rule.metric)

    def pairs_of(self, metric: str) -> Pairs:
        """Pair the runs so far by any of `METRICS`: the processes measure all of them.

        Nothing rests on a doubtful process: its pair is left out, and as a control it is.
        """
        ratios = tuple(
            math.log(getattr(b, METRICS[metric])) - math.log(getattr(a, METRICS[metric]))
            for a, b in self._paired
            if not (is_doubtful(a) or is_doubtful(b))
        )
        standing = (run for run in self.measured("control") if not is_doubtful(run))
        controls = tuple(math.log(getattr(run, METRICS[self.pace])) for run in standing)
        return Pairs(ratios, controls, self.rule.margin, self.rule.pairs, self._doubt)

    @property
    def doubtful_pairs(self) -> tuple[int, str]:
        """Count the pairs that are left out, and give the first reason; the reason is empty where there are none."""
        reasons = [reason for pair in self._paired if (reason := _doubt_about(pair))]
        return len(reasons), next(iter(reasons), "")

    @property
    def _paired(self) -> list[tuple[Measurement, Measurement]]:
        return list(zip(self.measured("a"), self.measured("b"), strict=False))

    @property
    def is_settled(self) -> bool:
        """Whether every additional metric has a verdict, or one of them has moved as the first has, which explains it.

        All metrics are judged together.
        """
        first, *others = self.judgements.values()
        explained = first.word in ("FASTER", "SLOWER") and any(other.word == first.word for other in others)
        return explained or all(other.decided for other in others)

    @property
    def judgements(self) -> dict[str, ComparisonVerdict]:
        """Verdicts so far on each metric that is asked for, false discoveries among them controlled."""
        metrics = (self.rule.metric, *self.rule.also)
        return dict(zip(metrics, verdicts([self.pairs_of(metric) for metric in metrics]), strict=True))

    def measured(self, role: str) -> list[Measurement]:
        """Select the measurements of `control`, `a` or `b`, in the order of measuring; failures are left out."""
        return [run.outcome for run in self.runs if run.role == role and isinstance(run.outcome, Measurement)]

    @property
    def failures(self) -> list[Failure]:
        """Failures among the runs so far, in the order of measuring."""
        return [run.outcome for run in self.runs if isinstance(run.outcome, Failure)]

    @property
    def _doubt(self) -> str:
        for failure in self.failures:
            return f"{failure.cell} failed, {failure.why}: {failure.reason}"
        caches = [{run.page_cache for run in self.measured(role)} for role in ("a", "b")]
        if all(caches) and not caches[0] & caches[1]:
            states = [" and ".join(sorted(cache)) for cache in caches]
            return f"the page cache was {states[0]} for one and {states[1]} for the other"
        count, reason = self.doubtful_pairs
        if len(self._paired) >= FIRST_LOOK and 2 * count > len(self._paired):
            return f"{count} of {len(self._paired)} pairs are doubtful: {reason}"
        return ""


def _doubt_about(pair: tuple[Measurement, Measurement]) -> str:
    return next((reason for measurement in pair for reason in doubts(measurement)), "")


def run_rounds(
    comparisons: Sequence[Comparison],
    rule: StoppingRule,
    fork_server: Callable[[], AbstractContextManager[ForkServer]],
    on_run: Callable[[Comparison, ComparedRun, Sequence[Comparison]], None],
) -> Iterator[tuple[ComparisonVerdict, ...]]:
    """Run one round after the other of each comparison that is still open, and yield all verdicts after each round.

    A verdict ends a comparison only at the looks that were planned, never in between: each look is one more chance of a
    false alarm. `on_run` is called after each process with its comparison, the run, and the comparisons that are open.
    """
    start_s, longest_s, pairs = now_s(), 0.0, 0
    planned_looks, still_open = looks(rule.pairs), list(comparisons)
    while still_open and pairs < rule.pairs and (not pairs or now_s() - start_s + longest_s <= rule.budget_s):
        round_start_s = now_s()
        for comparison in still_open:
            # Address layout and hash seed are those of the process that was forked: each round gets others.
            with fork_server() as fresh:
                for run in comparison.run_round(fresh):
                    on_run(comparison, run, still_open)
        longest_s = max(longest_s, now_s() - round_start_s)
        pairs += _PAIRS_A_ROUND
        judgements = verdicts([comparison.pairs for comparison in comparisons])
        still_open = [
            comparison
            for comparison, judgement in zip(comparisons, judgements, strict=True)
            if comparison in still_open
            and not comparison.failures
            and not (pairs in planned_looks and judgement.decided and comparison.is_settled)
        ]
        yield judgements
