"""A data set: a folder of shards and the manifest that says what they hold."""

from __future__ import annotations

import glob
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from bisect import bisect_right
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from feedrate.errors import DataError
from feedrate.field import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DataSet", "Recipe", "Shard"]

MANIFEST = "manifest.json"
_WORTH_PROCESSES_BYTES = 512_000_000
"""A smaller data set is written sooner by one process than it takes to start several."""


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
            if not path.exists() or _digest(path) != shard.digest:
                yield shard.file

    @classmethod
    def write(cls, folder: Path, recipe: Recipe, progress: Callable[[int], None] = lambda rows: None) -> DataSet:
        """Write `recipe` to `folder` with all cores; whatever happens, `folder` is whole or absent.

        `progress` is called in this process with the number of rows that each finished shard adds.

        Raises:
            DataError: the disk has too little room; nothing was written.
        """
        _clear_leftovers(folder)
        _demand_room(folder, recipe)
        partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
        partial.mkdir(parents=True)
        try:
            shards = _write_shards(partial, recipe, progress)
            _write_manifest(partial, recipe, shards)
            _put_in_place(partial, folder)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error})") from error
        except BrokenProcessPool:
            raise DataError(f"{folder}: a writing process was killed, perhaps for want of memory") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls.open(folder, recipe)


def _put_in_place(partial: Path, folder: Path) -> None:
    """Rename, never overwrite: a writer killed between the two renames leaves no folder, not half of an old one."""
    replaced = folder.with_name(f"{folder.name}.partial-replaced-{os.getpid()}")
    if folder.exists():
        folder.rename(replaced)
    partial.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def _write_shards(partial: Path, recipe: Recipe, progress: Callable[[int], None]) -> list[Shard]:
    rows = [sum(groups) for groups in recipe.groups]
    shards: dict[int, Shard] = {}
    for index, shard in _written(partial, recipe, [0, *accumulate(rows)]):
        shards[index] = shard
        progress(rows[index])
    return [shards[index] for index in range(len(rows))]


def _written(partial: Path, recipe: Recipe, starts: Sequence[int]) -> Iterator[tuple[int, Shard]]:
    """Yield (number, shard) as they are finished."""
    count = len(recipe.groups)
    cores = min(len(os.sched_getaffinity(0)), count)
    if cores == 1 or _raw_bytes(recipe) < _WORTH_PROCESSES_BYTES:
        yield from ((index, _write_shard(partial, recipe, index, starts[index])) for index in range(count))
        return
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), _die_with_parent) as pool:
        jobs = {pool.submit(_write_shard, partial, recipe, index, starts[index]): index for index in range(count)}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _die_with_parent() -> None:
    """End this writing process when the one that started it is gone; left alone it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


def _write_shard(partial: Path, recipe: Recipe, index: int, start: int) -> Shard:
    from feedrate.formats import writer

    groups = recipe.groups[index]
    ends = [start, *accumulate(groups, initial=start)][1:]
    chunks = (recipe.rows(low, high) for low, high in pairwise(ends))
    path = partial / f"{index:05d}.{recipe.format}"
    writer(recipe.format)(path, recipe.fields, groups, chunks, recipe.storage)
    return Shard(path.name, groups, path.stat().st_size, _digest(path))


def _write_manifest(partial: Path, recipe: Recipe, shards: list[Shard]) -> None:
    manifest = {
        "format": recipe.format,
        "identity": dict(recipe.identity),
        "storage": dict(recipe.storage),
        "fields": [field.as_json() for field in recipe.fields],
        "shards": [asdict(shard) for shard in shards],
    }
    with (partial / MANIFEST).open("w") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _raw_bytes(recipe: Recipe) -> int:
    """Bytes of all rows, uncompressed."""
    return sum(field.row_bytes for field in recipe.fields) * sum(map(sum, recipe.groups))


def _demand_room(folder: Path, recipe: Recipe) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed, free = _raw_bytes(recipe), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise DataError(
            f"{folder}: needs up to {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free;"
            " choose a smaller --size, or another folder with --data"
        )


def _clear_leftovers(folder: Path) -> None:
    """Remove what killed writers of this data set left behind."""
    for partial in folder.parent.glob(f"{glob.escape(folder.name)}.partial-*"):
        if not Path(f"/proc/{partial.name.rpartition('-')[2]}").exists():
            shutil.rmtree(partial, ignore_errors=True)
