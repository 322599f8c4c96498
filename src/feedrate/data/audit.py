"""Look at every value of a data set, block by block: what is missing, infinite, or the same in all rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feedrate.data.formats import OPAQUE, Part, rows_read
from feedrate.errors import UnavailableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feedrate.data.dataset import DataSet

    Values = NDArray[np.generic]

__all__ = ["ColumnAudit", "audited", "stored_blocks"]


@dataclass(frozen=True)
class ColumnAudit:
    """Hold what all values of one column come to."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    """Of one row; None: an axis whose length differs from row to row."""
    rows: int
    missing: float
    """Share of the values that are NaN."""
    most_missing: float
    """The same of the place in a row that lacks most; of rows of unlike shapes, of all of them."""
    infinite: float
    """Share of the values that are infinite."""
    constant: int
    """Places of a row that hold the same in all rows, NaN being NaN; 0 where rows are of unlike shapes, or one row."""

    @property
    def places(self) -> int:
        """Values in one row; 1 where that differs."""
        return math.prod(length for length in self.shape if length is not None)


def audited(blocks: Iterable[Mapping[str, Values]]) -> tuple[ColumnAudit, ...]:
    """Sum up each column over blocks of rows, (R, *shape) by name; it holds a block and a few counts for each place."""
    tallies: dict[str, _Tally] = {}
    for block in blocks:
        for name, values in block.items():
            tallies.setdefault(name, _Tally(name, values)).add(values)
    return tuple(tally.audit() for tally in tallies.values())


def stored_blocks(data: DataSet) -> Iterator[Mapping[str, Values]]:
    """Yield the columns of each record batch, row group or range of every file.

    Raises:
        UnavailableError: only the data set of its workload reads these files.
        DataError: a file is missing, damaged or holds something else.
    """
    if data.format in OPAQUE:
        raise UnavailableError(f"{data.folder}: only its workload reads files of {data.format}")
    options = {**data.storage, "decoder": ""}
    for index, shard in enumerate(data.shards):
        start = 0
        for rows in filter(None, shard.groups):
            part = Part(data.path(index), shard.groups, start, start + rows)
            tensors = rows_read(data.format, part, data.fields, options)
            # Row ids are read as int64, whatever they are stored as.
            yield {field.name: tensors[field.name].numpy().view(field.stored) for field in data.fields}
            start += rows


class _Tally:
    """Counts of one column so far, at each place of a row while all rows have one shape."""

    def __init__(self, name: str, values: Values) -> None:
        self._name, self._dtype, self._shape = name, str(values.dtype), values.shape[1:]
        self._rows = self._values = 0
        self._first = values[:1].copy()
        self._missing, self._infinite = np.zeros(self._shape, np.int64), np.zeros(self._shape, np.int64)
        self._changes = np.zeros(self._shape, np.bool_)
        self._lengths: tuple[int | None, ...] = self._shape

    def add(self, values: Values) -> None:
        """Count a block of rows."""
        if values.shape[1:] != self._shape:
            self._flatten(values.shape[1:])
        self._rows, self._values = self._rows + len(values), self._values + values.size
        is_nan, is_infinite = _unusable(values)
        if self._is_ragged:
            self._missing, self._infinite = self._missing + is_nan.sum(), self._infinite + is_infinite.sum()
            return
        self._missing, self._infinite = self._missing + is_nan.sum(axis=0), self._infinite + is_infinite.sum(axis=0)
        first_is_nan, _ = _unusable(self._first)
        self._changes |= ((values != self._first) & ~(is_nan & first_is_nan)).any(axis=0)

    @property
    def _is_ragged(self) -> bool:
        return None in self._lengths

    def _flatten(self, shape: tuple[int, ...]) -> None:
        """Go on without places: rows are of unlike shapes."""
        self._lengths = tuple(here if here == there else None for here, there in zip(self._lengths, shape, strict=True))
        self._missing, self._infinite = self._missing.sum(), self._infinite.sum()

    def audit(self) -> ColumnAudit:
        """Sum up."""
        total, each = max(1, self._values), max(1, self._values if self._is_ragged else self._rows)
        is_told = self._rows > 1 and not self._is_ragged
        return ColumnAudit(
            name=self._name,
            dtype=self._dtype,
            shape=self._lengths,
            rows=self._rows,
            missing=float(self._missing.sum() / total),
            most_missing=float(self._missing.max(initial=0) / each),
            infinite=float(self._infinite.sum() / total),
            constant=int((~self._changes).sum()) if is_told else 0,
        )


def _unusable(values: Values) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell where values are NaN, and where infinite; whole numbers are neither."""
    if not np.issubdtype(values.dtype, np.floating):
        nowhere = np.zeros(values.shape, np.bool_)
        return nowhere, nowhere
    return np.isnan(values), np.isinf(values)
