"""Try changes in their order, each by a comparison with what stood before it, and keep what is known meanwhile."""

from __future__ import annotations

from dataclasses import replace

from feedrate.api.comparing import laid_out, run_comparisons
from feedrate.api.resources import Resources
from feedrate.api.study_file import Change, StudyPlan
from feedrate.api.study_result import StudyProgress, StudyResult
from feedrate.api.variant_runner import VariantRunner
from feedrate.api.variant_spec import ComparisonSpec, pairings
from feedrate.comparison.comparison import Comparison, StoppingRule
from feedrate.comparison.study import TriedChange
from feedrate.errors import UnavailableError, UsageError

__all__ = ["studied"]


def studied(resources: Resources, plan: StudyPlan, rule: StoppingRule) -> StudyResult:
    """Try all changes of a plan.

    Raises:
        UsageError: a change names a cell, a commit or a file that is not there.
        UnavailableError: this machine lacks what the base needs.
        BuildError: a commit does not build.
    """
    _demand_sense(resources, plan)
    resources.complain()
    resources.demand_places()
    resources.comparisons = ()
    progress = resources.study = StudyProgress(plan.title, plan.about, plan.base, rule)
    runner, before = VariantRunner(resources), plan.base
    for number, change in enumerate(plan.changes, 1):
        against = plan.base if change.against == "base" else before
        _tell(resources, f"change {number} of {len(plan.changes)}: {change.name}")
        tried = _tried(resources, runner, change, against, rule, progress)
        if tried.builds and tried.comparison is not None and tried.comparison.measured("a"):
            before = tried.cell
    return StudyResult.of(progress, resources.raw)


def _tell(resources: Resources, line: str) -> None:
    """Say how far a study is."""
    if not resources.settings.quiet:
        resources.caller.console.print(line, soft_wrap=True)


def _demand_sense(resources: Resources, plan: StudyPlan) -> None:
    """Look at all changes before the first is tried, each as if all before it could run.

    Raises:
        UsageError: one names what is not there; the line says which.
        UnavailableError: this machine lacks what the base needs.
    """
    _spec(resources, plan.base, plan.base)
    before = plan.base
    for change in plan.changes:
        try:
            against = plan.base if change.against == "base" else before
            change.demand_needs(against)
            cell = change.applied(against)
            _spec(resources, cell, against)
        except UsageError as error:
            raise UsageError(f"{plan.file}: change {change.name!r}: {error}") from None
        except UnavailableError:
            continue
        before = before if change.against == "base" else cell


def _spec(resources: Resources, cell: str, against: str) -> ComparisonSpec:
    specs = pairings(cell, against, resources.settings.plugins, None, None, resources.own_files)
    if len(specs) > 1:
        raise UsageError(f"{cell!r} stands for {len(specs)} cells; a change is one")
    return specs[0]


def _tried(
    resources: Resources,
    runner: VariantRunner,
    change: Change,
    against: str,
    rule: StoppingRule,
    progress: StudyProgress,
) -> TriedChange:
    """Compare a cell with the change with one without it; what is known of it is part of the progress at once."""
    cell, comparison, lacking = against, None, ""
    try:
        cell = change.applied(against)
        comparison = _laid_out(resources, runner, change, cell, against, rule)
    # What it turns a knob of may have failed, so that the one before is another than the file has it.
    except (UnavailableError, UsageError) as error:
        lacking = str(error)
    tried = TriedChange(change.name, cell, against, change.claim, comparison, lacking, change.against == "before")
    progress.tried.append(tried)
    if comparison is None:
        _tell(resources, f"{change.name}: not tried: {lacking}")
        return tried
    resources.comparisons = (*resources.comparisons, comparison)
    run_comparisons(resources, rule, [comparison])
    unavailable = next((failure for failure in comparison.failures if failure.why == "unavailable"), None)
    if unavailable is not None:
        # Only its process knew.
        tried = progress.tried[-1] = replace(tried, comparison=None, lacking=unavailable.reason)
    return tried


def _laid_out(
    resources: Resources, runner: VariantRunner, change: Change, cell: str, against: str, rule: StoppingRule
) -> Comparison:
    """Make data sets and build commits for a comparison; raises `UnavailableError` where it cannot run here."""
    change.demand_needs(against)
    spec = _spec(resources, cell, against)
    comparison = laid_out(runner, spec, rule)
    resources.make_data(spec.recipes.values())
    return comparison
