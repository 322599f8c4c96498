"""Open a data set: a folder of shards and the manifest that says what they hold."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from feedrate.data.formats import OPAQUE, Part, rows_read, strange_columns
from feedrate.data.manifest import Manifest
from feedrate.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from feedrate.data.field import Field
    from feedrate.data.manifest import Shard

__all__ = ["DataSet", "DataSetSpec", "digest"]


class DataSetSpec(Protocol):
    """What it takes to write a data set; a workload at one size. It must survive pickling."""

    @property
    def identity(self) -> Mapping[str, str]:
        """Everything that the content of the files depends on."""

    @property
    def format(self) -> str:
        """Storage format: `arrow`, `parquet` or `hdf5`."""

    @property
    def storage(self) -> Mapping[str, str]:
        """Options of the format, such as its compression."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The stored columns."""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Rows of each group (record batch, row group, chunk of a write) of each shard."""

    def rows(self, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Give the content of rows `start` to `stop`, by column: a pure function of its arguments."""

    def write_shard(self, path: Path, number: int, start: int) -> None:
        """Write the file of that number, whose first row is `start`, to a new `path`."""


@dataclass(frozen=True)
class DataSet:
    """An opened folder of shards; rows are numbered through all shards, and row n carries the id n."""

    folder: Path
    format: str
    identity: Mapping[str, str]
    storage: Mapping[str, str]
    fields: tuple[Field, ...]
    shards: tuple[Shard, ...]
    stores_ids: bool = True
    """Row ids lie in the files, as the first field; False: in no file, and whoever reads row n gives it the id n."""

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Row number after the last row of each shard."""
        return tuple(accumulate(shard.rows for shard in self.shards))

    @property
    def rows(self) -> int:
        """Rows in all shards."""
        return self.ends[-1] if self.ends else 0

    @property
    def bytes(self) -> int:
        """Bytes of all shards on disk."""
        return sum(shard.bytes for shard in self.shards)

    def path(self, shard: int) -> Path:
        """Say where a shard lies."""
        return self.folder / self.shards[shard].file

    def locate(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield (shard, first row in it, last row + 1 in it) for rows `start` to `stop`."""
        while start < stop:
            shard = bisect_right(self.ends, start)
            base = self.ends[shard] - self.shards[shard].rows
            until = min(stop, self.ends[shard])
            yield shard, start - base, until - base
            start = until

    @classmethod
    def open(cls, folder: Path, recipe: DataSetSpec | None = None) -> DataSet:
        """Open the data set in `folder`, after a look at its manifest and the sizes of its files.

        Raises:
            DataError: it is missing, unfinished, damaged or, with a `recipe`, made from another one.
        """
        manifest = Manifest.read(folder)
        data = cls(folder, manifest.format, manifest.identity, manifest.storage, manifest.fields, manifest.shards)
        if recipe is not None:
            data._demand_made_from(recipe)
        for index, shard in enumerate(data.shards):
            path = data.path(index)
            size = path.stat().st_size if path.is_file() else -1
            if size != shard.bytes:
                held = f"holds {size:,} bytes instead of {shard.bytes:,}" if size >= 0 else "is missing"
                raise DataError(f"{path}: {held}; `feedrate data make --force` renews the data set")
        return data

    def _demand_made_from(self, recipe: DataSetSpec) -> None:
        wanted, held = dict(recipe.identity), dict(self.identity)
        changed = sorted(part for part in wanted.keys() | held.keys() if wanted.get(part) != held.get(part))
        ours = (self.format, dict(self.storage), self.fields, tuple(shard.groups for shard in self.shards))
        if not changed and ours != (recipe.format, dict(recipe.storage), recipe.fields, recipe.groups):
            changed = ["layout of its files"]
        if changed:
            raise DataError(
                f"{self.folder}: made with another {', '.join(changed)}; `feedrate data make --force` renews it"
            )

    def faults(self) -> Iterator[str]:
        """Yield a line for each file that is not what was written, or not what the manifest says; reads everything."""
        first = 0
        for index, shard in enumerate(self.shards):
            path = self.path(index)
            if not path.is_file() or digest(path) != shard.digest:
                yield f"damaged: {shard.file}"
            else:
                try:
                    self._demand_told(index, first)
                except DataError as error:
                    yield f"not as the manifest says: {error}"
            first += shard.rows

    def _demand_told(self, index: int, first: int) -> None:
        """Read a file as a loader would: its columns are those of the manifest, and row n of all carries the id n.

        Of one that only the data set of a workload reads, the digest says it all.
        """
        if self.format in OPAQUE:
            return
        path, shard = self.path(index), self.shards[index]
        strange = strange_columns(self.format, path, self.fields)
        if strange:
            raise DataError(f"{path}: column {strange[0]!r} is not in the manifest")
        options, start = {**self.storage, "decoder": ""}, 0
        for rows in filter(None, shard.groups):
            columns = rows_read(self.format, Part(path, shard.groups, start, start + rows), self.fields, options)
            ids = columns[self.fields[0].name]
            if ids.tolist() != list(range(first + start, first + start + rows)):
                raise DataError(f"{path}: rows {start} to {start + rows} do not carry the ids from {first + start} on")
            start += rows

    @classmethod
    def write(cls, folder: Path, recipe: DataSetSpec, progress: Callable[[int], None] = lambda rows: None) -> DataSet:
        """Write `recipe` to `folder` with all cores; whatever happens, `folder` is whole or absent.

        `progress` is called in this process with the number of rows that each finished shard adds.

        Raises:
            DataError: the disk has too little room; nothing was written.
        """
        from feedrate.data.writer import write_folder

        write_folder(folder, recipe, progress)
        return cls.open(folder, recipe)


def digest(path: Path) -> str:
    """Hash a file with blake2b-128."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
