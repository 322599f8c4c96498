"""A data set: a folder of shards and the manifest that says what they hold."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from feedrate.errors import DataError
from feedrate.field import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DataSet", "Recipe", "Shard"]

MANIFEST = "manifest.json"


class Recipe(Protocol):
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
        """The content of rows `start` to `stop`, by column: a pure function of its arguments."""


@dataclass(frozen=True)
class Shard:
    """One file of a data set."""

    file: str
    groups: tuple[int, ...]
    """Rows of each record batch, row group or range that was written at once."""
    bytes: int
    digest: str
    """blake2b-128 of the file."""

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return sum(self.groups)


@dataclass(frozen=True)
class DataSet:
    """An opened folder of shards; rows are numbered through all shards, and row n carries the id n."""

    folder: Path
    format: str
    identity: Mapping[str, str]
    storage: Mapping[str, str]
    fields: tuple[Field, ...]
    shards: tuple[Shard, ...]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Row number after the last row of each shard."""
        return tuple(accumulate(shard.rows for shard in self.shards))

    @property
    def rows(self) -> int:
        """Rows in all shards."""
        return self.ends[-1]

    @property
    def bytes(self) -> int:
        """Bytes of all shards on disk."""
        return sum(shard.bytes for shard in self.shards)

    def path(self, shard: int) -> Path:
        """Where a shard lies."""
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
    def open(cls, folder: Path, recipe: Recipe | None = None) -> DataSet:
        """The data set in `folder`, after a look at its manifest and the sizes of its files.

        Raises:
            DataError: it is missing, unfinished, damaged or, with a `recipe`, made from another one.
        """
        data = cls._read(folder)
        if recipe is not None and dict(recipe.identity) != dict(data.identity):
            changed = sorted(k for k in recipe.identity if recipe.identity[k] != data.identity.get(k))
            raise DataError(f"{folder}: made with another {', '.join(changed)}; `feedrate data make --force` renews it")
        for index, shard in enumerate(data.shards):
            path = data.path(index)
            size = path.stat().st_size if path.exists() else -1
            if size != shard.bytes:
                found = f"holds {size:,} bytes instead of {shard.bytes:,}" if size >= 0 else "is missing"
                raise DataError(f"{path}: {found}; `feedrate data make --force` renews the data set")
        return data

    @classmethod
    def _read(cls, folder: Path) -> DataSet:
        path = folder / MANIFEST
        try:
            raw = json.loads(path.read_text())
            return cls(
                folder=folder,
                format=raw["format"],
                identity=raw["identity"],
                storage=raw["storage"],
                fields=tuple(Field.from_json(field) for field in raw["fields"]),
                shards=tuple(Shard(s["file"], tuple(s["groups"]), s["bytes"], s["digest"]) for s in raw["shards"]),
            )
        except FileNotFoundError:
            raise DataError(f"{folder}: no data set here; `feedrate data make` writes it") from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a manifest ({error}); `feedrate data make --force` renews it") from None

    def damaged(self) -> Iterator[str]:
        """Yield the name of each file whose content is not what was written; reads everything."""
        for index, shard in enumerate(self.shards):
            path = self.path(index)
            if not path.exists() or digest(path) != shard.digest:
                yield shard.file

    @classmethod
    def write(cls, folder: Path, recipe: Recipe, progress: Callable[[int], None] = lambda rows: None) -> DataSet:
        """Write `recipe` to `folder` with all cores; whatever happens, `folder` is whole or absent.

        `progress` is called in this process with the number of rows that each finished shard adds.

        Raises:
            DataError: the disk has too little room; nothing was written.
        """
        from feedrate.writing import write_folder

        write_folder(folder, recipe, progress)
        return cls.open(folder, recipe)


def digest(path: Path) -> str:
    """blake2b-128 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
