"""Read how much memory processes, shared memory and the machine hold, from /proc."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "available_bytes",
    "lent_bytes",
    "own_bytes",
    "private_bytes",
    "pss_bytes",
    "shm_bytes",
    "total_bytes",
]


def pss_bytes(pids: Iterable[int]) -> int:
    """Add up the processes' proportional set sizes: pages that several share count once.

    One reading takes milliseconds for a process that holds torch, and keeps its memory map locked meanwhile.
    """
    return sum(map(_pss_bytes, pids))


def _pss_bytes(pid: int) -> int:
    return _rollup(pid).get("Pss", 0)


def lent_bytes(pid: int) -> int:
    """Read what a process bears of the pages it shares with others: what belongs to those it forked as well."""
    mapped = _rollup(pid)
    return mapped.get("Pss", 0) - mapped.get("Private_Clean", 0) - mapped.get("Private_Dirty", 0)


def private_bytes(pid: int) -> int:
    """Read the pages that a process has written to and shares with nobody: what a fork shared and one side changed."""
    return _rollup(pid).get("Private_Dirty", 0)


def own_bytes(pids: Iterable[int]) -> int:
    """Add up the processes' memory that neither a file nor shared memory is behind; microseconds a process.

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
    """Read how many bytes of /dev/shm are in use; 0 where there is none."""
    try:
        blocks = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return (blocks.f_blocks - blocks.f_bfree) * blocks.f_frsize


def shm_free_bytes() -> int | None:
    """Read how many bytes of /dev/shm can still be had; None where there is none."""
    try:
        blocks = os.statvfs("/dev/shm")
    except OSError:
        return None
    return blocks.f_bavail * blocks.f_frsize


def available_bytes() -> int:
    """Read how much memory can be had without swapping."""
    return _meminfo("MemAvailable")


def total_bytes() -> int:
    """Read how much memory the machine has."""
    return _meminfo("MemTotal")


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
