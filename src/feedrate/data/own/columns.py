"""Say how the rows of a file lie, and sort its columns into those that can be tensors and the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from feedrate.data.field import ROW_ID, Field

__all__ = ["FileColumns", "Kind", "leave_out", "sorted_out"]

Kind: TypeAlias = Field | str
"""What a column is as a tensor, or why it cannot be one."""


@dataclass(frozen=True)
class FileColumns:
    """Say how the rows of one file lie, and which of its columns can be tensors."""

    path: Path
    format: str
    compression: str
    """`none`, or what the columns are compressed with."""
    groups: tuple[int, ...]
    """Rows of each row group, record batch or run of chunks."""
    fields: tuple[Field, ...]
    left_out: tuple[tuple[str, str], ...]
    """Names of the columns that cannot be tensors, with the reason."""


def sorted_out(kinds: dict[str, Kind], columns: Sequence[str]) -> tuple[dict[str, Field], dict[str, str]]:
    """Give fields and reasons, by name, of the columns that count: those named, or all where none is."""
    if ROW_ID in kinds:
        kinds = {**kinds, ROW_ID: "the name of the row's number in a batch"}
    kinds = {name: kind for name, kind in kinds.items() if name in columns or not columns}
    fields = {name: kind for name, kind in kinds.items() if isinstance(kind, Field)}
    return fields, {name: kind for name, kind in kinds.items() if isinstance(kind, str)}


def leave_out(fields: dict[str, Field], left_out: dict[str, str], nulls: dict[str, int]) -> None:
    """Move the columns that hold nulls to those that cannot be tensors."""
    for name, count in nulls.items():
        if count:
            del fields[name]
            left_out[name] = f"{count:,} null{'s' * (count > 1)}"
