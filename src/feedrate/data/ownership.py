"""Tell whose a folder is: what feedrate wrote it may renew and remove, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from feedrate.data.manifest import MANIFEST, Manifest, shard_name
from feedrate.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["demand_ours", "demand_replaceable", "remove"]


def demand_replaceable(folder: Path) -> None:
    """Refuse to put a data set where something lies that is not ours; an empty folder is nobody's.

    Raises:
        DataError: see `demand_ours`.
    """
    if os.path.lexists(folder) and not (folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())):
        demand_ours(folder)


def demand_ours(folder: Path) -> tuple[str, ...]:
    """Give the names of all that lies in a data set, the manifest last, if all of it was written by feedrate.

    Its files may be damaged or missing, but there must be no other, whatever the manifest names.

    Raises:
        DataError: it is a link, or no folder, or holds no manifest of ours, or what no writer of ours writes.
    """
    if folder.is_symlink():
        raise DataError(f"{folder}: is a link, and a data set behind a link is read but neither renewed nor removed")
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder; move it away, or choose another --data")
    if not os.path.lexists(folder / MANIFEST):
        raise DataError(f"{folder}: holds files and no {MANIFEST}: not a data set; move it, or choose another --data")
    manifest = Manifest.read(folder)
    # A manifest may be copied and name anything: by other names no writer of ours ever wrote.
    named = {shard_name(number, manifest.format) for number in range(len(manifest.shards))}
    present = {entry.name: entry for entry in os.scandir(folder)}
    for name, entry in sorted(present.items()):
        if name not in named | {MANIFEST} or not entry.is_file(follow_symlinks=False):
            raise DataError(f"{folder}: holds {name!r}, which feedrate did not write; move it away first")
    return (*sorted(present.keys() - {MANIFEST}), MANIFEST)


def remove(folder: Path) -> tuple[str, ...]:
    """Remove a data set of ours, and give the names of the files that it was.

    The manifest goes last: what an interrupt leaves is still known for ours.

    Raises:
        DataError: see `demand_ours`; nothing was removed.
        OSError: the file system says no, or somebody put a file there meanwhile, which stays.
    """
    names = demand_ours(folder)
    # By its descriptor: a folder that becomes a link meanwhile leads nowhere else.
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in names:
            os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)
    folder.rmdir()
    return names
