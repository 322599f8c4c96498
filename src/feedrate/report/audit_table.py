"""Print what all values of the columns of data sets come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from feedrate.formatting import share
from feedrate.report.grid import Column, Row, print_grid

if TYPE_CHECKING:
    from feedrate.data.audit import ColumnAudit

__all__ = ["AUDIT_COLUMNS", "print_audits"]

AUDIT_COLUMNS = (
    *(Column("data set"), Column("column"), Column("dtype", leaves=1), Column("shape", leaves=2)),
    *(Column("missing", right=True), Column("most missing", right=True, leaves=3), Column("infinite", right=True)),
    Column("constant", right=True),
)


def print_audits(console: Console, audits: Mapping[str, Sequence[ColumnAudit]]) -> None:
    """Print a line for each column of each data set, by name."""
    lines = [Row((name, *_texts(column))) for name, columns in audits.items() for column in columns]
    if lines:
        console.print()
        print_grid(console, AUDIT_COLUMNS, lines)


def _texts(column: ColumnAudit) -> tuple[str, ...]:
    shape = " x ".join("?" if length is None else f"{length:,}" for length in column.shape)
    shares = (share(column.missing), share(column.most_missing), share(column.infinite))
    return column.name, column.dtype, shape or "one", *shares, _constant(column)


def _constant(column: ColumnAudit) -> str:
    if not column.constant:
        return "no"
    return "yes" if column.constant == column.places else f"{column.constant:,} of {column.places:,}"
