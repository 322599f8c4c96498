"""Look into Arrow files of somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feedrate.data.field import Field
from feedrate.data.formats.arrow import opened, values_of
from feedrate.data.own.columns import FileColumns, Kind, leave_out, sorted_out

__all__ = ["kinds_of", "look", "nulls"]

_LONGEST = 60
"""Characters of a type, in words."""


def look(path: Path, columns: Sequence[str], look_for_nulls: bool) -> FileColumns:
    """Look into an Arrow file; see `feedrate.data.own.look`."""
    with pa.memory_map(str(path)) as file:
        with pa.ipc.open_file(file) as reader:
            schema = reader.schema
            codec = "none" if _is_plain(file, reader) else "lz4 or zstd"
        fields, left_out = sorted_out(kinds_of(schema), columns)
        # Rows are counted by a column: what is not asked for is not decompressed.
        read = list(fields) if look_for_nulls else list(fields)[:1]
        counts, groups = dict.fromkeys(fields, 0), []
        with opened(path, file, read or schema.names[:1], codec) as reader:
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                groups.append(batch.num_rows)
                for name in read if look_for_nulls else ():
                    counts[name] += nulls(batch.column(name))
    leave_out(fields, left_out, counts)
    return FileColumns(path, "arrow", codec, tuple(groups), tuple(fields.values()), tuple(left_out.items()))


def _is_plain(file: pa.MemoryMappedFile, reader: pa.ipc.RecordBatchFileReader) -> bool:
    """Whether buffers lie in the mapped file as they are; files do not say how they are compressed."""
    if not reader.num_record_batches:
        return True
    file.seek(0)
    whole = file.read_buffer()
    buffers = [part for column in reader.get_batch(0).columns for part in column.buffers() if part is not None]
    return all(whole.address <= part.address <= whole.address + whole.size for part in buffers if part.size)


def nulls(array: pa.Array[Any]) -> int:
    """Count the nulls of a column, those inside its lists too."""
    values, count = values_of(array), int(array.null_count)
    return count if values is array else count + int(values.null_count)


def kinds_of(schema: pa.Schema) -> dict[str, Kind]:
    """Tell what each column is as a tensor, by name."""
    return {
        name: _kind(name, schema.field(name).type) if schema.names.count(name) == 1 else "a name of several columns"
        for name in schema.names
    }


def _kind(name: str, kind: pa.DataType) -> Kind:
    shape: tuple[int, ...] = ()
    inner = kind
    while isinstance(inner, pa.FixedSizeListType):
        shape, inner = (*shape, inner.list_size), inner.value_type
    if 0 in shape:
        return "lists of no value"
    types = pa.types
    if types.is_temporal(inner) and not types.is_interval(inner):
        stored = "int64" if inner.bit_width == 64 else "int32"
    elif types.is_boolean(inner) or types.is_integer(inner) or types.is_floating(inner):
        stored = np.dtype(inner.to_pandas_dtype()).name
    else:
        return _in_words(kind)
    return Field(name, stored, stored, shape)


def _in_words(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return "a dictionary"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "lists of any length"
    text = str(kind)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
