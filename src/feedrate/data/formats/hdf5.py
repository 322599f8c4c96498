"""HDF5 files: one data set a column, contiguous, chunked or gzip-compressed."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import h5py
import numpy as np

from feedrate.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import torch

    from feedrate.data.field import Field
    from feedrate.data.formats import Chunk, Part

__all__ = ["KeptFiles", "names", "read", "write"]

CHUNK_ROWS = 64
"""Rows in an HDF5 chunk, as in the source system's `(64, T, F)`."""


def write(
    path: Path, fields: Sequence[Field], groups: Sequence[int], chunks: Iterable[Chunk], storage: Mapping[str, str]
) -> None:
    """Write the columns. `storage`: `layout` contiguous, chunked or gzip."""
    with h5py.File(path, "x") as file:
        with _taken(file, path):
            columns = {field.name: _column(file, field, sum(groups), storage["layout"]) for field in fields}
        at = 0
        for chunk in chunks:
            count = len(next(iter(chunk.values())))
            with _taken(file, path):
                for name, column in columns.items():
                    column[at : at + count] = chunk[name]
            at += count
        with _taken(file, path):
            file.flush()


@contextmanager
def _taken(file: h5py.File, path: Path) -> Iterator[None]:
    """Turn HDF5's many words for a disk that takes no more into the system's own, and let the file be closed.

    Raises:
        OSError: the file system said no.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # What closing still writes goes to memory: HDF5 fails at the end of the process if it cannot.
        rest = os.memfd_create("rest")
        os.dup2(rest, file.id.get_vfd_handle())
        os.close(rest)
        matched = re.search(r"errno = (\d+)", str(error))
        number = int(matched[1]) if matched else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error


def _column(file: h5py.File, field: Field, rows: int, layout: str) -> h5py.Dataset:
    shape = (rows, *field.shape)
    if layout == "contiguous":
        return file.create_dataset(field.name, shape, field.stored)
    chunks = (min(CHUNK_ROWS, rows), *field.shape)
    gzip = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if layout == "gzip" else {}
    return file.create_dataset(field.name, shape, field.stored, chunks=chunks, **gzip)


def names(path: Path) -> list[str]:
    """Name the columns of a file."""
    with h5py.File(path, "r") as file:
        return list(file)


def read(part: Part, fields: Sequence[Field], options: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """See `FormatReader`. Opened here and closed before the return: no handle ever crosses a process."""
    del options
    with h5py.File(part.path, "r") as file:
        return _tensors(part, file, fields)


class KeptFiles:
    """Reads as `read` does, from files that stay open until `close`: for the threads of one process."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._files: dict[Path, h5py.File] = {}
        self._lock = Lock()

    def __call__(self, part: Part, fields: Sequence[Field], options: Mapping[str, str]) -> dict[str, torch.Tensor]:
        """See `FormatReader`."""
        del options
        with self._lock:
            file = self._files.get(part.path)
            if file is None:
                file = self._files[part.path] = h5py.File(part.path, "r")
        return _tensors(part, file, fields)

    def close(self) -> None:
        """Close all files; nobody may be reading."""
        with self._lock:
            files = list(self._files.values())
            self._files.clear()
        for file in files:
            file.close()


def _tensors(part: Part, file: h5py.File, fields: Sequence[Field]) -> dict[str, torch.Tensor]:
    return {field.name: _tensor(part, file, field) for field in fields}


def _tensor(part: Part, file: h5py.File, field: Field) -> torch.Tensor:
    import torch

    path, rows = part.path, sum(part.groups)
    if field.name not in file:
        raise DataError(f"{path}: no column {field.name!r}")
    column = file[field.name]
    if column.dtype != np.dtype(field.stored):
        raise DataError(f"{path}: column {field.name!r} holds {column.dtype} instead of {field.stored}")
    if column.shape[0] != rows:
        raise DataError(f"{path}: column {field.name!r} has {column.shape[0]} rows instead of {rows}")
    tensor = torch.from_numpy(column[part.start : part.stop])
    return tensor.view(torch.int64) if tensor.dtype == torch.uint64 else tensor
