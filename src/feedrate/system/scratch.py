"""Make temporary folders that the next process removes if their maker was killed, shared memory included."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["SHARED_MEMORY", "Scratch", "short_folder", "sweep"]

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "feedrate-"
_MARK = ".feedrate-owner"
"""File that says whose a folder is. Its maker holds a lock on it, which the kernel lets go of when the maker ends, in
whatever way: a pid would be another process's one day, and means nothing in another container."""
_DRAFT = f"{_MARK}.draft"
_PIDS = ".feedrate-pids"
"""File of the processes that worked for its owner."""
_LONGEST = 50
"""Characters of a folder in which sockets, multiprocessing's too, still find room for their names."""


def short_folder() -> Path:
    """Choose the folder for temporary files; sockets are bound in it, whose paths may have 107 characters."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= _LONGEST else "/tmp")


@dataclass(frozen=True)
class Scratch:
    """An empty folder, until it is removed or its maker has ended and somebody sweeps."""

    folder: Path
    _lock: int

    @classmethod
    def made(cls, parent: Path | None = None, prefix: str = PREFIX) -> Self:
        """Make a new one below `parent`, else below `short_folder()`, whose name begins with `prefix`.

        Raises:
            OSError: there is no room for it, or no right to make it.
        """
        # The pid comes last, since older versions look there for the process before they take a folder for abandoned.
        parent = parent or short_folder()
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=f"-{os.getpid()}", dir=parent))
        try:
            return cls(folder, _marked(folder))
        except BaseException:
            # Ctrl-C may come while it is made, and nobody else knows of it yet.
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @property
    def name(self) -> str:
        """Name by which shared memory and semaphores belong to it."""
        return self.folder.name

    def note(self, pids: Iterable[int]) -> None:
        """Write down processes that work for its owner: shared memory that torch names after them is swept too."""
        with suppress(OSError), (self.folder / _PIDS).open("a") as file:
            file.write("".join(f"{pid}\n" for pid in pids))

    def remove(self) -> None:
        """Remove it, and what goes by its name, to the end also where Ctrl-C comes; twice is no mistake."""
        try:
            _remove(self.folder)
        except KeyboardInterrupt:
            _remove(self.folder)
            raise
        finally:
            with suppress(OSError):
                os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.remove()


def _marked(folder: Path) -> int:
    """Mark a new folder as this process's; returns the descriptor that holds the lock."""
    # Locked before it has the name that a sweeper looks for.
    draft = folder / _DRAFT
    lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with suppress(OSError):
            # Where a file system knows no locks, the folder gets no mark, and nobody will ever sweep it.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(lock, f"{os.getpid()}\n".encode())
            draft.rename(folder / _MARK)
    except BaseException:
        os.close(lock)
        raise
    return lock


def sweep(*parents: Path, prefix: str = PREFIX) -> None:
    """Remove the folders in `parents`, else in all places where we make some, whose makers have ended.

    Only this user's, only those whose names begin with `prefix`, and only those that are marked.
    """
    for parent in parents or (short_folder(), SHARED_MEMORY):
        with suppress(OSError):
            for folder in parent.glob(f"{glob.escape(prefix)}*"):
                with suppress(OSError):
                    _sweep(folder)


def _sweep(folder: Path) -> None:
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid():
        return
    if (folder / _MARK).exists():
        with _locked(folder / _MARK):
            _remove(folder)
    elif _maker_has_ended(folder.name):
        # Killed before it was marked: there is nothing in it yet, or it stays.
        with suppress(FileNotFoundError), _locked(folder / _DRAFT):
            (folder / _DRAFT).unlink()
        folder.rmdir()


@contextmanager
def _locked(mark: Path) -> Iterator[None]:
    """Hold the lock of a maker that has ended; an OSError where it lives."""
    lock = os.open(mark, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _maker_has_ended(name: str) -> bool:
    """Whether a folder has a name that we give, and no process has the pid in it."""
    given = re.fullmatch(r".*[a-z0-9_]{8}-(\d+)", name)
    return given is not None and not Path(f"/proc/{given[1]}").exists()


def _remove(folder: Path) -> None:
    """Remove a folder, its mark last: what could not be removed, or was not before a kill, is known for ours still."""
    with suppress(OSError):
        _remove_shared(folder)
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name != _MARK:
                Path(entry.path).unlink()
        (folder / _MARK).unlink(missing_ok=True)
        folder.rmdir()


def _remove_shared(folder: Path) -> None:
    """Remove shared memory named after the folder, and after the pids of processes that worked for it and ended."""
    for path in SHARED_MEMORY.glob(f"sem.{folder.name}-*"):
        path.unlink(missing_ok=True)
    noted = folder / _PIDS
    since = (folder / _MARK).stat().st_mtime
    for pid in set(noted.read_text().split()) if noted.exists() else set():
        if Path(f"/proc/{pid}").exists():
            continue
        for path in SHARED_MEMORY.glob(f"torch_{pid}_*"):
            # A process that had the pid before ours, or another user's, left it.
            if path.stat().st_mtime >= since and path.stat().st_uid == os.geteuid():
                path.unlink(missing_ok=True)
