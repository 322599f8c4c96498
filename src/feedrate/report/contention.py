"""Print what loader and step cost each other, a line a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT, bare_ms, factor
from feedrate.report.glossary import explained
from feedrate.report.grid import Column, Row, leaving, print_grid

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.records.estimate import Estimate

__all__ = ["show_besides"]

_COLUMNS = (
    Column("ms a batch"),
    *(Column("T_S", right=True), Column("T_S'", right=True, leaves=4)),
    *(Column("+-", right=True, leaves=1), Column("slower by", right=True)),
    *(Column("T_L", right=True), Column("T_L'", right=True, leaves=3)),
    *(Column("+-", right=True, leaves=1), Column("slower by", right=True)),
    *(Column("T_F", right=True, leaves=2), Column("verdict")),
)


def show_besides(console: Console, diagnoses: Sequence[Diagnosis], *, explain: bool = False) -> None:
    """Print the contention of several cells, ms a batch."""
    print_grid(console, _COLUMNS, [Row(_row(diagnosis)) for diagnosis in diagnoses])
    if explain:
        headings = [column.heading for column in _COLUMNS if column.heading != "verdict"]
        for heading, meaning in explained([*headings, *(diagnosis.verdict.kind for diagnosis in diagnoses)]):
            console.print(Text(f"{heading:>12}  {meaning}", style="dim"), soft_wrap=True)
        order = f"on a narrow terminal these are left out first: {leaving(_COLUMNS)}"
        console.print(Text(order, style="dim"), soft_wrap=True)


def _row(diagnosis: Diagnosis) -> tuple[str, ...]:
    evidence = diagnosis.evidence
    step_loss_s, loader_s = evidence.contention_s, evidence.loader_beside_s
    step_beside_s = None if step_loss_s is None else evidence.step_s.mean + step_loss_s.mean
    loader_beside_s = None if loader_s is None else loader_s.mean
    return (
        diagnosis.cell,
        *_side(evidence.step_s.mean, step_beside_s, step_loss_s),
        *_side(evidence.loader_s.mean, loader_beside_s, loader_s),
        bare_ms(evidence.full_s.mean),
        diagnosis.verdict.kind,
    )


def _side(alone_s: float, beside_s: float | None, spread: Estimate | None) -> tuple[str, str, str, str]:
    """Format milliseconds alone, and beside the other with half the interval and the factor."""
    alone = bare_ms(alone_s)
    if beside_s is None or spread is None:
        return alone, ABSENT, ABSENT, ABSENT
    half = bare_ms(spread.half)
    return alone, bare_ms(beside_s), half, factor(beside_s / alone_s)
