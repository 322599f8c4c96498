"""Try inside a person's own training what was advised for its DataLoader, in pairs with the script as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from feedrate.api.comparing import run_comparisons
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.resources import Resources
from feedrate.api.scripts import script_variant
from feedrate.comparison.comparison import Comparison, StoppingRule
from feedrate.comparison.paired_test import FIRST_LOOK
from feedrate.records.cell_key import CellKey, split_spec
from feedrate.runner.script_command import OWN, ScriptCommand

if TYPE_CHECKING:
    from feedrate.comparison.paired_test import ComparisonVerdict
    from feedrate.diagnosis.diagnosis import Diagnosis

__all__ = ["against_own", "pasted", "trial_statements", "try_settings"]

_WORDS = {"FASTER": "gains", "SLOWER": "loses", "SAME": "changes nothing"}
_PYTHON = {"true": "True", "false": "False"}
_TYPED = {python: typed for typed, python in _PYTHON.items()}


def pasted(loader: str) -> str:
    """Give what is to be written into a script: `DataLoader(..., pin_memory=True)` of `dataloader[pin_memory=true]`."""
    _, settings = split_spec(loader)
    return f"DataLoader(..., {', '.join(f'{key}={_PYTHON.get(text, text)}' for key, text in settings.items())})"


def against_own(
    resources: Resources, command: ScriptCommand, loaders: Sequence[str], rule: StoppingRule, numbers: Iterator[int]
) -> ComparisonResult:
    """Compare a command with each of the loaders in the place of its own with the command as it is."""
    _begin(resources, command, loaders, rule, numbers)
    run_comparisons(resources, rule)
    return ComparisonResult.of(resources.comparisons, resources.raw)


def try_settings(
    resources: Resources, command: ScriptCommand, diagnosis: Diagnosis, pairs: int, budget_s: float
) -> ComparisonResult | None:
    """Try each setting of a DataLoader that a diagnosis of the command advises; None: it advises none."""
    pieces = [setting.partition("=") for setting in diagnosis.verdict.settings]
    loaders = [f"{OWN}[{key}={_TYPED.get(text, text)}]" for key, _, text in pieces]
    if not loaders:
        return None
    rule = StoppingRule(pairs=max(FIRST_LOOK, pairs + pairs % 2), budget_s=budget_s)
    _begin(resources, command, loaders, rule, count(len(diagnosis.measured)))
    resources.trials = resources.comparisons
    run_comparisons(resources, rule)
    return ComparisonResult.of(resources.trials, resources.raw)


def _begin(
    resources: Resources, command: ScriptCommand, loaders: Sequence[str], rule: StoppingRule, numbers: Iterator[int]
) -> None:
    own, *others = (
        script_variant(resources, replace(command, loader=loader), "", numbers) for loader in (OWN, *loaders)
    )
    resources.comparisons = tuple(Comparison(other, own, own, rule) for other in others)


def trial_statements(trials: ComparisonResult) -> Iterator[str]:
    """Yield in a line what became of each setting that was tried."""
    for comparison, verdict in zip(trials.comparisons, trials.verdicts, strict=True):
        setting = pasted(CellKey.parse(comparison.a.cell).loader)
        yield f"{setting} {_statement(verdict)}"


def _statement(verdict: ComparisonVerdict) -> str:
    count = len(verdict.pairs.ratios)
    if verdict.word == "INVALID" or count < FIRST_LOOK:
        return f"is not told apart from the script as it is: {verdict.reason}"
    interval = f"x{verdict.factor:.2f} ({verdict.low:.2f} to {verdict.high:.2f})"
    around = f"{interval} the speed of the script as it is, from {count} pairs"
    if verdict.word == "UNSURE":
        return f"is not told apart: {around}; {verdict.reason}"
    return f"{_WORDS[verdict.word]}: {around}"
