"""What loader and step cost each other, a line a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.report.console import plain_table, print_table
from feedrate.report.figures import ABSENT, factor, number

if TYPE_CHECKING:
    from feedrate.diagnosis import Diagnosis
    from feedrate.statistics import Estimate

__all__ = ["show_besides"]

_EXPLAINED = (
    "T_S', T_L': the step and the loader, ms a batch, while the other runs beside it and neither waits for the other",
    "-: the loader works only when it is asked, so nothing is beside the step",
)


def show_besides(console: Console, found: Sequence[Diagnosis], *, explain: bool = False) -> None:
    """Print the contention of several cells, ms a batch."""
    table = plain_table(console)
    table.add_column("ms a batch", justify="left")
    for heading in ("T_S", "T_S'", "+-", "slower by", "T_L", "T_L'", "+-", "slower by", "T_F", "verdict"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for one in found:
        table.add_row(*map(Text, _row(one)))
    print_table(console, table)
    for line in _EXPLAINED if explain else ():
        console.print(Text(line, style="dim"), soft_wrap=True)


def _row(one: Diagnosis) -> tuple[str, ...]:
    seen = one.evidence
    c_s, drained = seen.contention_s, seen.loader_beside_s
    step_beside_s = None if c_s is None else seen.step_s.mean + c_s.mean
    loader_beside_s = None if drained is None else drained.mean
    return (
        one.cell,
        *_side(seen.step_s.mean, step_beside_s, c_s),
        *_side(seen.loader_s.mean, loader_beside_s, drained),
        number(1e3 * seen.full_s.mean),
        one.verdict.kind,
    )


def _side(alone_s: float, beside_s: float | None, spread: Estimate | None) -> tuple[str, str, str, str]:
    """Milliseconds alone, and beside the other with half the interval and the factor."""
    alone = number(1e3 * alone_s)
    if beside_s is None or spread is None:
        return alone, ABSENT, ABSENT, ABSENT
    half = ABSENT if spread.half is None else number(1e3 * spread.half)
    return alone, number(1e3 * beside_s), half, factor(beside_s / alone_s)
