"""Look into a file that feedrate did not write: which of its columns can be tensors, and why others cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from feedrate.data.own.columns import FileColumns
from feedrate.errors import DataError, FeedrateError, one_line

__all__ = ["looked_into"]

_BEGINNINGS = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\x89HDF\r\n\x1a\n": "hdf5"}
"""First bytes of the files that are read."""
_STREAM = b"\xff\xff\xff\xff"
"""First bytes of an Arrow stream, which has no footer that says where its record batches lie."""


class _Format(Protocol):
    """What a module of this package offers for each format."""

    look: Callable[[Path, Sequence[str], bool], FileColumns]


def looked_into(path: Path, columns: Sequence[str], *, look_for_nulls: bool) -> FileColumns:
    """Look into a file; `columns`: those that count, all where none is named.

    `look_for_nulls`: decode what may hold nulls, unless the file says that it holds none.

    Raises:
        DataError: it cannot be read, or holds none of these formats, or no rows.
    """
    kind = _format(path)
    try:
        file = cast("_Format", import_module(f"feedrate.data.own.{kind}")).look(path, columns, look_for_nulls)
    except FeedrateError:
        raise
    # Libraries raise anything over a file that is damaged.
    except Exception as error:
        raise DataError(f"{path}: cannot be read as {kind} ({one_line(error)})") from None
    if not sum(file.groups):
        raise DataError(f"{path}: holds no rows; leave it away")
    return file


def _format(path: Path) -> str:
    """Tell a file's format by its first bytes: a name may say anything.

    Raises:
        DataError: it is none of those that are read.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not beginning:
        raise DataError(f"{path}: is empty; leave it away")
    if beginning.startswith(_STREAM):
        raise DataError(f"{path}: is an Arrow stream, and streams have no footer; write it with pyarrow.ipc.new_file")
    for start, kind in _BEGINNINGS.items():
        if beginning.startswith(start):
            return kind
    raise DataError(f"{path}: is no file of Parquet, Arrow (Feather 2) or HDF5")
