"""Where the columns of an HDF5 file lie, as h5py tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from feedrate import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from feedrate import Field

__all__ = ["Extents", "extents"]

Extents = tuple[int, bool, bool, "NDArray[np.int64]"]
"""Rows of a chunk (0: in one piece), shuffled, deflated, int64 (chunks * 4,): first row, offset, bytes, mask."""

_FILTERS = [
    [],
    [h5py.h5z.FILTER_DEFLATE],
    [h5py.h5z.FILTER_SHUFFLE],
    [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE],
]


def extents(path: Path, fields: Iterable[Field], rows: int) -> list[Extents]:
    """Where each field's column lies.

    Raises:
        DataError: the file is missing, truncated, or not what the manifest says.
        UnavailableError: a column is stored in a way that this loader does not read.
    """
    try:
        with h5py.File(path, "r") as file:
            return [_column(path, file, field, rows) for field in fields]
    except FileNotFoundError:
        raise DataError(f"{path}: is missing; `feedrate data make --force` renews the data set") from None
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def _column(path: Path, file: h5py.File, field: Field, rows: int) -> Extents:
    column = file.get(field.name)
    if not isinstance(column, h5py.Dataset):
        raise DataError(f"{path}: no column {field.name!r}")
    if column.dtype != np.dtype(field.stored):
        raise DataError(f"{path}: column {field.name!r} holds {column.dtype} instead of {field.stored}")
    if column.shape != (rows, *field.shape):
        wanted = (rows, *field.shape)
        raise DataError(f"{path}: column {field.name!r} has shape {column.shape} instead of {wanted}")
    if column.chunks is None:
        return _in_one_piece(path, column, field)
    return _in_chunks(path, column, field)


def _in_one_piece(path: Path, column: h5py.Dataset, field: Field) -> Extents:
    offset = column.id.get_offset()
    if offset is None:
        raise UnavailableError(f"rust_prefetch: {path}: column {field.name!r} is compact or elsewhere; use threads")
    return 0, False, False, np.array([0, offset, column.id.get_storage_size(), 0], dtype=np.int64)


def _in_chunks(path: Path, column: h5py.Dataset, field: Field) -> Extents:
    created = column.id.get_create_plist()
    filters = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
    if filters not in _FILTERS or column.chunks[1:] != field.shape:
        text = f"column {field.name!r} has filters or chunks that are not read here; use threads"
        raise UnavailableError(f"rust_prefetch: {path}: {text}")
    found: list[tuple[int, int, int, int]] = []
    column.id.chunk_iter(
        lambda chunk: found.append((chunk.chunk_offset[0], chunk.byte_offset, chunk.size, chunk.filter_mask))
    )
    numbers = np.array(sorted(found), dtype=np.int64).reshape(-1)
    shuffled, deflated = h5py.h5z.FILTER_SHUFFLE in filters, h5py.h5z.FILTER_DEFLATE in filters
    return column.chunks[0], shuffled, deflated, numbers
