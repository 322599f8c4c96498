"""Start processes that end when their starter does, whatever ends it, and take along all that they started."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = ["Guarded", "bound", "guard_command", "run"]

_CLEAR_S = 60.0
"""For a guard to end all that it stands over."""


def guard_command(order: Mapping[str, object], command: Sequence[str] = ()) -> list[str]:
    """Give the command that starts a guard: `feedrate.system.guard_main`, a file of its own that imports no other."""
    script = Path(__file__).with_name("guard_main.py")
    return [sys.executable, "-I", "-S", str(script), json.dumps(order), *command]


def bound(command: Sequence[str], *, lone: bool = False) -> list[str]:
    """Wrap a command so that it ends when this process does, however it does.

    All that it started ends with it; with `lone` only when this process is gone: for programs that look after what
    they start themselves. SIGTERM is handed on to it, its exit status is handed back.
    """
    return guard_command({"owner": os.getpid(), "lone": int(lone)}, command)


def run(
    command: Sequence[str],
    *,
    timeout: float | None = None,
    lone: bool = False,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a command that is `bound` and wait for it; an exception, such as Ctrl-C, ends all that came of it.

    Raises:
        subprocess.TimeoutExpired: it took too long.
    """
    with subprocess.Popen(
        bound(command, lone=lone),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            output, complaints = process.communicate(timeout=timeout)
        except BaseException:
            # Not `kill`, which would end the guard alone.
            process.terminate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, complaints)


class Guarded:
    """A process in a session of its own under a guard, which reports its pid and its end on a socket."""

    def __init__(self, line: socket.socket, pid: int, unread: bytes = b"") -> None:
        self.pid = pid
        self.left: tuple[str, ...] = ()
        """Commands of what it left running when it ended by itself."""
        self._line = line
        self._unread = unread
        self._status: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @classmethod
    def started(
        cls, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path | None = None
    ) -> Self:
        """Start a command in `folder`, None: where this process is, that writes to the end of `log`.

        Raises:
            OSError: it could not be started.
        """
        ours, theirs = socket.socketpair()
        with log.open("ab") as sink, theirs:
            try:
                guard = subprocess.Popen(
                    guard_command({"line": theirs.fileno()}, command),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    cwd=folder,
                    env=dict(environment),
                    start_new_session=True,
                    pass_fds=[theirs.fileno()],
                )
            except OSError:
                ours.close()
                raise
        message, unread = first_message(ours, _CLEAR_S)
        guarded = cls(ours, int(str(message.get("pid", 0))), unread)
        guarded._guard = guard
        if not message:
            guarded.end()
            raise OSError(f"the guard of {command[0]} ended before it began")
        return guarded

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit status, negative for a signal; on return nothing that it started runs any more.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self._status is None:
            self._line.settimeout(None if until is None else max(1e-3, until - time.monotonic()))
            try:
                received = self._line.recv(1 << 16)
            except TimeoutError:
                raise subprocess.TimeoutExpired("feedrate", timeout or 0) from None
            except ConnectionError:
                received = b""
            self._unread += received
            if not received:
                self._conclude()
        return self._status

    def end(self) -> None:
        """End it and all that it started, if it runs; on return they are gone."""
        if self._status is None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)
            try:
                self.wait(_CLEAR_S)
            except subprocess.TimeoutExpired:
                # The kernel keeps one of them: there is nothing more to do.
                self._conclude()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.end()

    def _conclude(self) -> None:
        """Read the guard's report once the socket is closed; a killed guard leaves none."""
        self._line.close()
        report = parsed(self._unread)
        status = report.get("status")
        self._status = status if isinstance(status, int) else -9
        left = report.get("left")
        self.left = tuple(map(str, left)) if isinstance(left, list) else ()
        if self._guard:
            self._guard.wait()


def first_message(line: socket.socket, patience_s: float) -> tuple[dict[str, object], bytes]:
    """Read the first line that comes, and what came with it; empty when the other end closes or is silent so long."""
    line.settimeout(patience_s)
    unread = b""
    with suppress(OSError):
        while b"\n" not in unread:
            received = line.recv(1 << 16)
            if not received:
                break
            unread += received
    message, _, rest = unread.partition(b"\n")
    return parsed(message), rest


def parsed(text: bytes) -> dict[str, object]:
    """Parse a line as a JSON object; empty if it is none."""
    with suppress(ValueError):
        value = json.loads(text or b"{}")
        if isinstance(value, dict):
            return value
    return {}
