"""Parquet files, decoded with pyarrow or Polars; a field of one axis lies as that many scalar columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.data.formats import arrow
from feedrate.errors import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from feedrate.data.field import Field
    from feedrate.data.formats import Chunk, Part

__all__ = ["column_names", "names", "read", "write"]

_ROWS_AT_ONCE = 4_096


def column_names(field: Field) -> list[str]:
    """Name the columns of the file that make up `field`: `y1`, or `f000`, `f001`, ..."""
    return [f"{field.name}{index:03d}" for index in range(field.shape[0])] if field.shape else [field.name]


def write(
    path: Path, fields: Sequence[Field], groups: Sequence[int], chunks: Iterable[Chunk], storage: Mapping[str, str]
) -> None:
    """Write one row group a chunk. `storage`: `compression` zstd, lz4, snappy or none."""
    del groups
    columns = [name for field in fields for name in column_names(field)]
    types = [pa.from_numpy_dtype(np.dtype(field.stored)) for field in fields for _ in column_names(field)]
    schema = pa.schema(list(zip(columns, types, strict=True)))
    compression: Any = storage["compression"]
    with path.open("xb") as sink, pq.ParquetWriter(sink, schema, compression=compression, use_dictionary=False) as out:
        for chunk in chunks:
            arrays = [pa.array(np.ascontiguousarray(column)) for field in fields for column in _split(field, chunk)]
            out.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=max(1, len(arrays[0])))


def _split(field: Field, chunk: Chunk) -> list[NDArray[np.generic]]:
    values = chunk[field.name]
    return list(np.ascontiguousarray(values.T)) if field.shape else [values]


def names(path: Path) -> list[str]:
    """Name the columns of a file."""
    with pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


def read(part: Part, fields: Sequence[Field], options: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """See `FormatReader`; `options["decoder"]` is `pyarrow` or `polars`.

    `options["axes"]`: `lists` where a field of some axes is one column of lists of a fixed size.
    """
    if options.get("axes") == "lists":
        table = _table(part, [field.name for field in fields])
        return {field.name: arrow.tensor(part.path, field, table.column(field.name).chunks) for field in fields}
    wanted = [name for field in fields for name in column_names(field)]
    decode = _with_polars if options["decoder"] == "polars" else _with_pyarrow
    columns = decode(part, wanted)
    return {field.name: _tensor(part.path, field, columns) for field in fields}


def _with_pyarrow(part: Part, wanted: list[str]) -> dict[str, NDArray[np.generic]]:
    table = _table(part, wanted)
    return {name: table.column(name).to_numpy() for name in wanted}


def _table(part: Part, wanted: list[str]) -> pa.Table:
    first, end, base = part.group_range()
    with pq.ParquetFile(part.path, memory_map=True) as file:
        _demand_columns(part.path, wanted, file.schema_arrow.names)
        group_rows = tuple(file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups))
        if group_rows != tuple(part.groups):
            raise DataError(f"{part.path}: row groups of {group_rows} rows instead of {tuple(part.groups)}")
        # Threads of Arrow's own would be counted as the loader's.
        table = file.read_row_groups(list(range(first, end)), columns=wanted, use_threads=False)
    return table.slice(part.start - base, part.stop - part.start)


def _with_polars(part: Part, wanted: list[str]) -> dict[str, NDArray[np.generic]]:
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise UnavailableError("reader=polars: Polars is not installed; `pip install polars` provides it") from None
    if not part.path.exists():
        raise FileNotFoundError(part.path)
    try:
        frame = pl.scan_parquet(part.path).select(wanted).slice(part.start, part.stop - part.start).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{part.path}: cannot be read by Polars ({str(error).splitlines()[0]})") from error
    return {name: frame[name].to_numpy() for name in wanted}


def _demand_columns(path: Path, wanted: list[str], held: list[str]) -> None:
    missing = sorted(set(wanted) - set(held))
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}")


def _tensor(path: Path, field: Field, columns: Mapping[str, NDArray[np.generic]]) -> torch.Tensor:
    """The field as a tensor (R, *shape) of its own memory."""
    import torch

    parts = [columns[name] for name in column_names(field)]
    for part in parts:
        if part.dtype != np.dtype(field.stored):
            raise DataError(f"{path}: column {field.name!r} holds {part.dtype} instead of {field.stored}")
    values = _side_by_side(parts) if field.shape else parts[0].copy()
    tensor = torch.from_numpy(values)
    return tensor.view(torch.int64) if tensor.dtype == torch.uint64 else tensor


def _side_by_side(parts: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """The columns as a table (R, columns), a few rows at a time: five times faster than a whole column at a time."""
    values = np.empty((len(parts[0]), len(parts)), dtype=parts[0].dtype)
    for low in range(0, len(values), _ROWS_AT_ONCE):
        rows = slice(low, low + _ROWS_AT_ONCE)
        for index, part in enumerate(parts):
            values[rows, index] = part[rows]
    return values
