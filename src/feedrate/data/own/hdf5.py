"""Look into HDF5 files of somebody else's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import h5py

from feedrate.data.field import STORED, Field
from feedrate.data.own.columns import FileColumns, Kind, sorted_out
from feedrate.errors import DataError

__all__ = ["look"]

_RANGE_BYTES = 1 << 20
"""Of the rows of a group: whole chunks, as far as there are some; a chunk for each row would be a million groups."""
_LONGEST = 60
"""Characters of a type, in words."""


def look(path: Path, columns: Sequence[str], look_for_nulls: bool) -> FileColumns:
    """Look into an HDF5 file; see `feedrate.data.own.look`."""
    # An array of numbers has no nulls.
    del look_for_nulls
    with h5py.File(path, "r") as file:
        entries = dict(file.items())
        fields, left_out = sorted_out({name: _hdf5_kind(name, entry) for name, entry in entries.items()}, columns)
        datasets = {name: entries[name] for name in fields}
        lengths = {name: len(dataset) for name, dataset in datasets.items()}
        _demand_one_length(path, lengths)
        rows = max(lengths.values(), default=0)
        groups = tuple(_ranges(rows, max((_range_rows(each) for each in datasets.values()), default=1)))
        codec = next((dataset.compression for dataset in datasets.values() if dataset.compression), "none")
    # Of a file without any column to read its emptiness is not the fault.
    return FileColumns(
        path, "hdf5", codec, groups or (int(not fields),), tuple(fields.values()), tuple(left_out.items())
    )


def _hdf5_kind(name: str, entry: object) -> Kind:
    if not isinstance(entry, h5py.Dataset):
        return "a group: datasets are read at the top alone"
    dtype = entry.dtype
    if dtype.name not in STORED:
        return "text" if h5py.check_string_dtype(dtype) else str(dtype)[:_LONGEST]
    if not dtype.isnative:
        return f"{dtype.name} in the byte order of other machines"
    if not entry.shape:
        return "a single value"
    return "rows of no value" if 0 in entry.shape[1:] else Field(name, dtype.name, dtype.name, tuple(entry.shape[1:]))


def _demand_one_length(path: Path, lengths: dict[str, int]) -> None:
    for (first, rows), (other, more) in pairwise(lengths.items()):
        if rows != more:
            raise DataError(
                f"{path}: {first!r} has {rows:,} rows and {other!r} has {more:,}; --columns names those of one length"
            )


def _range_rows(dataset: h5py.Dataset) -> int:
    """Rows that one read brings in without reading a chunk twice."""
    row_bytes: int = dataset.dtype.itemsize * math.prod(dataset.shape[1:])
    chunk = int(dataset.chunks[0]) if dataset.chunks else 1
    return chunk * max(1, _RANGE_BYTES // (row_bytes * chunk))


def _ranges(rows: int, step: int) -> Iterator[int]:
    for start in range(0, rows, step):
        yield min(step, rows - start)
