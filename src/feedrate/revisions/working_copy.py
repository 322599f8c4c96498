"""A copy of a person's working folder, in which a training runs without writing over what lies there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeAlias

from feedrate.errors import UsageError
from feedrate.revisions.script_tree import git

__all__ = ["WorkingCopy", "working_copy"]

_FICLONE = 0x40049409
"""Has a file share the blocks of another until one of them is written to, where the file system can."""
_COPIED_BYTES = 1 << 30
"""Of what is neither code nor a checkpoint; what is beyond, oldest files first, is linked."""
_CODE = (".py", ".sh", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".ipynb")
"""Suffixes of what finds its neighbours where it lies."""
_SAVED = (".ckpt", ".pt", ".pth", ".pkl", ".safetensors", ".onnx", ".keras", ".msgpack")
"""Suffixes of what trainings save."""
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
"""What a folder holds that is an environment of Python."""

File: TypeAlias = tuple[os.stat_result, Path]
"""A file of the folder, and its path below it."""


@dataclass(frozen=True)
class WorkingCopy:
    """A folder that stands for another one."""

    folder: Path
    """Where a command runs instead; absolute."""
    linked: tuple[Path, ...]
    """Files that are links to the person's own, relative to the folder, largest first: too much to be copied."""
    linked_bytes: int


@dataclass
class _Files:
    """What lies in the folder, to be copied."""

    folder: Path
    into: Path
    place: Path
    files: list[File] = field(default_factory=list)

    def walk(self) -> None:
        """Make all folders and links in the copy, and list the files."""
        for root, folders, files in os.walk(self.folder, onerror=_raised):
            here = Path(root)
            kept = [name for name in folders if self._is_entered(here / name)]
            folders[:] = kept
            for name in kept:
                self._ours(here / name).mkdir(exist_ok=True)
            for name in files:
                self._listed(here / name)

    def _ours(self, theirs: Path) -> Path:
        return self.place / theirs.relative_to(self.folder)

    def _is_entered(self, theirs: Path) -> bool:
        """Whether a folder is copied with what lies in it; else it is linked where it is of use."""
        if theirs == self.into or theirs.name in ("__pycache__", ".git"):
            return False
        if theirs.is_symlink():
            self._link(theirs)
            return False
        if any((theirs / name).exists() for name in _ENVIRONMENT):
            self._ours(theirs).symlink_to(theirs)
            return False
        return True

    def _listed(self, theirs: Path) -> None:
        if theirs.is_symlink():
            self._link(theirs)
        elif theirs.is_file() and theirs.name != ".git":
            self.files.append((theirs.stat(), theirs.relative_to(self.folder)))

    def _link(self, theirs: Path) -> None:
        """A link within the folder leads to the same place within the copy, any other one to where it led."""
        to = theirs.readlink()
        inside = Path(os.path.normpath(theirs.parent / to)).is_relative_to(self.folder)
        self._ours(theirs).symlink_to(to if inside and not to.is_absolute() else theirs.parent / to)


def _raised(error: OSError) -> NoReturn:
    raise error


def working_copy(folder: Path, into: Path) -> WorkingCopy:
    """Copy a folder into another one, `into`, that is empty or not there yet, and give what stands for it.

    Where the file system can, files share their blocks until one of them is written to. Elsewhere code, what looks like
    a checkpoint, and the newest of the rest up to 1 GiB are copied, and all beyond that is linked. Of a repository of
    git the copy is one, too; what lies beside the folder in it is linked.

    Raises:
        UsageError: `into` holds something, cannot be written, or has no room.
    """
    folder, into = folder.resolve(), into.resolve()
    _demand_empty(into, folder)
    try:
        return _copied(folder, into)
    except BaseException as error:
        for entry in list(os.scandir(into)):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else Path(entry.path).unlink()
        if isinstance(error, OSError):
            raise UsageError(f"the working folder cannot be copied to {str(into)!r}: {error}") from None
        raise


def _demand_empty(into: Path, folder: Path) -> None:
    if folder.is_relative_to(into):
        raise UsageError(f"{str(into)!r} holds the working folder; a copy of it needs another one")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with os.scandir(into) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        raise UsageError(f"{str(into)!r} cannot hold a copy of the working folder: {error.strerror}") from None
    if not empty:
        raise UsageError(f"{str(into)!r} is not empty; a copy of the working folder needs one that is, or is not there")


def _copied(folder: Path, into: Path) -> WorkingCopy:
    root = Path(_git(folder, "rev-parse", "--show-toplevel") or folder).resolve()
    if root != folder or (root / ".git").exists():
        _copy_repository(root, into)
    place = into / folder.relative_to(root)
    place.mkdir(parents=True, exist_ok=True)
    files = _Files(folder, into, place)
    files.walk()
    if root != folder:
        _link_missing(root, into)
        if into.is_relative_to(root):
            (into / into.relative_to(root).parts[0]).unlink(missing_ok=True)
    linked = _fill(folder, place, files.files)
    return WorkingCopy(place, tuple(path for _, path in linked), sum(status.st_size for status, _ in linked))


def _git(folder: Path, *arguments: str) -> str:
    """Give what git answers; where it is not installed there is no repository to copy."""
    return git(folder, *arguments) if shutil.which("git") else ""


def _link_missing(theirs: Path, ours: Path) -> None:
    """Link what lies in one folder and not in the other from there."""
    for entry in os.scandir(theirs):
        with suppress(FileExistsError):
            (ours / entry.name).symlink_to(Path(entry.path).resolve())


def _copy_repository(root: Path, into: Path) -> None:
    """Have `git` work in the copy as it does in the folder, without writing to the person's repository."""
    if _git(root, "rev-parse", "--verify", "--quiet", "HEAD"):
        _git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(into))
        # Without it, git would look for a repository above, and find the person's.
        if (into / ".git").is_dir():
            _git(into, "read-tree", "HEAD")


def _fill(folder: Path, place: Path, files: list[File]) -> list[File]:
    """Copy the files; give those that are linked."""
    refusing: set[int] = set()
    rest: list[File] = []
    for status, path in files:
        if status.st_dev in refusing or not _share_blocks(folder / path, place / path):
            refusing.add(status.st_dev)
            rest.append((status, path))
    copied, linked = _chosen(rest)
    needed, room = sum(status.st_size for status, _ in copied), shutil.disk_usage(place).free
    if needed > room:
        raise UsageError(f"{str(place)!r} has room for {room / 1e9:.1f} GB, and {needed / 1e9:.1f} GB are to be copied")
    for _, path in copied:
        shutil.copy2(folder / path, place / path)
    for _, path in linked:
        (place / path).symlink_to(folder / path)
    return sorted(linked, key=lambda file: -file[0].st_size)


def _chosen(files: Iterable[File]) -> tuple[list[File], list[File]]:
    """Those that are copied, and those that are linked."""
    copied: list[File] = []
    linked: list[File] = []
    room = _COPIED_BYTES
    for status, path in sorted(files, key=lambda file: -file[0].st_mtime):
        if path.suffix.lower() in (*_CODE, *_SAVED):
            copied.append((status, path))
        elif status.st_size <= room:
            room -= status.st_size
            copied.append((status, path))
        else:
            linked.append((status, path))
    return copied, linked


def _share_blocks(theirs: Path, ours: Path) -> bool:
    """Have a new file share its blocks with another until one of them is written to; False: that cannot be."""
    with theirs.open("rb") as source, ours.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, source.fileno())
        except OSError:
            ours.unlink()
            return False
    shutil.copystat(theirs, ours)
    return True
