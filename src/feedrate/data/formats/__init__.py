"""Storage formats: how rows lie in a file, and how they are read from it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, cast

from feedrate.errors import DataError, FeedrateError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from feedrate.data.field import Field

    Chunk = Mapping[str, NDArray[np.generic]]
    Writer = Callable[[Path, Sequence[Field], Sequence[int], Iterable[Chunk], Mapping[str, str]], None]

__all__ = [
    "FORMATS",
    "OPAQUE",
    "FormatReader",
    "KeptReader",
    "Part",
    "kept_files",
    "rows_read",
    "strange_columns",
    "writer",
]

FORMATS = ("arrow", "hdf5", "parquet")
OPAQUE = ("feather", "jpeg")
"""Formats of files that only the data set of a workload reads."""


T = TypeVar("T")
_UNREADABLE = (
    *(OSError, ValueError, LookupError, RuntimeError),
    *(AttributeError, TypeError, ArithmeticError, MemoryError),
)
"""What libraries raise over a file that is not what they were told."""


_RENEW = "; `feedrate data make --force` renews the data set"
"""The way out where files are feedrate's own."""


class Part(NamedTuple):
    """Rows `start` to `stop` of one file, which holds `groups` rows in each record batch, row group or range."""

    path: Path
    groups: Sequence[int]
    start: int
    stop: int

    def group_range(self) -> tuple[int, int, int]:
        """Give the first group that is needed, the one after the last, and the rows before the first."""
        ends = list(accumulate(self.groups))
        first, last = bisect_right(ends, self.start), bisect_right(ends, self.stop - 1)
        return first, last + 1, ends[first] - self.groups[first]


class FormatReader(Protocol):
    """Decodes rows of one file; stateless, so that threads may share it."""

    def __call__(self, part: Part, fields: Sequence[Field], options: Mapping[str, str]) -> dict[str, torch.Tensor]:
        """The rows by column, in stored dtypes. `options`: the storage's, and `reader`, a library."""


class KeptReader(FormatReader, Protocol):
    """The same, from files that stay open until `close`; for the threads of one process."""

    def close(self) -> None:
        """Close all files; nobody may be reading."""


class _FormatModule(Protocol):
    """What each module of this package offers."""

    write: Writer
    names: Callable[[Path], list[str]]
    """Columns of a file."""
    read: FormatReader


def _module(name: str) -> _FormatModule:
    if name not in FORMATS:
        raise DataError(f"no storage format {name!r}; there are {', '.join(map(repr, FORMATS))}")
    return cast("_FormatModule", import_module(f"feedrate.data.formats.{name}"))


def writer(name: str) -> Writer:
    """Give the function that writes one shard in that format."""
    return _module(name).write


def strange_columns(name: str, path: Path, fields: Sequence[Field]) -> list[str]:
    """Name the columns of a file in that format that no field names."""
    names = _module(name).names
    known: Callable[[Field], list[str]] = getattr(_module(name), "column_names", lambda field: [field.name])
    return sorted(
        set(_read(path, "its columns", lambda: names(path))) - {own for field in fields for own in known(field)}
    )


def kept_files(name: str) -> KeptReader:
    """Give what reads files in that format and leaves them open.

    Raises:
        UnavailableError: of that format none are kept open.
    """
    make: Callable[[], KeptReader] | None = getattr(_module(name), "KeptFiles", None)
    if make is None:
        raise UnavailableError(f"{name} files are opened for each read; none are kept open")
    return make()


def rows_read(
    name: str,
    part: Part,
    fields: Sequence[Field],
    options: Mapping[str, str],
    reader: FormatReader | None = None,
) -> dict[str, torch.Tensor]:
    """Read rows of one file in that format, of the shapes and dtypes that the fields say.

    `reader`: reads from files that are kept open; None: each read opens the file and closes it.

    Raises:
        DataError: the file is missing, damaged, or holds something else.
    """
    read = reader or _module(name).read
    rows, way_out = f"rows {part.start} to {part.stop}", "" if options.get("axes") == "lists" else _RENEW
    tensors = _read(part.path, rows, lambda: read(part, fields, options), way_out)
    _demand_shapes(part.path, fields, tensors, part.stop - part.start)
    return tensors


def _read(path: Path, what: str, read: Callable[[], T], way_out: str = _RENEW) -> T:
    try:
        return read()
    except FeedrateError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: is missing{way_out}") from None
    except _UNREADABLE as error:
        raise DataError(f"{path}: cannot read {what} ({_line(error)})") from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _demand_shapes(path: Path, fields: Sequence[Field], tensors: Mapping[str, torch.Tensor], rows: int) -> None:
    for field in fields:
        actual = tuple(tensors[field.name].shape)
        if actual != (rows, *field.shape):
            raise DataError(f"{path}: column {field.name!r} has shape {actual} instead of {(rows, *field.shape)}")
        if str(tensors[field.name].dtype).removeprefix("torch.") != field.dtype("device"):
            raise DataError(f"{path}: column {field.name!r} is {tensors[field.name].dtype} instead of {field.stored}")
