"""Say what has become of a cell since a commit: measured here and there, by turns."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.comparing import run_comparisons
from feedrate.api.diagnosing import demand_diagnosable, demand_places
from feedrate.api.resources import Resources
from feedrate.api.result import Result, show_raw
from feedrate.api.variant_runner import VariantRunner
from feedrate.api.variant_spec import VariantSpec, control, pace_of
from feedrate.comparison.comparison import Comparison, StoppingRule
from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict
from feedrate.diagnosis.attribution import loader_costs
from feedrate.diagnosis.diagnosis import Diagnosis, diagnose
from feedrate.diagnosis.regression import Change, Kind, describe_stage, largest_change, regression_of
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.records.measurement import Failure, Measurement
from feedrate.report.comparison import document, show

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.diagnosis.evidence import StagePart

__all__ = ["ChangeResult", "changed_since"]

_REPLICATES, _MOST_REPLICATES = 4, 8
"""Processes that take the cell apart on each side, when the loader has moved, and the most while no stage is told."""
_ENDED = "it ended before the stage was known"


@dataclass(frozen=True, repr=False)
class ChangeResult(Result):
    """What has become of a cell since a commit: which side moved and, if that is the loader, which stage of it."""

    change: Change
    stage: str | None
    """The stage, in words; None: it was not asked for."""
    comparison: Comparison
    verdicts: Mapping[str, ComparisonVerdict]
    """On the code that runs against the commit, by metric."""
    raw: Path | None = None

    @classmethod
    def of(cls, comparison: Comparison, stage: str | None, raw: Path | None) -> ChangeResult:
        """Judge what was measured so far."""
        verdicts = comparison.judgements
        return cls(regression_of(verdicts, *_both_s(comparison.measured("a"))), stage, comparison, verdicts, raw)

    @property
    def kind(self) -> Kind:
        """What became of it; `latent`: one side is slower, and the other hides it."""
        return self.change.kind

    @property
    def sentence(self) -> str:
        """The same in one line, with the stage."""
        return self.change.sentence + (f"; {self.stage}" if self.stage else "")

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the sentence and what it rests on, as `feedrate why --since` does."""
        del explain
        console.print(f"since {self.comparison.b.code}, {self.sentence}", soft_wrap=True, markup=False)
        show(console, [self.comparison], [self.verdicts["full"]])
        show_raw(console, self.raw, self.raw and self.raw.with_suffix(".json"))

    def to_frame(self) -> pd.DataFrame:
        """Give one row a metric: how many times the speed of the commit the code that runs has, and the interval."""
        from feedrate.records.frame import tabulated

        rows = [
            (metric, verdict.word, verdict.factor, verdict.low, verdict.high, len(verdict.pairs.ratios))
            for metric, verdict in self.verdicts.items()
        ]
        return tabulated(rows, ["metric", "verdict", "speedup", "speedup_low", "speedup_high", "pairs"])

    def as_json(self) -> dict[str, object]:
        """Give what `feedrate why --since --json` prints."""
        documents = {metric: document(self.comparison, verdict) for metric, verdict in self.verdicts.items()}
        return {**asdict(self.change), "sentence": self.sentence, "comparisons": documents}


def changed_since(
    resources: Resources, cell: Cell, commit: str, pairs: int, budget_s: float, replicates: int
) -> ChangeResult:
    """Compare the cell here and at the commit; if the loader moved, take it apart on both sides.

    Raises:
        UsageError: there is no such commit.
        UnavailableError: this machine lacks what the cell needs.
        BuildError: the commit does not build.
    """
    here = VariantSpec(str(cell.workload), cell.size, str(cell.loader), str(cell.step), cell.device, "")
    then = replace(here, code=commit)
    if then.file:
        prefix = resources.caller.prefix
        raise UsageError(f"{prefix}since {commit}: that is a file; `feedrate compare` takes plugin files")
    demand_diagnosable(cell)
    resources.complain()
    demand_places(resources)
    resources.make_data([cell.recipe])
    runner, resources.stage = VariantRunner(resources), None
    comparison = _comparison(runner, here, then, cell, _rule(cell, pairs, budget_s))
    resources.comparisons = (comparison,)
    run_comparisons(resources, comparison.rule)
    judged = ChangeResult.of(comparison, None, None)
    if judged.change.side == "loader":
        resources.stage = _ENDED
        slower = judged.verdicts["loader"].factor < 1
        counts = (replicates, replicates) if replicates else (_REPLICATES, _MOST_REPLICATES)
        resources.stage = _stage(runner, then, str(cell), counts, slower=slower)
    return ChangeResult.of(comparison, resources.stage, resources.raw)


def _rule(cell: Cell, pairs: int, budget_s: float) -> StoppingRule:
    # A step that trains nothing takes microseconds: nobody waits until they are told apart.
    others = ("loader", "step") if cell.step.trains else ("loader",)
    return StoppingRule(pairs=max(FIRST_LOOK, pairs + pairs % 2), also=others, budget_s=budget_s)


def _comparison(
    runner: VariantRunner, here: VariantSpec, then: VariantSpec, cell: Cell, rule: StoppingRule
) -> Comparison:
    beside = control(here, runner.resources.registry)
    sides = runner.side(here, str(cell)), runner.side(then, str(cell)), runner.control(here, str(beside))
    return Comparison(*sides, rule, pace_of(beside))


def _both_s(measured: Sequence[Measurement]) -> tuple[float, float]:
    """T_S and T_L of the code that runs; ones where nothing was measured, for then nothing is said of them."""
    if not measured:
        return 1.0, 1.0
    return (
        statistics.fmean(measurement.step_batch_s for measurement in measured),
        statistics.fmean(measurement.loader_batch_s for measurement in measured),
    )


def _stage(runner: VariantRunner, then: VariantSpec, cell: str, counts: tuple[int, int], *, slower: bool) -> str:
    """Which stage of loading moved, in words; the cell is taken apart on both sides, by turns where that can be.

    `counts`: processes of each side at least, and at most while no stage is told. `slower`: whether the loader is, as a
    whole.
    """
    resources, (least, most) = runner.resources, counts
    pairs: list[tuple[Sequence[StagePart], Sequence[StagePart]]] = []
    if not resources.settings.quiet:
        text = (
            f"the loader moved: taking the cell apart, {least}{f' to {most}' if most > least else ''} processes of each"
        )
        resources.caller.console.print(text, soft_wrap=True)
    change: StagePart | None = None
    while len(pairs) < least or (len(pairs) < most and not (change and change.cost.excludes_zero)):
        # Two at a time may lack the memory that each alone has.
        now, earlier = runner.taken_apart_by_turns(then, cell) or _one_after_the_other(runner, then, cell)
        if earlier is None:
            return f"the code of {then.code} cannot take it apart, so the stage is not known"
        if not isinstance(now, Diagnosis):
            return f"taking it apart failed, so the stage is not known: {now.reason}"
        pairs.append((loader_costs(now.replicates), loader_costs(earlier.replicates)))
        change = largest_change(pairs, slower=slower)
    return describe_stage(change)


def _one_after_the_other(
    runner: VariantRunner, then: VariantSpec, cell: str
) -> tuple[Diagnosis | Failure, Diagnosis | None]:
    """What is found here, and at the commit before that."""
    earlier = runner.taken_apart(then, cell)
    return diagnose(cell, runner.resources.replicate_settings, replicates=1), earlier
