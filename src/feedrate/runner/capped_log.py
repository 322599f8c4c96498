"""What the processes of one replicate write, of which head and tail are kept."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path

from feedrate.system.sparse_file import punch_hole

__all__ = ["Log", "last_lines"]

_HEAD = _TAIL = 1 << 20
"""Bytes that are kept of a log that grows without end."""
_MOST = 8 << 20
"""Bytes that it may take on the disk before its middle is left out."""
_BLOCK = 512
"""Bytes of a block, in stat's unit."""
_LONGEST = 150
"""Characters of a file's name, whatever the cell's may be; file systems take 255 bytes."""
_LAST_LINES = 30


def last_lines(path: str) -> tuple[str, ...]:
    """Give the end of what a log holds; nothing where there is no such file, or no path."""
    log = Path(path)
    return tuple(log.read_text(errors="replace").splitlines()[-_LAST_LINES:]) if path and log.is_file() else ()


class Log:
    """A file that processes append to; whoever watches them trims it now and then."""

    def __init__(self, folder: Path, cell: str, replicate: int) -> None:
        """Make the folder.

        Raises:
            OSError: it cannot be made.
        """
        self.path = folder / f"{_plain(cell)}-{replicate}.log"
        self._cut_off = 0
        self._tail = b""
        folder.mkdir(parents=True, exist_ok=True)

    def trim(self) -> None:
        """Leave out the middle, if it has grown too long: those who write go on at its end, and lose nothing."""
        with suppress(FileNotFoundError):
            state = self.path.stat()
            if min(state.st_size, state.st_blocks * _BLOCK) > _MOST:
                self._leave_out(state.st_size)

    def _leave_out(self, size: int) -> None:
        with self.path.open("r+b") as file:
            try:
                punch_hole(file.fileno(), _HEAD, size - _TAIL - _HEAD)
            except OSError:
                # Some network file systems have no holes. What is written from here to the cut is lost uncounted.
                file.seek(-_TAIL, 2)
                self._tail = file.read()
                self._cut_off += file.tell() - _HEAD
                file.truncate(_HEAD)

    def add(self, folder: Path) -> None:
        """Add what worker processes wrote to files of their own there, such as the stacks of a crash."""
        for path in sorted(folder.glob("worker-*.txt")):
            with suppress(OSError):
                text = path.read_bytes()[-_TAIL:] if path.is_file() else b""
                if text:
                    with self.path.open("ab") as file:
                        file.write(f"--- {path.stem}\n".encode() + text)

    def keep(self, file: Path) -> None:
        """Keep a file of the processes beside the log, compressed; nothing where there is none, or no room for it."""
        beside = self.path.with_suffix(f".{file.name}.gz")
        with suppress(OSError), file.open("rb") as source, gzip.open(beside, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target)

    def close(self) -> str:
        """Its path, when nobody writes any more; nothing if it is empty, for then it is not kept, or gone."""
        self.trim()
        with suppress(FileNotFoundError):
            if self.path.stat().st_size == 0:
                self.path.unlink()
                return ""
            if self._cut_off or self.path.stat().st_size > _MOST:
                self._join()
            return str(self.path)
        return ""

    def _join(self) -> None:
        """Put the tail behind the head, and say between them how much is missing."""
        with self.path.open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(max(_HEAD, size - _TAIL))
            tail = (self._tail + file.read())[-_TAIL:]
            left_out = self._cut_off + size - _HEAD - len(tail)
            count = f"{'at least ' if self._cut_off else ''}{left_out:,}"
            file.seek(_HEAD)
            file.truncate()
            file.write(f"\n--- feedrate left out {count} bytes here\n".encode() + tail)


def _plain(cell: str) -> str:
    """The cell as part of a file's name."""
    name = re.sub(r"[^\w.=,\[\]+-]", "-", cell)
    if name == cell.replace("/", "-") and len(name.encode()) <= _LONGEST:
        return name
    # What was lost told it from others.
    digest = hashlib.sha256(cell.encode()).hexdigest()[:12]
    return f"{name.encode('ascii', 'replace').decode().replace('?', '-')[:_LONGEST]}-{digest}"
