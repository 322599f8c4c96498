"""`feedrate why CELL --since COMMIT`: say what moved."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.api.session import Session
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.plugin.cell import Cell

__all__ = ["since"]


def since(
    session: Session,
    cell: Cell | Sequence[str],
    commit: str,
    shell: CommandContext,
    *,
    pairs: int,
    budget_s: float,
    replicates: int | None,
    as_json: bool,
) -> int:
    """Measure the cell here and at a commit, side by side, and say what moved: 0 done, 1 INVALID, or what ended it.

    `cell`: or the words of a command that trains.
    """
    with ending(shell, lambda: session.outcomes) as end:
        if isinstance(cell, Cell):
            session.changed_since(cell, commit, pairs=pairs, budget_s=budget_s, replicates=replicates)
        else:
            session.command_changed_since(cell, commit, pairs=pairs, budget_s=budget_s)
    change = session.change
    if change is None:
        return end.status
    if as_json:
        shell.print_json(change.as_json())
    else:
        change.show(shell.out)
    return end.status or int(change.kind == "invalid")
