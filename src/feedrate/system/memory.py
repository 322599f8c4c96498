"""The only reader of memory: the tree of processes seen from outside, files in the page cache, shared memory."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = [
    "available_bytes",
    "cached_share",
    "evict",
    "family",
    "lent_bytes",
    "own_bytes",
    "pss_bytes",
    "session",
    "shm_bytes",
    "total_bytes",
    "warm",
]


def family(root: int) -> Iterator[int]:
    """Yield `root` and every process that descends from it."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        try:
            threads = os.listdir(f"/proc/{pid}/task")
            for thread in threads:
                waiting += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
        except OSError:
            # It ended while we looked.
            continue


def pss_bytes(pids: Iterable[int]) -> int:
    """Proportional set size of the processes together: pages that several share count once.

    One reading takes milliseconds for a process that holds torch, and keeps its memory map locked meanwhile.
    """
    return sum(map(_pss_bytes, pids))


def _pss_bytes(pid: int) -> int:
    return _rollup(pid).get("Pss", 0)


def lent_bytes(pid: int) -> int:
    """The part that a process bears of the pages it shares with others: what belongs to those it forked as well."""
    found = _rollup(pid)
    return found.get("Pss", 0) - found.get("Private_Clean", 0) - found.get("Private_Dirty", 0)


def own_bytes(pids: Iterable[int]) -> int:
    """Memory of the processes that neither a file nor shared memory is behind; microseconds a process.

    Pages that a fork shares count in each process: good for how it grows, not for how much it is.
    """
    return sum(map(_own_bytes, pids))


def _own_bytes(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * mmap.PAGESIZE


def _rollup(pid: int) -> dict[str, int]:
    """Bytes of a process's mappings by kind; empty when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(text.split()[0]) * 1024 for name, _, text in (line.partition(":") for line in lines)}


def shm_bytes() -> int:
    """Bytes in use in /dev/shm."""
    try:
        room = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def available_bytes() -> int:
    """Memory that can be had without swapping."""
    return _meminfo("MemAvailable")


def total_bytes() -> int:
    """Memory of the machine."""
    return _meminfo("MemTotal")


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def session(leader: int) -> Iterator[int]:
    """Yield every living process of the session that `leader` began, orphans included."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            # It ended while we looked.
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            yield int(entry)


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
    """Share of the files' pages that the page cache holds, by mincore(2)."""
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
