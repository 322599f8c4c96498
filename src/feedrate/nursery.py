"""A process that has imported torch once, and is forked for each replicate on the CPU."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import feedrate
from feedrate.errors import FeedrateError

__all__ = ["NURSERY", "Forked", "Nursery", "short_folder"]

NURSERY = "FEEDRATE_NURSERY"
"""Variable with which a program that starts feedrate many times lets all of them share one folder of nurseries."""
_OWNER = "owner"
"""File in that folder: the process with whose end every nursery in it ends."""
_LONGEST = 50
"""Characters of a folder in which sockets, multiprocessing's too, still find room for their names."""
_PATIENCE_S = 120.0
"""For a nursery to import torch from a cold disk."""
_RETRY_S = 0.02


def short_folder() -> str:
    """The folder for temporary files; sockets are bound in it, whose paths may have 107 characters."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST else "/tmp"


class Forked:
    """A process that a nursery forked: what `subprocess.Popen` is for one that we started ourselves."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line
        self.pid = pid
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        if self._status is None:
            self._line.settimeout(timeout)
            try:
                said = self._line.recv(64)
            except TimeoutError:
                raise subprocess.TimeoutExpired("feedrate", timeout or 0) from None
            # A nursery that was killed says nothing any more.
            self._status = int(said) if said else -9
            self._line.close()
        return self._status


@dataclass(frozen=True)
class Nursery:
    """A folder in which nurseries listen, one for each code base and cap of threads; they are started on demand.

    What is forked shares torch's code and the memory behind it with the nursery until it writes to it, and nothing
    else: no model, no data, no thread, no CUDA.
    """

    folder: Path
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, environ: Mapping[str, str]) -> Iterator[Nursery]:
        """The one that the environment names, or one of our own, which is gone on leaving."""
        shared = Path(environ.get(NURSERY) or os.devnull)
        if (shared / _OWNER).exists():
            yield cls(shared)
            return
        made = cls(cls.make())
        try:
            yield made
        finally:
            others = made._others()
            for process in made._started:
                process.kill()
                process.wait()
            for pid in others:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(made.folder, ignore_errors=True)

    @staticmethod
    def make() -> Path:
        """A folder for nurseries that end with this process; its maker removes it."""
        folder = Path(tempfile.mkdtemp(prefix="feedrate-", dir=short_folder()))
        (folder / _OWNER).write_text(str(os.getpid()))
        return folder

    def fork(
        self, request: Path, log: Path, environment: Mapping[str, str], own: Mapping[str, str], threads: int
    ) -> Forked:
        """Begin a process that answers `request`; it leads a session of its own and writes to `log`.

        Its environment is `environment`, which a nursery starts with too, and what is its `own`.

        Raises:
            FeedrateError: no nursery could be started, or it ended.
        """
        line = self._line(environment, threads)
        asked = {
            "request": str(request),
            "log": str(log),
            "environment": {**environment, **own},
            "folder": str(Path.cwd()),
            "cores": sorted(os.sched_getaffinity(0)),
        }
        try:
            line.sendall(json.dumps(asked).encode() + b"\n")
            line.settimeout(_PATIENCE_S)
            said = line.recv(64)
        except OSError:
            said = b""
        if not said:
            line.close()
            raise FeedrateError(f"the process that imports torch for all others ended: {self._last_words(threads)}")
        return Forked(line, int(said))

    def _others(self) -> list[int]:
        """Nurseries in this folder that programs started with which it is shared."""
        said = [file.read_text() for file in self.folder.glob("*.pid")]
        ours = {process.pid for process in self._started}
        return [int(pid) for pid in said if pid and int(pid) not in ours]

    def pid(self, threads: int) -> int | None:
        """The nursery that `fork` asks, if there is one: its memory is part of what it forked."""
        with suppress(OSError, ValueError):
            return int(self._path(threads, "pid").read_text())
        return None

    def _line(self, environment: Mapping[str, str], threads: int) -> socket.socket:
        """A connection to the nursery for this code, which is started if there is none."""
        door = self._path(threads, "sock")
        line = socket.socket(socket.AF_UNIX)
        started: subprocess.Popen[bytes] | None = None
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                line.connect(str(door))
                return line
            except OSError:
                if started is None:
                    started = self._start(environment, threads)
                # One that finds another in its place ends at once, and that is fine.
                if started.poll() or time.monotonic() > until:
                    line.close()
                    raise FeedrateError(
                        f"torch could not be imported for measuring: {self._last_words(threads)}"
                    ) from None
                time.sleep(_RETRY_S)

    def _start(self, environment: Mapping[str, str], threads: int) -> subprocess.Popen[bytes]:
        with self._path(threads, "log").open("ab") as log:
            command = [sys.executable, "-m", "feedrate._nursery", str(self._path(threads, "sock"))]
            owner = (self.folder / _OWNER).read_text()
            # A session of its own: Ctrl-C is for whoever asked for the measurement.
            process = subprocess.Popen(
                [*command, owner],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environment),
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def _last_words(self, threads: int) -> str:
        with suppress(OSError, IndexError):
            return self._path(threads, "log").read_text(errors="replace").strip().splitlines()[-1]
        return "it said nothing"

    def _path(self, threads: int, what: str) -> Path:
        return self.folder / f"{_code()}-{threads}.{what}"


def _code() -> str:
    """Tells one state of the code from another: between two commits the files change in the same place."""
    package = Path(feedrate.__file__).parent
    files = ((str(file), file.stat().st_mtime_ns) for file in sorted(package.rglob("*.py")))
    return hashlib.sha256(repr((sys.executable, *files)).encode()).hexdigest()[:12]
