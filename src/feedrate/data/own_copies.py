"""Keep the copies of data sets that loaders make in formats of their own: whole or not at all, and known for ours."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from feedrate.errors import DataError
from feedrate.system.scratch import Scratch, sweep
from feedrate.system.stopwatch import now_s

__all__ = ["CopyFolder", "copies_of", "remove_copy"]

_MARK, _LAYOUT = "feedrate copy", 1
_ABOUT, _FILES = "copy.json", "files"
_FOLDER = ".copies"
"""End of the name of the folder beside a data set that holds its copies."""


@dataclass(frozen=True)
class CopyFolder:
    """Hold one copy, as its file `copy.json` describes it."""

    folder: Path
    identity: Mapping[str, str]
    """Everything that it depends on: the data, the loader, its knobs and version."""
    made_s: float
    sizes: Mapping[str, int]
    """Bytes of each file, by its path in `files`."""

    @property
    def files(self) -> Path:
        """Where the loader wrote, and reads."""
        return self.folder / _FILES

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    @classmethod
    def place(cls, root: Path, data_set: str, loader: str, identity: Mapping[str, str]) -> Path:
        """Say where the copy of that identity lies, or will."""
        key = hashlib.blake2b(repr(sorted(identity.items())).encode(), digest_size=8).hexdigest()
        return root / f"{data_set}{_FOLDER}" / f"{loader}-{key}"

    @classmethod
    def open(cls, folder: Path) -> CopyFolder:
        """Read what a copy is, and look whether its files are there in their sizes.

        Raises:
            DataError: there is none, or it is not what was made.
        """
        try:
            raw = json.loads((folder / _ABOUT).read_bytes())
            if raw[_MARK] != _LAYOUT:
                raise ValueError(f"layout {raw[_MARK]!r}")
            sizes = {str(name): int(size) for name, size in raw["sizes"].items()}
            identity = {str(name): str(value) for name, value in raw["identity"].items()}
            copy = cls(folder, identity, float(raw["made_s"]), sizes)
        except FileNotFoundError:
            raise DataError(f"{folder}: no copy here") from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(f"{folder / _ABOUT}: no description of a copy ({error})") from None
        for name, size in sizes.items():
            path = copy.files / name
            if not path.is_file() or path.stat().st_size != size:
                raise DataError(f"{path}: is missing, or not of {size:,} bytes")
        return copy

    @classmethod
    def made(cls, folder: Path, identity: Mapping[str, str], write: Callable[[Path], None]) -> CopyFolder:
        """Give the copy that lies there; where there is none, or it is damaged, have `write` fill a folder first.

        Who else wants it meanwhile waits.

        Raises:
            DataError: it cannot be written, or something lies there that is not ours.
        """
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _locked(folder.parent):
                try:
                    return cls.open(folder)
                except DataError:
                    if os.path.lexists(folder):
                        remove_copy(folder)
                sweep(folder.parent, prefix=f"{folder.name}.partial-")
                with Scratch.made(folder.parent, f"{folder.name}.partial-") as scratch:
                    new = scratch.folder / "new"
                    (new / _FILES).mkdir(parents=True)
                    begin_s = now_s()
                    write(new / _FILES)
                    about = {
                        _MARK: _LAYOUT,
                        "identity": dict(identity),
                        "made_s": round(now_s() - begin_s, 3),
                        "sizes": dict(_sizes(new / _FILES)),
                    }
                    (new / _ABOUT).write_text(json.dumps(about, indent=1))
                    new.rename(folder)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
        return cls.open(folder)


def copies_of(data_set: Path) -> Iterator[Path]:
    """Yield the folders of the copies that were made of a data set, whole or not."""
    yield from sorted(path.parent for path in data_set.parent.glob(f"{data_set.name}{_FOLDER}/*/{_ABOUT}"))


def remove_copy(folder: Path) -> tuple[str, ...]:
    """Remove a copy, and give the names of its files.

    Raises:
        DataError: it holds what is not in its description: that is somebody else's; nothing was removed.
        OSError: the file system says no.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise DataError(f"{folder}: is no folder of feedrate's; move it away")
    try:
        raw = json.loads((folder / _ABOUT).read_bytes())
        known = {f"{_FILES}/{name}" for name in raw["sizes"]} if raw[_MARK] == _LAYOUT else set[str]()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        known = set()
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = [str(path.relative_to(folder)) for path in paths]
    strange = sorted(set(names) - known - {_ABOUT})
    if strange or not known:
        raise DataError(f"{folder}: holds {strange[0] if strange else 'no copy'!r}, which feedrate did not write")
    # The description goes last: what an interrupt leaves is still known for ours.
    for name in (*sorted(set(names) - {_ABOUT}), _ABOUT):
        (folder / name).unlink(missing_ok=True)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        path.rmdir()
    folder.rmdir()
    return tuple(sorted(names))


def _sizes(files: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(files.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(files)), path.stat().st_size


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have one process at a time inside the block; the folder itself is what is locked."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
