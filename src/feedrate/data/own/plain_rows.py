"""Read rows of files with the library of their format alone: what loaders that read files in blocks are held to."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Field

    Rows = dict[str, NDArray[np.generic]]

__all__ = ["plain_rows"]


def plain_rows(data: DataSet, fields: Sequence[Field], start: int, stop: int) -> Rows:
    """Give the columns of rows `start` to `stop` of a data set, in their stored dtypes, as (R, *shape)."""
    parts = [_read(data, fields, *place) for place in data.locate(start, stop)]
    return {field.name: np.concatenate([part[field.name] for part in parts]) for field in fields}


def _read(data: DataSet, fields: Sequence[Field], shard: int, start: int, stop: int) -> Rows:
    if data.format == "hdf5":
        import h5py

        with h5py.File(data.path(shard), "r") as file:
            return {field.name: file[field.name][start:stop] for field in fields}
    ends = list(accumulate(data.shards[shard].groups))
    groups = [index for index, end in enumerate(ends) if end > start and end - data.shards[shard].groups[index] < stop]
    table = _table(data, shard, groups, [field.name for field in fields])
    before = ends[groups[0]] - data.shards[shard].groups[groups[0]]
    rows = table.slice(start - before, stop - start)
    return {field.name: _numbers(rows.column(field.name), field) for field in fields}


def _table(data: DataSet, shard: int, groups: Sequence[int], names: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = data.path(shard)
    if data.format == "parquet":
        with pq.ParquetFile(path) as file:
            return file.read_row_groups(groups, columns=names)
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
        return pa.Table.from_batches([reader.get_batch(index) for index in groups]).select(names)


def _numbers(column: pa.ChunkedArray[Any], field: Field) -> NDArray[np.generic]:
    import pyarrow as pa

    values: Any = column.combine_chunks()
    for _ in field.shape:
        values = values.flatten()
    if pa.types.is_temporal(values.type):
        values = values.cast(field.stored)
    numbers = np.asarray(values.to_numpy(zero_copy_only=False))
    return numbers.reshape(len(column), *field.shape)
