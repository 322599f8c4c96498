"""Count what a process and those below it hold, by owner: memory, shared memory, descriptors, threads, from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from feedrate.records.soak import Holdings
from feedrate.system.memory import private_bytes
from feedrate.system.procfs import process_tree

__all__ = ["holdings"]

_SHARED = ("/dev/shm/", "/memfd:")
"""How the targets of descriptors begin that lie in shared memory."""


def holdings(ours_bytes: int = 0, pinned_bytes: int = 0) -> Holdings:
    """Read what this process and its descendants hold now; `ours_bytes`: what measuring itself keeps here.

    Takes some milliseconds a process below this one.
    """
    trainer, *workers = list(process_tree(os.getpid()))
    fields = {pid: _status(pid) for pid in (trainer, *workers)}
    return Holdings(
        trainer_bytes=fields[trainer].get("RssAnon", 0) - ours_bytes,
        trainer_file_bytes=fields[trainer].get("RssFile", 0),
        workers_bytes=sum(map(private_bytes, workers)),
        workers_file_bytes=sum(fields[pid].get("RssFile", 0) for pid in workers),
        shared_bytes=_shared_bytes([trainer, *workers], sum(f.get("RssShmem", 0) for f in fields.values())),
        pinned_bytes=pinned_bytes + sum(f.get("VmLck", 0) for f in fields.values()),
        descriptors=sum(1 for pid in fields for _ in _descriptors(pid)),
        processes=len(fields),
        threads=sum(f.get("Threads", 0) for f in fields.values()),
        workers_anonymous_bytes=sum(fields[pid].get("RssAnon", 0) for pid in workers),
    )


def _status(pid: int) -> dict[str, int]:
    """Read numbers of /proc/PID/status, sizes in bytes; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    found = re.findall(r"^(Rss\w+|VmLck|Threads):\s+(\d+)( kB)?$", text, re.MULTILINE)
    return {name: int(count) * (1024 if unit else 1) for name, count, unit in found}


def _descriptors(pid: int) -> Iterator[Path]:
    with suppress(OSError):
        yield from Path(f"/proc/{pid}/fd").iterdir()


def _shared_bytes(pids: Sequence[int], mapped_bytes: int) -> int:
    """Add up bytes in shared memory: what lies in files, each counted once, or is mapped, whichever is more.

    Of /dev/shm only files of this user that lie at its top count: others' data sets lie in folders.
    """
    files = dict(_linked()) | dict(_opened(pids))
    return max(sum(files.values()), mapped_bytes)


def _linked() -> Iterator[tuple[int, int]]:
    with suppress(OSError), os.scandir("/dev/shm") as entries:
        for entry in entries:
            with suppress(OSError):
                state = entry.stat(follow_symlinks=False)
                if entry.is_file(follow_symlinks=False) and state.st_uid == os.getuid():
                    yield state.st_ino, state.st_blocks * 512


def _opened(pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    for pid in pids:
        for descriptor in _descriptors(pid):
            with suppress(OSError):
                if str(descriptor.readlink()).startswith(_SHARED):
                    state = descriptor.stat()
                    yield state.st_ino, state.st_blocks * 512
