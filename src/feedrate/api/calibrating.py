"""Measure the cells whose answer is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from feedrate.api.calibration_result import CalibrationResult
from feedrate.api.cells import device_or_default
from feedrate.api.resources import Resources
from feedrate.calibration.calibrate import CaseResult, run_case
from feedrate.calibration.cases import CASES, Case
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.strategy import near
from feedrate.report.calibration import answers_progress

__all__ = ["calibrated", "cases_of"]


def cases_of(names: Sequence[str], device: str | None) -> Sequence[Case]:
    """Give the cases of those names, or all, that are for the device, or for any.

    Raises:
        UsageError: there is no such case or device.
    """
    known = {case.name: case for case in CASES}
    for name in names:
        if name not in known:
            raise UsageError(f"no case {name!r}; {near(name, known)}")
    cases = [known[name] for name in names] or CASES
    if device is None:
        return cases
    device = device_or_default(device)
    return [case for case in cases if case.device == device]


def calibrated(resources: Resources, cases: Sequence[Case]) -> CalibrationResult:
    """Ask each case in fresh processes; nothing is written down."""
    resources.answers = []
    cells = {case: Cell.parse(case.cell, resources.registry) for case in cases}
    resources.demand_places()
    resources.make_data(cell.recipe for cell in cells.values() if not cell.unmet_needs)
    _ask(resources, cells)
    return CalibrationResult(tuple(resources.answers))


def _ask(resources: Resources, cells: Mapping[Case, Cell]) -> None:
    settings = resources.replicate_settings
    with answers_progress(resources.caller.console, quiet=resources.settings.quiet) as progress:
        for place, (case, cell) in enumerate(cells.items()):
            progress.begin(case.name, len(cells) - place)
            answer = _absent(case, cell) or run_case(case, settings)
            resources.answers.append(answer)
            # Whoever is told of it and interrupts us finds it among those that there are.
            progress.end(answer)


def _absent(case: Case, cell: Cell) -> CaseResult | None:
    """The answer of a case that this machine cannot be asked."""
    needs = (*cell.unmet_needs, *case.unmet_needs)
    if not needs:
        return None
    lacking = f"n/a: needs {', '.join(need.what for need in needs)}"
    reasons = "; ".join(need.reason for need in needs)
    return CaseResult(case.name, case.cell, case.expected, lacking, reasons, None)
