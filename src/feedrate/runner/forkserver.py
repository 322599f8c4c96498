"""A process that has imported torch once, and is forked for each replicate on the CPU."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import feedrate
from feedrate.errors import FeedrateError
from feedrate.system.guard import Guarded, first_message
from feedrate.system.scratch import Scratch, sweep

__all__ = ["FORK_SERVER", "ForkError", "ForkServer"]

FORK_SERVER = "FEEDRATE_NURSERY"
"""Variable with which a program that starts feedrate many times lets all of them share one folder of fork servers."""
_OWNER = "owner"
"""File in that folder: the process with whose end every fork server in it ends."""
_PATIENCE_S = 120.0
"""For a fork server to import torch from a cold disk."""
_GOING_S = 10.0
"""Longest wait for a fork server that was killed to be gone."""
_WAITING = 128
"""Who may stand at a fork server's door while it imports torch."""
_TRIES = 2
"""Fork servers that are asked for one process."""


class ForkError(FeedrateError):
    """One process could not be forked; the next one may be."""


@dataclass(frozen=True)
class ForkServer:
    """A folder in which fork servers listen, one for each code base and cap of threads; they are started on demand.

    What is forked shares torch's code and the memory behind it with the fork server until it writes to it, and nothing
    else: no model, no data, no thread, no CUDA.
    """

    folder: Path
    _started: list[int] = field(default_factory=list)
    """Processes of fork servers that this one started, not reaped yet."""

    @classmethod
    @contextmanager
    def opened(cls, environ: Mapping[str, str]) -> Iterator[ForkServer]:
        """The one that the environment names, or one of our own, gone on leaving; what killed runs left is swept."""
        shared = Path(environ.get(FORK_SERVER) or os.devnull)
        if (shared / _OWNER).exists():
            sweep()
            yield cls(shared)
            return
        with cls.made() as scratch:
            fork_server = cls(scratch.folder)
            try:
                yield fork_server
            finally:
                fork_server._end()

    def apart(self, variables: Mapping[str, str]) -> ForkServer:
        """Give one for processes that have these variables from their start; itself where there are none.

        It ends with the same process, and its folder lies in this one's.
        """
        if not variables:
            return self
        # Short: the path of a socket may have 107 characters.
        name = hashlib.sha256(repr(sorted(variables.items())).encode()).hexdigest()[:8]
        folder = self.folder / f"env-{name}"
        folder.mkdir(exist_ok=True)
        (folder / _OWNER).write_text((self.folder / _OWNER).read_text())
        return ForkServer(folder, self._started)

    @staticmethod
    def made() -> Scratch:
        """A folder for fork servers that end with this process, which removes it; what killed ones left goes now."""
        sweep()
        scratch = Scratch.made()
        (scratch.folder / _OWNER).write_text(str(os.getpid()))
        return scratch

    def fork(
        self, request: Path, log: Path, environment: Mapping[str, str], own: Mapping[str, str], threads: int | str
    ) -> Guarded:
        """Begin a process that answers `request`; it leads a session of its own and writes to `log`.

        `threads`: names the caps of its pools, which are settled when torch is imported. Its environment is
        `environment`, which a fork server starts with too, and what is its `own`. A fork server that
        was killed is replaced.

        Raises:
            ForkError: this one could not be begun.
            FeedrateError: torch cannot be imported.
        """
        asked = {
            "request": str(request),
            "log": str(log),
            "environment": {**environment, **own},
            "folder": str(Path.cwd()),
            "cores": sorted(os.sched_getaffinity(0)),
        }
        # One that is killed at the very moment has forked nothing that lives: the next one is asked.
        for _ in range(_TRIES):
            line = self._line(environment, threads)
            with suppress(OSError):
                line.sendall(json.dumps(asked).encode() + b"\n")
            message, unread = first_message(line, _PATIENCE_S)
            if isinstance(pid := message.get("pid"), int):
                return Guarded(line, pid, unread)
            line.close()
            if broken := message.get("broken"):
                raise FeedrateError(f"torch could not be imported for measuring: {broken}")
            if error := message.get("error"):
                raise ForkError(str(error))
        raise ForkError(f"the process that imports torch for all others ended: {self._words(threads)}")

    def pid(self, threads: int | str) -> int | None:
        """The fork server that `fork` asks, if there is one: its memory is part of what it forked."""
        with suppress(OSError, ValueError):
            return int(self._path(threads, "pid").read_text())
        return None

    def _line(self, environment: Mapping[str, str], threads: int | str) -> socket.socket:
        """A connection to the fork server for this code, which is started if there is none that lives."""
        line, door = socket.socket(socket.AF_UNIX), str(self._path(threads, "sock"))
        try:
            line.settimeout(_PATIENCE_S)
            with suppress(FileNotFoundError, ConnectionRefusedError):
                line.connect(door)
                return line
            # Several may have met the same dead one.
            with self._path(threads, "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with suppress(FileNotFoundError, ConnectionRefusedError):
                    line.connect(door)
                    return line
                self._start(door, environment, threads)
                line.connect(door)
        except OSError as error:
            line.close()
            raise ForkError(f"the process that imports torch for all others could not be started: {error}") from None
        return line

    def _start(self, door_path: str, environment: Mapping[str, str], threads: int | str) -> None:
        """Start one, with a door that is open already: who comes while it imports torch waits for it."""
        Path(door_path).unlink(missing_ok=True)
        self._started[:] = [pid for pid in self._started if not _reaped(pid, os.WNOHANG)]
        with socket.socket(socket.AF_UNIX) as door, self._path(threads, "log").open("ab") as log:
            door.bind(door_path)
            door.listen(_WAITING)
            owner = (self.folder / _OWNER).read_text()
            door.set_inheritable(True)
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "feedrate.metering.forkserver_main", door_path, owner, str(door.fileno())],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
                ],
                # A session of its own: Ctrl-C is for whoever asked for the measurement.
                setsid=True,
            )
        self._started.append(pid)
        self._path(threads, "pid").write_text(str(pid))

    def _end(self) -> None:
        """End all fork servers of this folder; programs with which it is shared may have started some."""
        for pid in self._started:
            # Not reaped yet, so the pid is still its own.
            os.kill(pid, signal.SIGKILL)
            _reaped(pid)
        for file in self.folder.rglob("*.pid"):
            with suppress(OSError, ValueError):
                self._kill(int(file.read_text()))

    def _kill(self, pid: int) -> None:
        """End a fork server of this folder; the pid of a dead one may be anybody's."""
        process = os.pidfd_open(pid)
        try:
            if os.fsencode(self.folder) in Path(f"/proc/{pid}/cmdline").read_bytes():
                signal.pidfd_send_signal(process, signal.SIGKILL)
                # It is no child of ours to be waited for, and giving back what torch takes is not done at once.
                select.select([process], (), (), _GOING_S)
        finally:
            os.close(process)

    def _words(self, threads: int | str) -> str:
        """The last that it wrote."""
        with suppress(OSError, IndexError):
            return self._path(threads, "log").read_text(errors="replace").strip().splitlines()[-1]
        return "it said nothing"

    def _path(self, threads: int | str, kind: str) -> Path:
        return self.folder / f"{_code()}-{threads}.{kind}"


def _reaped(pid: int, options: int = 0) -> bool:
    """Whether a process that we started has ended; with no options, wait until it has."""
    return os.waitpid(pid, options)[0] == pid


def _code() -> str:
    """Tells one state of the code from another: between two commits the files change in the same place."""
    package = Path(feedrate.__file__).parent
    files = ((str(file), file.stat().st_mtime_ns) for file in sorted(package.rglob("*.py")))
    return hashlib.sha256(repr((sys.executable, *files)).encode()).hexdigest()[:12]
