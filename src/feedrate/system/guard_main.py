"""Guard one process, and end it and all that it started: see `feedrate.system.guard`, which starts this file.

`python -I -S guard_main.py ORDER [COMMAND...]`: a bare interpreter, there at once and small. It becomes a child
subreaper: whatever the process starts, in a session of its own or not, stays below it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn

__all__ = ["CLEANERS", "GUARD", "adopt", "below", "follow", "main"]

CLEANERS = (b"resource_tracker", b"torch_shm_manager", b"compile_worker")
"""In the command lines of libraries' own processes, which tidy up and end once those they serve are gone."""
GUARD = "/".join(__file__.split("/")[-3:]).encode()
"""In the command line of a guard: this file, in whichever installation."""
_CLEANING_S = 5.0
"""For them, before they are ended too."""
_SETTLING_S = 1.0
"""For what was told to end, before it counts as left behind."""
_ENDING_S = 10.0
"""From being asked to end to being made to."""
_STUBBORN_S = 30.0
"""For a killed process that the kernel keeps, as on a dead network disk."""
_POLL_S = 0.01
_COMMAND = 120
"""Characters of a command that are told."""
_SUBREAPER, _DEATH_SIGNAL = 36, 1
"""PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG of prctl(2)."""


def adopt() -> None:
    """Make this process the parent of any descendant that loses its own."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def follow() -> None:
    """End with the process that forked this one; it must have one thread, for the kernel counts threads."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def below(root: int, *, through_guards: bool = True) -> list[int]:
    """List the living descendants of a process; without `through_guards` those under other guards are left out."""
    waiting, pids = [root], []
    while waiting:
        pid = waiting.pop()
        if pid != root and _stat(pid)[0] not in ("", "Z", "X"):
            pids.append(pid)
        if pid == root or through_guards or not _is_guard(pid):
            waiting += _children(pid)
    return pids


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def _stat(pid: int) -> tuple[str, int]:
    """Read state and session of a process; ("", 0) when it is gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (fields[0].decode(), int(fields[3])) if fields else ("", 0)


def _command(pid: int) -> bytes:
    return _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").strip()


def _read(path: str) -> bytes:
    """Read a whole file of /proc; empty when its process ended. Without pathlib, which takes longest to import."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _cleans(pid: int) -> bool:
    command = _command(pid)
    return any(word in command for word in CLEANERS)


def _is_guard(pid: int) -> bool:
    return GUARD in _command(pid)


class Guard:
    """Watch one child, and end all that descends from this process."""

    def __init__(self, child: int) -> None:
        self.child = child
        self.status: int | None = None
        self.left: list[str] = []
        self._awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # The terminal tells the child itself; the rest must reach a guard, whose own end is the child's.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    def watch(self, asker: int) -> None:
        """Wait for the child's end, and bring it about when `asker` (a descriptor) is readable or closed."""
        poll, until = select.poll(), None
        poll.register(self._awake, select.POLLIN)
        poll.register(asker, select.POLLIN)
        while True:
            self.reap()
            if self.status is not None or (until and time.monotonic() > until):
                return
            events = poll.poll(100 if until else None)
            if any(descriptor == asker for descriptor, _ in events):
                return
            if events and signal.SIGTERM in os.read(self._awake, 512):
                _send(self.child, signal.SIGTERM)
                until = until or time.monotonic() + _ENDING_S

    def reap(self) -> None:
        """Reap what has ended, adopted or not, and keep the child's status."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.child:
                    self.status = os.waitstatus_to_exitcode(status)

    def settle(self) -> None:
        """Note what a child that ended by itself has left running.

        What is about to end may do so. What a child that failed leaves in its own session is no wonder.
        """
        until = time.monotonic() + _SETTLING_S
        while self.status == 0 and self._running() and time.monotonic() < until:
            time.sleep(_POLL_S)
            self.reap()
        left = [pid for pid in self._running() if self.status == 0 or _stat(pid)[1] != self.child]
        self.left = [_command(pid).decode(errors="replace")[:_COMMAND] for pid in left]

    def _running(self) -> list[int]:
        return [pid for pid in below(os.getpid()) if not _cleans(pid)]

    def ask(self) -> None:
        """Ask all below to end, so that programs of ours can tidy up; what another guard stands over is left to it."""
        for waiting_s, number in ((_SETTLING_S, signal.SIGTERM), (_ENDING_S, 0)):
            until = time.monotonic() + waiting_s
            while self._running() and time.monotonic() < until:
                time.sleep(_POLL_S)
                self.reap()
            for pid in below(os.getpid(), through_guards=False):
                # On a line they hear from whoever asked for what they guard.
                if number and not (_is_guard(pid) and b'{"line"' in _command(pid)):
                    _send(pid, number)

    def clear(self) -> None:
        """End all below; libraries' own processes tidy up when the others are gone."""
        start = time.monotonic()
        while time.monotonic() < start + _STUBBORN_S:
            self.reap()
            pids = below(os.getpid())
            if not pids:
                return
            patient = time.monotonic() < start + _CLEANING_S
            for pid in pids:
                if not (patient and _cleans(pid)):
                    _send(pid, signal.SIGKILL)
            time.sleep(_POLL_S)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _begun(command: list[str], *, leads: bool) -> int:
    """Fork a child that runs a command; with `leads` in a session of its own."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        if leads:
            os.setsid()
        follow()
        # As they were before this interpreter began.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if os.getppid() == parent:
            os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


def _on_a_line(order: dict[str, int], command: list[str]) -> None:
    """Serve who holds the other end of a socket: tell the child's pid, then how it ended; closing it ends the child."""
    line = order["line"]
    guard = Guard(order.get("child") or _begun(command, leads=True))
    with suppress(OSError):
        os.write(line, json.dumps({"pid": guard.child}).encode() + b"\n")
    guard.watch(line)
    if guard.status is not None:
        guard.settle()
    guard.clear()
    with suppress(OSError):
        os.write(line, json.dumps({"status": guard.status, "left": guard.left}).encode() + b"\n")


def _for_an_owner(order: dict[str, int], command: list[str]) -> NoReturn:
    """Run a command for as long as its owner, this one's parent, lives; end as it ends."""
    try:
        owner = os.pidfd_open(order["owner"])
    except ProcessLookupError:
        os._exit(127)
    if os.getppid() != order["owner"]:
        os._exit(127)
    guard = Guard(_begun(command, leads=False))
    guard.watch(owner)
    # What shares a folder of fork servers leaves those running for the next one.
    if guard.status is None or not order.get("lone"):
        guard.ask()
        guard.clear()
    status = -signal.SIGKILL if guard.status is None else guard.status
    if status < 0:
        with suppress(OSError, ValueError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(abs(status))


def main() -> None:
    """Carry out the order."""
    order, command = json.loads(sys.argv[1]), sys.argv[2:]
    adopt()
    if "line" in order:
        _on_a_line(order, command)
    else:
        _for_an_owner(order, command)


if __name__ == "__main__":
    main()
    os._exit(0)
