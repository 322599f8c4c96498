"""Write a data set so that a later reader finds it whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.data.dataset import digest
from feedrate.data.manifest import MANIFEST, Manifest, Shard, shard_name
from feedrate.data.ownership import demand_ours, demand_replaceable, remove
from feedrate.errors import DataError
from feedrate.formatting import byte_size
from feedrate.system.parent_death import end_with_parent
from feedrate.system.scratch import Scratch, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from feedrate.data.dataset import DataSetSpec

__all__ = ["clear_leftovers", "write_folder", "write_rows"]

_WORTH_PROCESSES_BYTES = 512_000_000
"""A smaller data set is written sooner by one process than it takes to start several."""
_SAMPLE_BYTES = 16 << 20
"""Of rows that are written to see how far they compress."""


def write_folder(folder: Path, recipe: DataSetSpec, progress: Callable[[int], None]) -> None:
    """Write `recipe` to a folder beside `folder`, then rename it; see `DataSet.write`."""
    try:
        demand_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(folder)
        with Scratch.made(folder.parent, _beside(folder)) as scratch:
            work = scratch.folder
            _demand_room(folder, recipe, work)
            new = work / "new"
            new.mkdir()
            shards = _write_shards(new, recipe, progress)
            _write_manifest(new, recipe, shards)
            _put_in_place(new, folder, work / "old")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    except BrokenProcessPool:
        raise DataError(f"{folder}: a writing process was killed, perhaps for want of memory") from None


def clear_leftovers(folder: Path) -> None:
    """Remove what killed writers of this data set left beside it."""
    sweep(folder.parent, prefix=_beside(folder))


def _beside(folder: Path) -> str:
    return f"{folder.name}.partial-"


def _put_in_place(new: Path, folder: Path, old: Path) -> None:
    """Rename, never overwrite: a writer killed between the two renames leaves no folder, not half of an old one."""
    demand_replaceable(folder)
    if folder.exists() and any(folder.iterdir()):
        folder.rename(old)
        _demand_still_ours(old, folder)
    new.rename(folder)
    if old.exists():
        remove(old)


def _demand_still_ours(old: Path, folder: Path) -> None:
    try:
        demand_ours(old)
    except DataError:
        # Somebody was quicker than the rename; what is there now is not ours to remove.
        old.rename(folder)
        raise


def _write_shards(partial: Path, recipe: DataSetSpec, progress: Callable[[int], None]) -> list[Shard]:
    rows = [sum(groups) for groups in recipe.groups]
    shards: dict[int, Shard] = {}
    for index, shard in _written(partial, recipe, [0, *accumulate(rows)]):
        shards[index] = shard
        progress(rows[index])
    return [shards[index] for index in range(len(rows))]


def _written(partial: Path, recipe: DataSetSpec, starts: Sequence[int]) -> Iterator[tuple[int, Shard]]:
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


def write_rows(path: Path, recipe: DataSetSpec, number: int, start: int) -> None:
    """Write the rows of one shard, from `start` on, in one of the formats that feedrate reads: see `DataSetSpec`."""
    from feedrate.data.formats import writer

    groups = recipe.groups[number]
    chunks = (recipe.rows(low, high) for low, high in pairwise(accumulate(groups, initial=start)))
    writer(recipe.format)(path, recipe.fields, groups, chunks, recipe.storage)


def _write_shard(partial: Path, recipe: DataSetSpec, index: int, start: int) -> Shard:
    path = partial / shard_name(index, recipe.format)
    recipe.write_shard(path, index, start)
    return Shard(path.name, recipe.groups[index], path.stat().st_size, digest(path))


def _write_manifest(partial: Path, recipe: DataSetSpec, shards: Sequence[Shard]) -> None:
    manifest = Manifest(recipe.format, recipe.identity, recipe.storage, recipe.fields, tuple(shards))
    with (partial / MANIFEST).open("x") as file:
        json.dump(manifest.as_json(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _raw_bytes(recipe: DataSetSpec) -> int:
    """Bytes of all rows, uncompressed."""
    return sum(field.row_bytes for field in recipe.fields) * sum(map(sum, recipe.groups))


def _demand_room(folder: Path, recipe: DataSetSpec, work: Path) -> None:
    needed, free = _raw_bytes(recipe), shutil.disk_usage(folder.parent).free
    if needed > free:
        needed = round(needed * _written_share(recipe, work))
    if needed > free:
        raise DataError(
            f"{folder}: needs some {byte_size(needed)} and the disk has {byte_size(free)} free;"
            " choose a smaller --size, or another folder with --data"
        )


def _written_share(recipe: DataSetSpec, work: Path) -> float:
    """Bytes on disk over bytes of rows, as a sample compresses, and a tenth for safety; 1 where none can be taken."""
    from feedrate.data.formats import OPAQUE, writer

    row_bytes = sum(field.row_bytes for field in recipe.fields)
    whole = recipe.format in OPAQUE
    rows = sum(recipe.groups[0]) if whole else min(recipe.groups[0][0], _SAMPLE_BYTES // row_bytes)
    if rows == 0:
        return 1.0
    path = work / f"sample.{recipe.format}"
    try:
        if whole:
            recipe.write_shard(path, 0, 0)
        else:
            writer(recipe.format)(path, recipe.fields, (rows,), [recipe.rows(0, rows)], recipe.storage)
        return 1.1 * path.stat().st_size / (rows * row_bytes)
    except OSError:
        return 1.0
    finally:
        path.unlink(missing_ok=True)
