"""Which process of a run is which, told from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from feedrate.system.guard_main import GUARD
from feedrate.system.procfs import process_tree

__all__ = ["MARK", "marked", "of_role"]

MARK = "TORTURE_OF_FEEDRATE"
"""Variable that every process of a lane inherits."""
_SERVER = "feedrate.metering.forkserver_main"
_GUARD = GUARD.decode()
_WORDS = {"guard": _GUARD, "tracker": "resource_tracker", "worker": "spawn_main", "asv": "-m\0asv\0run"}


def of_role(role: str, parent: int, servers: Path | None) -> list[int]:
    """Processes of the run that `parent` leads, or that the fork servers in the folder `servers` have."""
    roots = [parent, *(_noted(servers) if servers else ())]
    return [pid for root in roots for pid in process_tree(root) if _role(pid, parent) == role]


def _noted(servers: Path) -> Iterator[int]:
    for file in servers.glob("*.pid"):
        text = file.read_text()
        if text.isdigit():
            yield int(text)


def _role(pid: int, parent: int) -> str:
    if pid == parent:
        return "parent"
    line = _line(pid)
    for role, words in _WORDS.items():
        if words in line:
            return role
    if _SERVER not in line:
        return ""
    above = _line(_parent(pid))
    return "child" if _SERVER in above or _GUARD in above else "fork server"


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def marked(mark: str, servers: Path | None = None) -> list[int]:
    """Every process that carries the mark, but for the fork servers that listen in the folder `servers`."""
    return [
        pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if _carries(pid, mark) and not (servers and _serves(pid, servers))
    ]


def _carries(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        # It ended, or is another user's.
        return False


def _serves(pid: int, servers: Path) -> bool:
    return f"{_SERVER}\0{servers}/" in _line(pid) and _SERVER not in _line(_parent(pid))
