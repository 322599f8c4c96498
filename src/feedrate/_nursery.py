"""The process that imports torch once: `python -m feedrate._nursery SOCKET OWNER`.

It never computes, so that it has no thread that a fork would lose, and never touches CUDA, which survives none.
"""

from __future__ import annotations

import errno
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
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, cast

from feedrate.stopwatch import since_start_s

_COMPILER = ("torch._dynamo", "torch._inductor.compile_fx", "torch._inductor.codegen.cpp", "torch._inductor.graph")
"""What the first update of any optimizer imports, and the first compiled one: seconds each. Absent in some version of
torch they cost the child that needs them a little more time, no more."""
_LOOP = ("torch.utils.data", "h5py", "pyarrow.parquet", "feedrate.meter")


def main() -> None:
    """Serve until the owner ends."""
    door_path, owner = sys.argv[1], int(sys.argv[2])
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.bind(door_path)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                # Somebody else asked at the same moment, and its nursery was quicker.
                return
            raise
        Path(door_path).with_suffix(".pid").write_text(str(os.getpid()))
        door.listen()
        import_s = _prepare()
        _Ward(door, import_s).serve(owner)


def _prepare() -> float:
    """Import what every child needs; gives the seconds until torch was there."""
    import_module("torch")
    import_s = since_start_s()
    for name in (*_COMPILER, *_LOOP):
        with suppress(ImportError):
            import_module(name)
    gc.collect()
    # The collector writes to all it looks at, and pages that are written to are no longer shared.
    gc.freeze()
    return import_s


class _Ward:
    """The forked processes that live, and who waits for each."""

    def __init__(self, door: socket.socket, import_s: float) -> None:
        self._door = door
        self._import_s = import_s
        self._events = selectors.DefaultSelector()
        self._pids: dict[socket.socket, int] = {}

    def serve(self, owner: int) -> None:
        self._events.register(self._door, selectors.EVENT_READ, self._admit)
        try:
            end = os.pidfd_open(owner)
        except ProcessLookupError:
            return
        self._events.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in self._events.select():
                if key.fd == end:
                    self._kill_all()
                    return
                key.data()

    def _admit(self) -> None:
        line, _ = self._door.accept()
        try:
            asked = json.loads(line.makefile("rb").readline())
        except ValueError:
            # Whoever asked is gone.
            line.close()
            return
        pid = os.fork()
        if pid == 0:
            self._forget()
            _begin(line, asked, self._import_s)
        end = os.pidfd_open(pid)
        self._pids[line] = pid
        self._events.register(end, selectors.EVENT_READ, lambda: self._release(line, end))
        self._events.register(line, selectors.EVENT_READ, lambda: self._abandoned(line))

    def _forget(self) -> None:
        """In the child: close what belongs to the nursery."""
        for key in list(self._events.get_map().values()):
            os.close(key.fd) if isinstance(key.fileobj, int) else cast(socket.socket, key.fileobj).close()
        self._events.close()

    def _release(self, line: socket.socket, end: int) -> None:
        """Say how the child ended."""
        pid = self._pids.pop(line)
        _, status = os.waitpid(pid, 0)
        self._events.unregister(end)
        os.close(end)
        with suppress(KeyError):
            self._events.unregister(line)
        with suppress(OSError):
            line.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        line.close()

    def _abandoned(self, line: socket.socket) -> None:
        """Nobody waits for this child any more."""
        if line in self._pids:
            self._events.unregister(line)
            _end(self._pids[line])

    def _kill_all(self) -> None:
        for pid in self._pids.values():
            _end(pid)


def _end(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        # It may lead no group yet.
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _begin(line: socket.socket, asked: dict[str, Any], import_s: float) -> NoReturn:
    """Be the child: nothing of the nursery but what it imported is left."""
    status = 1
    try:
        os.setsid()
        line.sendall(str(os.getpid()).encode())
        line.close()
        _redirect(asked["log"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        os.sched_setaffinity(0, asked["cores"])
        tempfile.tempdir = None
        from feedrate._child import answer

        answer(Path(asked["request"]), import_s)
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
