"""Put files into the page cache, take them out of it, and count which of their pages are there."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["cached_share", "evict", "warm"]


def warm(paths: Iterable[Path]) -> None:
    """Read files to their end, so that the page cache holds them."""
    buffer = bytearray(8 << 20)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                continue


def evict(paths: Iterable[Path]) -> None:
    """Ask the kernel to drop the files from the page cache: what is mapped, or lies in memory alone, stays."""
    # Pages that are still to be written are kept.
    os.sync()
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cached_share(paths: Iterable[Path]) -> float:
    """Tell the share of the files' pages that the page cache holds, by mincore(2); 1 where there are no pages."""
    cached = total = 0
    for path in paths:
        pages = _resident_pages(path)
        cached += sum(pages)
        total += len(pages)
    return cached / total if total else 1.0


def _resident_pages(path: Path) -> list[bool]:
    size = path.stat().st_size
    if size == 0:
        return []
    count = -(-size // mmap.PAGESIZE)
    states = (ctypes.c_ubyte * count)()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as view,
    ):
        anchor = ctypes.c_char.from_buffer(view)
        try:
            if libc.mincore(ctypes.addressof(anchor), size, states) != 0:
                raise OSError(ctypes.get_errno(), f"mincore: {path}")
        finally:
            # The map cannot be closed while an object points into it.
            del anchor
    return [bool(state & 1) for state in states]
