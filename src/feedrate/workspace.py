"""A folder to work in that is gone with whoever made it: known for ours by a record, and for abandoned by its lock."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clear_abandoned", "workspace"]

_RECORD = "owner.json"
_MARK = "feedrate workspace"


@contextmanager
def workspace(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent` whose name begins with `prefix`; gone on leaving, with all that is in it.

    Raises:
        OSError: it cannot be made.
    """
    # Twice, since older versions look there for the process before they take a folder for abandoned.
    pid = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{pid}-", suffix=f"-{pid}", dir=parent))
    try:
        with _owned(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Put a record of this process there, locked as long as it lives, however it ends."""
    draft = folder / f"{_RECORD}.draft"
    with draft.open("x") as record:
        # A file system without locks leaves what is abandoned to its user.
        with suppress(OSError):
            fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({_MARK: 1, "pid": os.getpid(), "started": started}, record)
        record.flush()
        # In place once it is locked: nobody takes it for that of a process that has ended.
        draft.replace(folder / _RECORD)
        yield


def clear_abandoned(parent: Path, prefix: str) -> None:
    """Remove the workspaces that killed processes left; a folder without such a record stays, whatever its name."""
    for folder in parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError, ValueError):
            if not folder.is_symlink() and _abandoned(folder / _RECORD):
                shutil.rmtree(folder, ignore_errors=True)


def _abandoned(path: Path) -> bool:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as record:
        return _is_ours(record) and not _is_locked(record)


def _is_ours(record: IO[str]) -> bool:
    held = os.fstat(record.fileno())
    if not stat.S_ISREG(held.st_mode) or held.st_uid != os.geteuid():
        return False
    raw = json.loads(record.read(4096))
    return isinstance(raw, dict) and raw.get(_MARK) == 1


def _is_locked(record: IO[str]) -> bool:
    try:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
