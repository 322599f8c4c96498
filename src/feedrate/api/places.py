"""Try the folders that are going to be written in, before anything is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from feedrate.errors import UsageError

__all__ = ["Place", "demand_folder", "demand_writable"]

_ROOM_BYTES = 64 << 10
"""Less than that is no room for the records of a run."""


@dataclass(frozen=True)
class Place:
    """A folder that files will be written in."""

    says: str
    """Setting, option or command that asks for it."""
    folder: Path
    may_create: bool = True
    """Whether it may be created where it is missing."""


def demand_writable(places: Sequence[Place], file: Path | None = None) -> None:
    """Write to each of the folders, and leave nothing behind, no folder either; `file` is what `--out` names.

    Raises:
        UsageError: one cannot be written to.
    """
    for place in (*places, *_around(file)):
        created: list[Path] = []
        try:
            _try(place, created)
        finally:
            for folder in reversed(created):
                # Unless somebody has put something there meanwhile.
                with suppress(OSError):
                    folder.rmdir()


def demand_folder(says: str, folder: Path) -> None:
    """Refuse something else where a folder is to be read; that there is nothing is no mistake.

    Raises:
        UsageError: it is a file, or cannot be looked at.
    """
    try:
        if folder.exists():
            next(folder.iterdir(), None)
    except OSError as error:
        raise UsageError(f"{says} {folder}: no folder that can be read ({error.strerror})") from None


def _around(file: Path | None) -> Iterator[Place]:
    if file is not None:
        try:
            if file.is_dir():
                raise UsageError(f"--out {file}: is a folder; name a file")
            # A pipe or a device is written to as it is.
            if file.is_file() or not file.exists():
                yield Place("--out", file.resolve().parent, may_create=False)
        except OSError as error:
            raise UsageError(f"--out {file}: cannot be written ({error.strerror})") from None


def _try(place: Place, created: list[Path]) -> None:
    try:
        if place.may_create:
            _make(place.folder, created)
        with tempfile.TemporaryFile(dir=place.folder) as file:
            file.write(bytes(_ROOM_BYTES))
            file.flush()
    except OSError as error:
        why = "is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise UsageError(f"{place.says} {place.folder}: cannot write there ({why}); choose another folder") from None


def _make(folder: Path, created: list[Path]) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        with suppress(FileExistsError):
            parent.mkdir()
            created.append(parent)
    folder.mkdir(exist_ok=True)
