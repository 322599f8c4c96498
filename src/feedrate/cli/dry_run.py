"""`--dry-run`: print what would be measured, and with which settings."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence

from feedrate.api.resolved import Origins
from feedrate.api.session import Session
from feedrate.cli.context import CommandContext
from feedrate.plugin.cell import Cell

__all__ = ["show_settings"]


def show_settings(
    session: Session,
    cells: Sequence[Cell],
    specs: Mapping[str, Sequence[str]],
    options: Namespace,
    shell: CommandContext,
) -> int:
    """Print the settings of cells: 0. `specs`: texts that named them, by family."""
    session.resources.complain()
    result = session.resolve(cells, replicates=options.replicates, origins=Origins(options.origins, specs))
    if options.json:
        shell.print_json(result.as_json())
    else:
        result.show(shell.out, explain=options.explain)
    return 0
