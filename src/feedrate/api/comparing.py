"""Compare A with B in rounds of fresh processes, and keep the verdicts after each round."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.resources import Resources
from feedrate.api.variant_runner import VariantRunner
from feedrate.api.variant_spec import ComparisonSpec, pace_of
from feedrate.comparison.comparison import METRICS, ComparedRun, Comparison, StoppingRule, run_rounds
from feedrate.comparison.paired_test import FIRST_LOOK
from feedrate.errors import UsageError
from feedrate.plugin.strategy import near
from feedrate.records.atomic_write import replace_text
from feedrate.report.comparison_progress import rounds_shown
from feedrate.runner.forkserver import ForkServer

__all__ = ["compared", "laid_out", "run_comparisons", "stopping_rule"]


def stopping_rule(metric: str, margin: float, pairs: int, budget_s: float, prefix: str) -> StoppingRule:
    """Say how a comparison is judged, and when it ends; a whole number of blocks.

    Raises:
        UsageError: there is no such metric, or the numbers leave nothing to decide.
    """
    if metric not in METRICS:
        raise UsageError(f"no metric {metric!r}; {near(metric, METRICS)}")
    if pairs < FIRST_LOOK:
        raise UsageError(f"compare: {prefix}pairs {pairs} is too few; {FIRST_LOOK} are the least that say anything")
    for name, value in (("margin", margin), ("budget_s", budget_s)):
        if not value > 0:
            raise UsageError(f"{name}={value!r} is no positive number")
    return StoppingRule(metric, margin, pairs + pairs % 2, budget_s)


def compared(resources: Resources, specs: Sequence[ComparisonSpec], rule: StoppingRule) -> ComparisonResult:
    """Build what the sides need, run the rounds, and judge.

    Raises:
        UsageError: there is no such commit.
        BuildError: a commit does not build.
    """
    resources.complain()
    runner = VariantRunner(resources)
    resources.demand_places()
    resources.comparisons = tuple(laid_out(runner, spec, rule) for spec in specs)
    resources.make_data(recipe for spec in specs for recipe in spec.recipes.values())
    run_comparisons(resources, rule)
    return ComparisonResult.of(resources.comparisons, resources.raw)


def laid_out(runner: VariantRunner, spec: ComparisonSpec, rule: StoppingRule) -> Comparison:
    """Give a comparison that has not begun, with what its sides need built; raises like `compared`."""
    return Comparison(
        runner.side(spec.a, spec.a_cell),
        runner.side(spec.b, spec.b_cell),
        runner.control(spec.a.uncommitted, str(spec.control)),
        rule,
        pace_of(spec.control),
    )


def run_comparisons(resources: Resources, rule: StoppingRule, some: Sequence[Comparison] = ()) -> None:
    """Run rounds of the comparisons that were begun; what is known is written down after each, and at an interrupt.

    `some`: of these alone, the others having been run before; none: of all.
    """
    comparisons = some or resources.comparisons
    with (
        _kept_at_interrupt(resources),
        rounds_shown(resources.caller.console, quiet=resources.settings.quiet) as shown,
    ):

        def heard(comparison: Comparison, ran: ComparedRun, still: Sequence[Comparison]) -> None:
            resources.outcomes.append(ran.outcome)
            shown.ran(comparison, ran, still)

        for judgements in run_rounds(comparisons, rule, lambda: ForkServer.opened({}), heard):
            _keep(resources)
            shown.end(comparisons, judgements)


@contextmanager
def _kept_at_interrupt(resources: Resources) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        _keep(resources)
        raise


def _keep(resources: Resources) -> None:
    """Write the verdicts so far, over those of an earlier round."""
    result = ComparisonResult.of(resources.comparisons, resources.raw)
    if result.kept is not None:
        result.kept.parent.mkdir(parents=True, exist_ok=True)
        replace_text(result.kept, json.dumps(result.as_json(), indent=1, allow_nan=False))
