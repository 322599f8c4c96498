"""Take a cell apart, and keep what its replicates say, also when they are interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feedrate.api.measuring import unmet_reasons
from feedrate.api.places import Place
from feedrate.api.resources import Resources
from feedrate.api.results import CellError
from feedrate.diagnosis.diagnosis import Diagnosis, iter_replicates, iter_script_replicates, needs_another
from feedrate.errors import UnavailableError
from feedrate.plugin.cell import Cell
from feedrate.records.measurement import Failure
from feedrate.report.progress import run_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feedrate.diagnosis.batch_size_correction import Replicate
    from feedrate.runner.script_command import ScriptCommand

__all__ = ["LEAST", "MOST", "demand_diagnosable", "demand_places", "diagnosed", "diagnosed_command"]

LEAST, MOST = 3, 6
"""Replicates when nobody says how many: so many, and up to so many while the verdict is not firm."""


def demand_diagnosable(cell: Cell) -> None:
    """Refuse a cell that cannot run here.

    Raises:
        UnavailableError: this machine lacks what it needs.
    """
    if cell.unmet_needs:
        raise UnavailableError(f"{cell}: {unmet_reasons(cell)}")


def demand_places(resources: Resources) -> None:
    """Try all folders that taking a cell apart needs; raises `UsageError`."""
    from feedrate.system.scratch import SHARED_MEMORY

    resources.demand_places(Place("why:", SHARED_MEMORY, may_create=False))


def diagnosed(resources: Resources, cell: Cell, replicates: int | None, *, cold: bool) -> Diagnosis:
    """Diagnose a cell, and keep what comes of it.

    Raises:
        UnavailableError: this machine lacks what it needs.
        CellError: a process failed; its failure is kept.
    """
    demand_diagnosable(cell)
    resources.complain()
    demand_places(resources)
    resources.make_data([cell.recipe])
    least, most = _bounds(replicates)
    outcomes = iter_replicates(str(cell), resources.replicate_settings, least, most, cold=cold)
    return _kept(resources, str(cell), outcomes, least, most)


def diagnosed_command(resources: Resources, command: ScriptCommand, replicates: int | None) -> Diagnosis:
    """Diagnose a person's own training, and keep what comes of it.

    Raises:
        UsageError: there is no such program.
        CellError: a run failed; its failure is kept.
    """
    command.demand_program()
    resources.demand_places()
    least, most = _bounds(replicates)
    waiting = [f"feedrate: {command.cell.workload} trains; its times are taken now"]

    def begun() -> None:
        if waiting and not resources.settings.quiet:
            resources.caller.console.print(waiting.pop(), soft_wrap=True)

    outcomes = iter_script_replicates(command, resources.replicate_settings, least, most, begun)
    return _kept(resources, str(command.cell), outcomes, least, most)


def _bounds(replicates: int | None) -> tuple[int, int]:
    """How many replicates there are at least, and up to how many while the verdict is not firm."""
    return (LEAST, MOST) if replicates is None else (replicates, 0)


def _kept(resources: Resources, cell: str, outcomes: Iterator[Replicate | Failure], least: int, most: int) -> Diagnosis:
    """Diagnose what comes, and keep it, also where an interrupt or a failure ends it."""
    known: list[Replicate] = []
    try:
        _collect(resources, cell, outcomes, known, least, most)
    except CellError as error:
        resources.keep(error.failure)
        raise
    except BaseException:
        if known:
            resources.keep(Diagnosis.of(known))
        raise
    diagnosis = Diagnosis.of(known)
    resources.keep(diagnosis)
    return diagnosis


def _collect(
    resources: Resources,
    cell: str,
    outcomes: Iterator[Replicate | Failure],
    known: list[Replicate],
    least: int,
    most: int,
) -> None:
    """Add the replicates as they come; raises `CellError` with the first that fails."""
    with run_progress(resources.caller.console, quiet=resources.settings.quiet) as progress:
        progress.begin(cell, least)
        for replicate in outcomes:
            if isinstance(replicate, Failure):
                progress.end(replicate)
                raise CellError(replicate)
            known.append(replicate)
            progress.end(replicate[0])
            if needs_another(known, least, most):
                progress.begin(cell, max(1, least - len(known)))
