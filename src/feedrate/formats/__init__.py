"""Storage formats: how rows lie in a file, and the one source that reads them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from feedrate.errors import DataError, FeedrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from feedrate.batch import Columns
    from feedrate.field import Field
    from feedrate.plan import Block, Plan

    Chunk = Mapping[str, NDArray[np.generic]]
    Writer = Callable[[Path, Sequence[Field], Sequence[int], Iterable[Chunk], Mapping[str, str]], None]

__all__ = ["FileSource", "FormatReader", "Part", "writer"]


class Part(NamedTuple):
    """Rows `start` to `stop` of one file, which holds `groups` rows in each record batch, row group or range."""

    path: Path
    groups: Sequence[int]
    start: int
    stop: int

    def group_range(self) -> tuple[int, int, int]:
        """First group that is needed, the one after the last, and the rows before the first."""
        ends = list(accumulate(self.groups))
        first, last = bisect_right(ends, self.start), bisect_right(ends, self.stop - 1)
        return first, last + 1, ends[first] - self.groups[first]


class FormatReader(Protocol):
    """Decodes rows of one file; stateless, so that threads may share it."""

    def __call__(self, part: Part, fields: Sequence[Field], options: Mapping[str, str]) -> dict[str, torch.Tensor]:
        """The rows by column, in stored dtypes. `options`: the storage's, and `reader`, a library."""


def _module(name: str) -> object:
    try:
        return import_module(f"feedrate.formats.{name}")
    except ModuleNotFoundError:
        raise DataError(f"no storage format {name!r}; there are 'arrow', 'hdf5', 'parquet'") from None


def writer(name: str) -> Writer:
    """The function that writes one shard in that format."""
    found: Writer = _module(name).write  # type: ignore[attr-defined]
    return found


class FileSource:
    """Reads the blocks of a plan from the data set's files; every read opens and closes the files it needs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._read: FormatReader = _module(plan.data.format).read  # type: ignore[attr-defined]
        wanted = {field.source for field in plan.fields}
        self._options = {**plan.data.storage, "reader": plan.reader}
        self._fields = tuple(field for field in plan.data.fields if field.name in wanted)

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        parts = [self._part(*place) for place in self._plan.data.locate(block.start, block.stop)]
        return self._plan.columns(parts[0] if len(parts) == 1 else _joined(parts), block)

    def _part(self, shard: int, start: int, stop: int) -> dict[str, torch.Tensor]:
        data = self._plan.data
        path = data.path(shard)
        part = Part(path, data.shards[shard].groups, start, stop)
        try:
            tensors = self._read(part, self._fields, self._options)
        except FeedrateError:
            raise
        except FileNotFoundError:
            raise DataError(f"{path}: is missing; `feedrate data make --force` renews the data set") from None
        except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
            raise DataError(f"{path}: cannot read rows {start} to {stop} ({_line(error)})") from error
        _demand_shapes(path, self._fields, tensors, stop - start)
        return tensors


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _joined(parts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    import torch

    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _demand_shapes(path: Path, fields: Sequence[Field], tensors: Mapping[str, torch.Tensor], rows: int) -> None:
    for field in fields:
        found = tuple(tensors[field.name].shape)
        if found != (rows, *field.shape):
            raise DataError(f"{path}: column {field.name!r} has shape {found} instead of {(rows, *field.shape)}")
        if str(tensors[field.name].dtype).removeprefix("torch.") != field.dtype("device"):
            raise DataError(f"{path}: column {field.name!r} is {tensors[field.name].dtype} instead of {field.stored}")
