"""`feedrate why CELL --since COMMIT`."""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.run import named, settings
from feedrate.cli.variant_runner import VariantRunner
from feedrate.cli.variant_spec import VariantSpec, control
from feedrate.comparison.comparison import Comparison, StoppingRule, run_rounds
from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict
from feedrate.diagnosis.attribution import loader_costs
from feedrate.diagnosis.diagnosis import Diagnosis, diagnose
from feedrate.diagnosis.regression import Change, largest_change, regression_of
from feedrate.diagnosis.regression import describe_stage as stage_named
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.measurement import Measurement
from feedrate.report.comparison import document, show
from feedrate.report.comparison_progress import rounds_shown
from feedrate.runner.forkserver import ForkServer
from feedrate.system.environment import snapshot

__all__ = ["since"]

_REPLICATES = 4
"""Processes that take the cell apart on each side, when the loader has moved."""


def since(cell: Cell, registry: Registry, options: Namespace, shell: CommandContext) -> int:
    """Measure the cell here and at a commit, side by side, and say what moved: 0 done, 1 INVALID, or what ended it."""
    name, _ = named(shell)
    codes = VariantRunner(options, shell, name, snapshot(shell.environ))
    here = VariantSpec(str(cell.workload), cell.size, str(cell.loader), str(cell.step), cell.device, "")
    then = replace(here, code=options.since)
    if then.file:
        raise UsageError(f"--since {options.since}: that is a file; `feedrate compare` takes plugin files")
    duel = _duel(here, then, cell, str(control(here, registry)), codes)
    with ending(shell, lambda: duel.runs) as end:
        _fight(duel, codes)
    found = duel.judgements
    changed = regression_of(found, *_both_s(duel.measured("a")))
    stage = None
    if changed.side == "loader" and not end.status:
        stage = "it ended before the stage was known"
        with ending(shell, lambda: duel.runs) as end:
            stage = _stage(then, str(cell), codes)
    _print(duel, found, changed, stage, codes)
    return end.status or int(changed.kind == "invalid")


def _duel(here: VariantSpec, then: VariantSpec, cell: Cell, beside: str, codes: VariantRunner) -> Comparison:
    options, key = codes.options, str(cell)
    pairs = max(FIRST_LOOK, options.pairs + options.pairs % 2)
    # A step that trains nothing takes microseconds: nobody waits until they are told apart.
    others = ("loader", "step") if cell.step.trains else ("loader",)
    limits = StoppingRule(pairs=pairs, also=others, budget_s=options.budget)
    return Comparison(codes.side(here, key), codes.side(then, key), codes.side(here, beside), limits)


def _fight(duel: Comparison, codes: VariantRunner) -> None:
    with rounds_shown(codes.shell.err, quiet=codes.options.quiet) as shown:
        for judgements in run_rounds([duel], duel.rule, lambda: ForkServer.opened({}), shown.ran):
            codes.keep([document(duel, one) for one in judgements])
            shown.end([duel], judgements)


def _both_s(measured: list[Measurement]) -> tuple[float, float]:
    """T_S and T_L of the code that runs; ones where nothing was measured, for then nothing is said of them."""
    if not measured:
        return 1.0, 1.0
    return (
        statistics.fmean(one.step_batch_s for one in measured),
        statistics.fmean(one.loader_batch_s for one in measured),
    )


def _stage(then: VariantSpec, cell: str, codes: VariantRunner) -> str:
    """Which stage of loading moved, in words; the cell is taken apart on both sides, by turns."""
    pairs, count = [], codes.options.replicates or _REPLICATES
    if not codes.options.quiet:
        codes.shell.err.print(f"the loader moved: taking the cell apart, {count} processes of each", soft_wrap=True)
    with ForkServer.opened({}) as fork_server:
        how = settings(codes.options, codes.shell, codes.run, fork_server)
        for _ in range(count):
            then_found = codes.taken_apart(then, cell)
            if then_found is None:
                return f"the code of {then.code} cannot take it apart, so the stage is not known"
            now_found = diagnose(cell, how, replicates=1)
            if not isinstance(now_found, Diagnosis):
                return f"taking it apart failed, so the stage is not known: {now_found.reason}"
            pairs.append((loader_costs(now_found.replicates), loader_costs(then_found.replicates)))
    return stage_named(largest_change(pairs))


def _print(
    duel: Comparison, found: Mapping[str, ComparisonVerdict], changed: Change, stage: str | None, codes: VariantRunner
) -> None:
    sentence = changed.sentence + (f"; {stage}" if stage else "")
    documents = {metric: document(duel, one) for metric, one in found.items()}
    if codes.options.json:
        codes.shell.print_json({**asdict(changed), "sentence": sentence, "comparisons": documents})
        return
    out = codes.shell.out
    out.print(f"since {codes.options.since}, {sentence}", soft_wrap=True, markup=False)
    show(out, [duel], [found["full"]])
    out.print(f"raw         {codes.raw}, {codes.kept}", style="dim", soft_wrap=True)
