"""Count what a process has at a moment: children, threads, open files, shared and page-locked memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from feedrate.loading.plan import Plan
from feedrate.system.procfs import process_tree

__all__ = ["Left", "ProcessResources", "child_processes"]


@dataclass(frozen=True)
class Left:
    """What is left, in words."""

    sure: list[str]
    """The loader's beyond doubt."""
    all: list[str]


@dataclass(frozen=True)
class ProcessResources:
    """What this process has, each kind by something that identifies it."""

    children: dict[int, str]
    python_threads: dict[int, str]
    threads: dict[int, str]
    files: dict[int, str]
    data_files: set[str]
    """Of the data set, open or mapped."""
    shared: dict[str, str]
    pinned_bytes: int

    @classmethod
    def now(cls, plan: Plan) -> ProcessResources:
        """Count everything at this moment."""
        files = dict(_open_files())
        folder = f"{plan.data.folder.resolve()}{os.sep}"
        return cls(
            children=child_processes(),
            python_threads=dict(_python_threads()),
            threads=dict(_threads()),
            files=files,
            data_files={
                path for path in (*files.values(), *_mapped_files()) if path.startswith(folder) and plan.data.shards
            },
            shared={path.name: str(path) for path in Path("/dev/shm").iterdir()},
            pinned_bytes=0 if plan.accelerator is None else plan.accelerator.pinned_bytes(),
        )

    def since(self, before: ProcessResources) -> Left:
        """Say what is here now and was not then, in words."""
        sure = [
            *(f"process {name!r}" for key, name in self.children.items() if key not in before.children),
            *(f"thread {name!r}" for key, name in self.python_threads.items() if key not in before.python_threads),
            *(f"{path} open" for path in sorted(self.data_files - before.data_files)),
        ]
        perhaps = [
            *(
                f"thread {name!r}"
                for key, name in self.threads.items()
                if key not in before.threads.keys() | self.python_threads.keys()
            ),
            *(f"{path} open" for key, path in self.files.items() if before.files.get(key) != path),
            *_not_of_others({path for key, path in self.shared.items() if key not in before.shared}),
        ]
        if self.pinned_bytes > before.pinned_bytes:
            perhaps.append(f"{self.pinned_bytes - before.pinned_bytes:,} bytes of page-locked memory")
        return Left(sure, sure + [text for text in perhaps if text not in sure])


def child_processes() -> dict[int, str]:
    """Give the processes that descend from this one, but for those that multiprocessing keeps: command lines by pid."""
    return dict(_children())


def _children() -> Iterator[tuple[int, str]]:
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            command = child.cmdline() or [child.name()]
            # multiprocessing starts one of each an interpreter and keeps it: what a loader starts is below them.
            if not any("resource_tracker" in word or "forkserver" in word for word in command):
                yield child.pid, " ".join(command)[:80]


def _python_threads() -> Iterator[tuple[int, str]]:
    for thread in threading.enumerate():
        # multiprocessing's resource sharer: the stdlib starts one a process when a tensor is first sent, and keeps it.
        if not thread.name.endswith("(_serve)"):
            yield thread.native_id or 0, thread.name


def _mapped_files(pid: int | str = "self") -> Iterator[str]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        yield line.partition("/")[1] + line.partition("/")[2]


def _not_of_others(shared: set[str]) -> Iterator[str]:
    """Yield the files of /dev/shm that no process outside this one's tree maps or has open; those may be ours."""
    if shared:
        ours = set(process_tree(os.getpid()))
        others = [pid for pid in psutil.pids() if pid not in ours]
        yield from sorted(shared.difference(*map(_held, others)))


def _held(pid: int) -> set[str]:
    """Read which files a process maps or has open; none where that is hidden from us."""
    held: set[str] = set()
    with suppress(OSError):
        held.update(_mapped_files(pid))
    with suppress(OSError):
        held.update(path for _, path in _open_files(pid))
    return held


def _open_files(pid: int | str = "self") -> Iterator[tuple[int, str]]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # The listing's own descriptor is closed by now.
        with suppress(FileNotFoundError):
            yield int(link.name), str(link.readlink())


def _threads() -> Iterator[tuple[int, str]]:
    for task in Path("/proc/self/task").iterdir():
        # A thread that ends meanwhile is no thread.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield int(task.name), (task / "comm").read_text().strip()
