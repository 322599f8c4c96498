"""Write what was measured so that a file system that says no, or an end in the middle, loses nothing older."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["add_line", "replace_text"]


def add_line(path: Path, text: str) -> None:
    """Add a line to a file, whole or not at all; one that somebody left half-written is ended first.

    Raises:
        OSError: it cannot be written, or what lies there is a link or no regular file; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        held = os.fstat(opened)
        if not stat.S_ISREG(held.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        torn = held.st_size > 0 and os.pread(opened, 1, held.st_size - 1) != b"\n"
        _write_or_take_back(opened, held.st_size, (b"\n" if torn else b"") + text.encode() + b"\n")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(opened)


def _write_or_take_back(opened: int, size: int, line: bytes) -> None:
    written = 0
    try:
        while written < len(line):
            written += os.write(opened, line[written:])
    except OSError:
        # Unless another process has added to it meanwhile: that is not ours to cut.
        if os.fstat(opened).st_size == size + written:
            os.ftruncate(opened, size)
        raise


def replace_text(path: Path, text: str) -> None:
    """Make a file hold `text`, in one rename: who waits for it never reads half, and what was there stays until then.

    What is no regular file, such as a pipe or a device, is written to; what a link points to is what is replaced.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _replace(place: Path, text: str) -> None:
    draft = place.with_name(f".{place.name[:100]}.feedrate-draft")
    with os.fdopen(_alone(draft), "w", encoding="utf-8") as file:
        try:
            file.truncate()
            file.write(text)
            file.flush()
            if place.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
            draft.replace(place)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise


def _alone(draft: Path) -> int:
    """Open and lock the draft, whose name is always the same: what a killed process left is used up by the next."""
    while True:
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with suppress(OSError):
            # A file system without locks trusts that two do not write one file at a time.
            fcntl.flock(opened, fcntl.LOCK_EX)
        # Whoever had it before may have put it in its place.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(opened), draft.stat()):
                return opened
        os.close(opened)
