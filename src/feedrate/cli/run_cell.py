"""`feedrate run --cell`: one replicate of one cell, for programs that drive feedrate."""

from __future__ import annotations

import json
from pathlib import Path

from feedrate.api.measuring import measured_once
from feedrate.api.session import Session
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.records.atomic_write import replace_text
from feedrate.records.document import document
from feedrate.records.measurement import Measurement, Outcome

__all__ = ["run_cell"]


def run_cell(
    session: Session, key: str, number: int, out: Path | None, shell: CommandContext, *, as_json: bool, quiet: bool
) -> int:
    """Measure replicate `number` of a cell and write its document to `out`: 0 when it was measured, else 1.

    Raises:
        UsageError: the cell names something that is not there; the document says so too, as `unavailable`.
    """
    resources = session.resources
    resources.demand_places(out=out)
    try:
        cell = Cell.parse(key, resources.registry)
    except UsageError as error:
        # A driver that walks through history meets commits that lack what later ones have.
        _write(out, resources.run.unavailable(key, str(error), number))
        raise
    outcome = measured_once(resources, cell, number)
    with ending(shell, lambda: outcome) as end:
        resources.keep(outcome)
    _write(out, outcome)
    if as_json:
        shell.print_json(document(outcome))
    elif not quiet and isinstance(outcome, Measurement):
        shell.out.print(f"{cell}: {outcome.samples_per_s:,.1f} samples/s", soft_wrap=True)
    elif not isinstance(outcome, Measurement):
        shell.err.print(f"feedrate: {cell}: {outcome.why}: {outcome.reason}", soft_wrap=True)
    return end.status or int(not isinstance(outcome, Measurement))


def _write(out: Path | None, outcome: Outcome) -> None:
    if out is not None:
        replace_text(out, json.dumps(document(outcome), allow_nan=False, default=str))
