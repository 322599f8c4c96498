"""Look into Parquet files of somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from feedrate.data.own.arrow import kinds_of, nulls
from feedrate.data.own.columns import FileColumns, leave_out, sorted_out

__all__ = ["look"]


def look(path: Path, columns: Sequence[str], look_for_nulls: bool) -> FileColumns:
    """Look into a Parquet file; see `feedrate.data.own.look`."""
    with pq.ParquetFile(path, memory_map=True) as file:
        about = file.metadata
        fields, left_out = sorted_out(kinds_of(file.schema_arrow), columns)
        if look_for_nulls:
            leave_out(fields, left_out, {name: _nulls(file, name) for name in fields})
        groups = [about.row_group(index) for index in range(about.num_row_groups)]
        codecs = {group.column(leaf).compression.lower() for group in groups[:1] for leaf in range(about.num_columns)}
        rows = tuple(group.num_rows for group in groups)
    codec = "/".join(sorted(codecs - {"uncompressed"})) or "none"
    return FileColumns(path, "parquet", codec, rows, tuple(fields.values()), tuple(left_out.items()))


def _nulls(file: pq.ParquetFile, name: str) -> int:
    """How many nulls a column holds; it is decoded where a row group does not say."""
    about, leaves = file.metadata, _leaves(file, name)
    if not any(file.schema.column(leaf).max_definition_level for leaf in leaves):
        return 0
    count = 0
    for index in range(about.num_row_groups):
        group = about.row_group(index)
        statistics = [group.column(leaf).statistics for leaf in leaves]
        if all(each is not None and each.has_null_count for each in statistics):
            count += sum(each.null_count for each in statistics)
        else:
            table = file.read_row_group(index, columns=[name], use_threads=False)
            count += sum(map(nulls, table.column(name).chunks))
    return count


def _leaves(file: pq.ParquetFile, name: str) -> list[int]:
    paths = [file.schema.column(leaf).path for leaf in range(file.metadata.num_columns)]
    return [leaf for leaf, path in enumerate(paths) if path == name or path.startswith(f"{name}.")]
