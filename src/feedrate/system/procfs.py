"""Walk the tree of processes below one, and tell which still run, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["TICKS_PER_S", "alive", "process_tree"]

TICKS_PER_S = 100
"""USER_HZ, fixed in Linux's interface on every platform that torch runs on: the unit of times in /proc."""


def process_tree(root: int) -> Iterator[int]:
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


def alive(pids: Iterable[int]) -> int:
    """Count how many of the processes run; zombies do not."""
    return sum(_state(pid) not in ("", "Z", "X") for pid in pids)


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped a process with a signal, all of its threads, and nobody has had it go on."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    # One that ended meanwhile has no state.
    return {_state(f"{pid}/task/{thread}") for thread in threads} <= {"T", ""}


def _state(process: int | str) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
