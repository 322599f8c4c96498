"""`feedrate run --cell`: one replicate of one cell, for programs that drive feedrate."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.ensure_data import ensure
from feedrate.cli.places import demand_places
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.atomic_write import replace_text
from feedrate.records.document import document
from feedrate.records.measurement import Measurement, Outcome, append
from feedrate.runner.schedule import Session

__all__ = ["run"]


def run(options: Namespace, shell: CommandContext, registry: Registry, session: Session) -> int:
    """Measure the cell and write its document: 0 when it was measured, else 1.

    Raises:
        UsageError: the cell names something that is not there; the document says so too, as `unavailable`.
    """
    demand_places(options, options.data or shell.data, out=options.out)
    try:
        cell = Cell.parse(options.cell, registry)
    except UsageError as error:
        # A driver that walks through history meets commits that lack what later ones have.
        _write(options.out, session.unavailable(options.cell, str(error), options.replicate))
        raise
    outcome = _outcome(cell, options, shell, session)
    with ending(shell, lambda: outcome) as end:
        append(options.results / f"{session.name}.jsonl", outcome)
    _write(options.out, outcome)
    if options.json:
        shell.print_json(document(outcome))
    elif not options.quiet and isinstance(outcome, Measurement):
        shell.out.print(f"{cell}: {outcome.samples_per_s:,.1f} samples/s", soft_wrap=True)
    elif not isinstance(outcome, Measurement):
        shell.err.print(f"feedrate: {cell}: {outcome.why}: {outcome.reason}", soft_wrap=True)
    return end.status or int(not isinstance(outcome, Measurement))


def _outcome(cell: Cell, options: Namespace, shell: CommandContext, session: Session) -> Outcome:
    if cell.unmet:
        return session.unavailable(str(cell), "; ".join(need.reason for need in cell.unmet), options.replicate)
    ensure([cell.recipe], options.data or shell.data, shell.err, quiet=options.quiet)
    return session.measure(str(cell), options.replicate)


def _write(out: Path | None, outcome: Outcome) -> None:
    if out is not None:
        replace_text(out, json.dumps(document(outcome), allow_nan=False, default=str))
