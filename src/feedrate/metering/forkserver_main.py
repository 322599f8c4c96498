"""The process that imports torch once: `python -m feedrate.metering.forkserver_main PATH OWNER SOCKET`.

SOCKET is a descriptor that listens at PATH already; OWNER is the process with which it ends.

It never computes, so that it has no thread that a fork would lose, and never touches CUDA, which survives none.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn, cast

from feedrate.metering.compilation import compiler_is_imported, import_compiler
from feedrate.system.guard import guard_command
from feedrate.system.guard_main import adopt, follow
from feedrate.system.stopwatch import since_start_s

__all__ = ["main"]

_OPTIMIZER = ("torch._dynamo",)
"""What the first update of any optimizer imports: seconds. Absent in some version of torch, it costs the child that
needs it a little more time, no more. What a compiled one imports besides is imported once a child has needed it."""
_LOOP = ("torch.utils.data", "h5py", "pyarrow.parquet", "scipy.special", "feedrate.metering.meter")
_ANSWER = (
    *("feedrate.metering.replicate_main", "feedrate.metering.ablation.ablation", "feedrate.metering.budget"),
    *("feedrate.plugin.registry", "feedrate.plugin.cell", "feedrate.loading.batch_spec"),
    *("feedrate.system.sampling_flags", "feedrate.metering.turns"),
)
"""What reads a request, and finds who offers the cell."""
_LONGEST_REQUEST = 16 << 20
"""Bytes; the longest environment that the kernel hands to a program is shorter."""
_REFUSING_S = 1.0
"""For those to come who are on their way to a fork server that has to give up."""


def main() -> None:
    """Serve until the owner ends."""
    owner, door = int(sys.argv[2]), socket.socket(fileno=int(sys.argv[3]))
    # Whoever is forked and lives on would keep the door of a dead fork server open.
    door.set_inheritable(False)
    with door:
        try:
            import_s = _prepare()
            # It may outlive who started it: no folder of theirs is kept in use.
            os.chdir(Path(sys.argv[1]).parent)
        except BaseException as error:
            traceback.print_exc()
            _refuse(door, f"{type(error).__name__}: {error}".splitlines()[0])
            return
        _ForkServerProcess(door, import_s).serve(owner)


def _refuse(door: socket.socket, reason: str) -> None:
    """Tell whoever waits that it is in vain."""
    door.settimeout(_REFUSING_S)
    with suppress(OSError):
        while True:
            line, _ = door.accept()
            with line, suppress(OSError):
                _tell(line, broken=reason)


def _tell(line: socket.socket, **message: object) -> None:
    line.sendall(json.dumps(message).encode() + b"\n")


def _prepare() -> float:
    """Import what every child needs; gives the seconds until torch was there."""
    import_module("torch")
    import_s = since_start_s()
    for name in (*_OPTIMIZER, *_LOOP, *_ANSWER, *_own_plugins()):
        with suppress(ImportError):
            import_module(name)
    _settle()
    return import_s


def _settle() -> None:
    """Keep the collector, which writes to all it looks at, from pages that are shared only while nobody writes."""
    gc.collect()
    gc.freeze()


def _noted() -> Path:
    """Where a child notes that it needed the compiler, so that the next one need not import it."""
    return Path(sys.argv[1]).with_suffix(".compiler")


def _own_plugins() -> list[str]:
    """Name the modules in which feedrate itself offers strategies; what others import may start threads."""
    points = entry_points(group="feedrate")
    return [point.module for point in points if point.dist is not None and point.dist.name == "feedrate"]


class _ForkServerProcess:
    """Who stands at the door, and the guards of the forked processes that live."""

    def __init__(self, door: socket.socket, import_s: float) -> None:
        self._door = door
        self._import_s = import_s
        self._events = selectors.DefaultSelector()
        self._guards: dict[int, socket.socket] = {}
        """Each with the line of whoever asked."""

    def serve(self, owner: int) -> None:
        try:
            end = os.pidfd_open(owner)
        except ProcessLookupError:
            return
        self._door.setblocking(False)
        self._events.register(self._door, selectors.EVENT_READ, self._admit)
        self._events.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in self._events.select():
                if key.fd == end:
                    self._end_all()
                    return
                key.data()

    def _admit(self) -> None:
        """Let somebody in, who may take as long as they like to say what they want."""
        with suppress(OSError):
            line, _ = self._door.accept()
            line.setblocking(False)
            self._events.register(line, selectors.EVENT_READ, partial(self._listen, line, bytearray()))

    def _listen(self, line: socket.socket, heard: bytearray) -> None:
        try:
            received = line.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        heard += received
        if received and b"\n" not in received and len(heard) < _LONGEST_REQUEST:
            return
        self._events.unregister(line)
        line.setblocking(True)
        try:
            asked = json.loads(heard)
        except ValueError:
            # Whoever asked is gone, or is none of us.
            line.close()
            return
        self._fork(line, asked)

    def _fork(self, line: socket.socket, asked: dict[str, Any]) -> None:
        if _noted().exists() and not compiler_is_imported():
            import_compiler()
            _settle()
        try:
            pid = os.fork()
        except OSError as error:
            with line, suppress(OSError):
                _tell(line, error=f"no process could be forked: {error}")
            return
        if pid == 0:
            self._forget()
            _guard(line, asked, self._import_s)
        self._guards[pid] = line
        end = os.pidfd_open(pid)
        self._events.register(end, selectors.EVENT_READ, lambda: self._release(pid, end))

    def _forget(self) -> None:
        """In what was forked: close what belongs to the fork server."""
        for key in list(self._events.get_map().values()):
            os.close(key.fd) if isinstance(key.fileobj, int) else cast(socket.socket, key.fileobj).close()
        self._events.close()
        for line in self._guards.values():
            line.close()

    def _release(self, pid: int, end: int) -> None:
        """Hang up when a guard is gone and waited for: whoever asked waits for that."""
        os.waitpid(pid, 0)
        self._events.unregister(end)
        os.close(end)
        self._guards.pop(pid).close()

    def _end_all(self) -> None:
        for pid in self._guards:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _guard(line: socket.socket, asked: dict[str, Any], import_s: float) -> NoReturn:
    """Be the guard: fork the process that answers, then leave torch and its memory behind."""
    try:
        os.setsid()
        adopt()
        guard, pid = os.getpid(), os.fork()
        if pid == 0:
            follow()
            if os.getppid() == guard:
                _begin(line, asked, import_s)
            os._exit(1)
        line.set_inheritable(True)
        command = guard_command({"line": line.fileno(), "child": pid})
        os.execv(command[0], command)
    except BaseException as error:
        traceback.print_exc()
        with suppress(OSError):
            _tell(line, error=f"no process could be forked: {error}")
    finally:
        os._exit(1)


def _begin(line: socket.socket, asked: dict[str, Any], import_s: float) -> NoReturn:
    """Be the child: nothing of the fork server but what it imported is left."""
    status = 1
    try:
        os.setsid()
        line.close()
        _redirect(asked["log"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        os.sched_setaffinity(0, asked["cores"])
        tempfile.tempdir = None
        from feedrate.metering.replicate_main import answer

        answer(Path(asked["request"]), import_s)
        if compiler_is_imported():
            with suppress(OSError):
                _noted().touch()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(log: str) -> None:
    for path, flags, descriptors in (
        (os.devnull, os.O_RDONLY, (0,)),
        (log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, (1, 2)),
    ):
        opened = os.open(path, flags)
        for descriptor in descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)


if __name__ == "__main__":
    main()
    os._exit(0)
