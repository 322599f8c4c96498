"""Arrow IPC files: list or fixed-size-list columns, several record batches, LZ4, zstd or plain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from feedrate.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from feedrate.data.field import Field
    from feedrate.data.formats import Chunk, Part

__all__ = ["names", "opened", "read", "tensor", "values_of", "write"]


def write(
    path: Path, fields: Sequence[Field], groups: Sequence[int], chunks: Iterable[Chunk], storage: Mapping[str, str]
) -> None:
    """Write one record batch a chunk. `storage`: `compression` lz4, zstd or none; `lists` fixed or variable."""
    del groups
    fixed = storage["lists"] == "fixed"
    codec: Any = None if storage["compression"] == "none" else storage["compression"]
    schema = pa.schema([(field.name, _type(field, fixed)) for field in fields])
    with path.open("xb") as sink:
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.ipc.new_file(sink, schema, options=options) as out:
            for chunk in chunks:
                arrays = [_array(field, chunk[field.name], fixed=fixed) for field in fields]
                out.write_batch(pa.record_batch(arrays, schema=schema))


def _type(field: Field, fixed: bool) -> pa.DataType:
    base = pa.from_numpy_dtype(np.dtype(field.stored))
    if not field.shape:
        return base
    return pa.list_(base, field.shape[0]) if fixed else pa.list_(base)


def _array(field: Field, values: NDArray[np.generic], *, fixed: bool) -> pa.Array[Any]:
    flat: Any = pa.array(np.ascontiguousarray(values).reshape(-1))
    if field.shape:
        width = field.shape[0]
        offsets: Any = pa.array(np.arange(len(values) + 1, dtype=np.int32) * np.int32(width))
        flat = pa.FixedSizeListArray.from_arrays(flat, width) if fixed else pa.ListArray.from_arrays(offsets, flat)
    array: pa.Array[Any] = flat
    return array


def names(path: Path) -> list[str]:
    """Name the columns of a file."""
    with pa.memory_map(str(path)) as file:
        return list(pa.ipc.open_file(file).schema.names)


def read(part: Part, fields: Sequence[Field], options: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """See `FormatReader`. Tensors of uncompressed files are views of the mapped file."""
    path, groups = part.path, part.groups
    first, end, base = part.group_range()
    with (
        pa.memory_map(str(path)) as file,
        opened(path, file, [field.name for field in fields], options["compression"]) as source,
    ):
        if source.num_record_batches != len(groups):
            raise DataError(f"{path}: {source.num_record_batches} record batches instead of {len(groups)}")
        batches = [source.get_batch(index) for index in range(first, end)]
    for index, batch in enumerate(batches, first):
        if batch.num_rows != groups[index]:
            raise DataError(f"{path}: record batch {index} has {batch.num_rows} rows instead of {groups[index]}")
    rows = slice(part.start - base, part.stop - base)
    return {field.name: tensor(path, field, [batch.column(field.name) for batch in batches])[rows] for field in fields}


def opened(
    path: Path, file: pa.MemoryMappedFile, columns: Sequence[str], compression: str
) -> pa.ipc.RecordBatchFileReader:
    """Give a reader that decompresses no other columns than those."""
    source = pa.ipc.open_file(file)
    names = source.schema.names
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}")
    if compression == "none":
        # Arrow copies what it selects; all columns at once stay views of the mapped file.
        return source
    wanted = [names.index(name) for name in columns]
    # Threads of Arrow's own would be counted as the loader's.
    return pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=wanted, use_threads=False))


def tensor(path: Path, field: Field, arrays: Sequence[pa.Array[Any]]) -> torch.Tensor:
    """Give a column as a tensor (R, *shape), one array after the other; of a single one it shares the memory."""
    import torch

    parts = [_flat(path, field, array) for array in arrays]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _flat(path: Path, field: Field, column: pa.Array[Any]) -> torch.Tensor:
    """The column as a tensor (R, *shape) that shares its memory, save for bits that become bytes."""
    import torch
    import torch.utils.dlpack

    if isinstance(column, pa.ListArray):
        _demand_width(path, field, column)
    nulls, values = column.null_count, values_of(column)
    nulls += values.null_count if values is not column else 0
    if nulls:
        raise DataError(f"{path}: column {field.name!r} has {nulls} nulls")
    if values.type != pa.from_numpy_dtype(np.dtype(field.stored)):
        raise DataError(f"{path}: column {field.name!r} holds {values.type} instead of {field.stored}")
    if pa.types.is_boolean(values.type):
        return torch.from_numpy(values.to_numpy(zero_copy_only=False)).view(len(column), *field.shape)
    tensor = torch.utils.dlpack.from_dlpack(values)
    if tensor.dtype == torch.uint64:
        tensor = tensor.view(torch.int64)
    return tensor.view(len(column), *field.shape)


def values_of(column: pa.Array[Any]) -> Any:
    """Give the values of a column, lists taken apart, and times as the integers that they are stored as."""
    values: Any = column
    while isinstance(values, pa.ListArray | pa.FixedSizeListArray):
        values = values.flatten()
    if pa.types.is_temporal(values.type):
        values = values.view(pa.int64() if values.type.bit_width == 64 else pa.int32())
    return values


def _demand_width(path: Path, field: Field, column: pa.ListArray[Any]) -> None:
    width = field.shape[0] if field.shape else 1
    widths = np.diff(column.offsets.to_numpy())
    wrong = np.flatnonzero(widths != width)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"{path}: row {row} of column {field.name!r} has {widths[row]} values instead of {width}")
