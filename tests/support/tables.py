"""A recipe without a workload: a small table of every dtype, in any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feedrate.data.field import Field
from feedrate.data.writer import write_rows

LISTS = Field("wide", "float32", "float32", (5,)), Field("bytes", "uint8", "float32", (3,))
ARROW = {"compression": "lz4", "lists": "fixed"}


@dataclass(frozen=True)
class Table:
    """70 rows in three files."""

    format: str = "arrow"
    storage: Mapping[str, str] = field(default_factory=lambda: dict(ARROW))
    groups: tuple[tuple[int, ...], ...] = ((10, 7, 13), (1, 9), (30,))
    fields: tuple[Field, ...] = (
        Field("row_id", "uint64", "int64"),
        Field("code", "int32", "int64"),
        Field("y", "float32", "float32"),
        *LISTS,
    )
    made_by: str = "first"

    @property
    def identity(self) -> dict[str, str]:
        return {"made by": self.made_by}

    @property
    def size(self) -> int:
        return sum(map(sum, self.groups))

    def rows(self, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        row = np.arange(start, stop)
        made: dict[str, NDArray[np.generic]] = {}
        for number, column in enumerate(self.fields):
            many = row[:, None] * 7 + np.arange(int(np.prod(column.shape))) + number
            made[column.name] = (many % 251).astype(column.stored).reshape(len(row), *column.shape)
        made["row_id"] = row.astype(np.uint64)
        made["y"] = np.where(row % 4 == 0, np.nan, row / 3).astype(np.float32)
        return made

    def write_shard(self, path: Path, number: int, start: int) -> None:
        write_rows(path, self, number, start)
