"""Writing a data set so that a later reader finds it whole or not at all."""

from __future__ import annotations

import glob
import json
import multiprocessing
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.dataset import MANIFEST, Shard, digest
from feedrate.errors import DataError
from feedrate.parent import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from feedrate.dataset import Recipe

__all__ = ["write_folder"]

_WORTH_PROCESSES_BYTES = 512_000_000
"""A smaller data set is written sooner by one process than it takes to start several."""
_SAMPLE_BYTES = 16 << 20
"""Of rows that are written to see how far they compress."""


def write_folder(folder: Path, recipe: Recipe, progress: Callable[[int], None]) -> None:
    """Write `recipe` to a folder beside `folder`, then rename it; see `DataSet.write`."""
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
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), end_with_parent) as pool:
        jobs = {pool.submit(_write_shard, partial, recipe, index, starts[index]): index for index in range(count)}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_shard(partial: Path, recipe: Recipe, index: int, start: int) -> Shard:
    from feedrate.formats import writer

    groups = recipe.groups[index]
    chunks = (recipe.rows(low, high) for low, high in pairwise(accumulate(groups, initial=start)))
    path = partial / f"{index:05d}.{recipe.format}"
    writer(recipe.format)(path, recipe.fields, groups, chunks, recipe.storage)
    return Shard(path.name, groups, path.stat().st_size, digest(path))


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


def _raw_bytes(recipe: Recipe) -> int:
    """Bytes of all rows, uncompressed."""
    return sum(field.row_bytes for field in recipe.fields) * sum(map(sum, recipe.groups))


def _demand_room(folder: Path, recipe: Recipe) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed, free = _raw_bytes(recipe), shutil.disk_usage(folder.parent).free
    if needed > free:
        needed = round(needed * _written_share(folder, recipe))
    if needed > free:
        raise DataError(
            f"{folder}: needs some {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free;"
            " choose a smaller --size, or another folder with --data"
        )


def _written_share(folder: Path, recipe: Recipe) -> float:
    """Bytes on disk over bytes of rows, as a sample compresses, and a tenth for safety; 1 where none can be taken."""
    row_bytes = sum(field.row_bytes for field in recipe.fields)
    rows = min(recipe.groups[0][0], _SAMPLE_BYTES // row_bytes)
    if rows == 0:
        return 1.0
    from feedrate.formats import writer

    try:
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.sample-", dir=folder.parent) as sample:
            path = Path(sample, f"sample.{recipe.format}")
            writer(recipe.format)(path, recipe.fields, (rows,), [recipe.rows(0, rows)], recipe.storage)
            return 1.1 * path.stat().st_size / (rows * row_bytes)
    except OSError:
        return 1.0


def _clear_leftovers(folder: Path) -> None:
    """Remove what killed writers of this data set left behind."""
    for partial in folder.parent.glob(f"{glob.escape(folder.name)}.partial-*"):
        if not Path(f"/proc/{partial.name.rpartition('-')[2]}").exists():
            shutil.rmtree(partial, ignore_errors=True)
