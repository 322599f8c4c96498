"""Parquet files, decoded with pyarrow or Polars; a field of one axis lies as that many scalar columns."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.errors import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from feedrate.field import Field
    from feedrate.formats import Chunk

__all__ = ["column_names", "read", "write"]


def column_names(field: Field) -> list[str]:
    """Columns of the file that make up `field`: `y1`, or `f000`, `f001`, ..."""
    return [f"{field.name}{index:03d}" for index in range(field.shape[0])] if field.shape else [field.name]


def write(
    path: Path, fields: Sequence[Field], groups: Sequence[int], chunks: Iterable[Chunk], storage: Mapping[str, str]
) -> None:
    """Write one row group a chunk. `storage`: `compression` zstd, lz4, snappy or none."""
    del groups
    names = [name for field in fields for name in column_names(field)]
    types = [pa.from_numpy_dtype(np.dtype(field.stored)) for field in fields for _ in column_names(field)]
    schema = pa.schema(list(zip(names, types, strict=True)))
    compression: Any = storage["compression"]
    with pq.ParquetWriter(path, schema, compression=compression, use_dictionary=False) as out:
        for chunk in chunks:
            arrays = [pa.array(np.ascontiguousarray(column)) for field in fields for column in _split(field, chunk)]
            out.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=max(1, len(arrays[0])))


def _split(field: Field, chunk: Chunk) -> list[NDArray[np.generic]]:
    values = chunk[field.name]
    return list(np.ascontiguousarray(values.T)) if field.shape else [values]


def read(
    path: Path, fields: Sequence[Field], groups: Sequence[int], start: int, stop: int, reader: str
) -> dict[str, torch.Tensor]:
    """See `FormatReader`; `reader` is `pyarrow` or `polars`."""
    wanted = [name for field in fields for name in column_names(field)]
    decode = _with_polars if reader == "polars" else _with_pyarrow
    columns = decode(path, wanted, groups, start, stop)
    return {field.name: _tensor(path, field, columns) for field in fields}


def _with_pyarrow(
    path: Path, wanted: list[str], groups: Sequence[int], start: int, stop: int
) -> dict[str, NDArray[np.generic]]:
    ends = list(accumulate(groups))
    with pq.ParquetFile(path, memory_map=True) as file:
        _demand_columns(path, wanted, file.schema_arrow.names)
        if file.metadata.num_row_groups != len(groups):
            raise DataError(f"{path}: {file.metadata.num_row_groups} row groups instead of {len(groups)}")
        first, last = bisect_right(ends, start), bisect_right(ends, stop - 1)
        table = file.read_row_groups(list(range(first, last + 1)), columns=wanted)
    base = ends[first] - groups[first]
    table = table.slice(start - base, stop - start)
    return {name: table.column(name).to_numpy() for name in wanted}


def _with_polars(
    path: Path, wanted: list[str], groups: Sequence[int], start: int, stop: int
) -> dict[str, NDArray[np.generic]]:
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise UnavailableError("reader=polars: Polars is not installed; `pip install polars` provides it") from None
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        frame = pl.scan_parquet(path).select(wanted).slice(start, stop - start).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot read rows {start} to {stop} ({str(error).splitlines()[0]})") from error
    return {name: frame[name].to_numpy() for name in wanted}


def _demand_columns(path: Path, wanted: list[str], found: list[str]) -> None:
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}")


def _tensor(path: Path, field: Field, columns: Mapping[str, NDArray[np.generic]]) -> torch.Tensor:
    """The field as a tensor (R, *shape) of its own memory."""
    import torch

    parts = [columns[name] for name in column_names(field)]
    for part in parts:
        if part.dtype != np.dtype(field.stored):
            raise DataError(f"{path}: column {field.name!r} holds {part.dtype} instead of {field.stored}")
    values = np.empty((len(parts[0]), len(parts)), dtype=field.stored) if field.shape else parts[0].copy()
    for index, part in enumerate(parts if field.shape else ()):
        values[:, index] = part
    tensor = torch.from_numpy(values)
    return tensor.view(torch.int64) if tensor.dtype == torch.uint64 else tensor
