"""Loaders that leave something behind."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from threading import Event, Thread

from feedrate.calibration.strategies.wrong_rows import honest
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream
from tests.support.liars import left


@dataclass(frozen=True)
class LeavesAThread(Loader):
    name = "leaves_a_thread"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        Thread(target=left.released.wait, daemon=True).start()


@dataclass(frozen=True)
class LeavesAProcess(Loader):
    name = "leaves_a_process"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.processes.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))


@dataclass(frozen=True)
class LeavesADataFileOpen(Loader):
    name = "leaves_a_data_file_open"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.files.append(plan.data.path(0).open("rb"))


@dataclass(frozen=True)
class LeavesAnotherFileOpen(Loader):
    name = "leaves_another_file_open"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.files.append(Path(__file__).open("rb"))  # noqa: SIM115


@dataclass(frozen=True)
class LeavesAFileBesideALibrary(LeavesAnotherFileOpen):
    """Its fourth stream meets shared memory that something else made, and keeps."""

    name = "leaves_a_file_beside_a_library"

    def stream(self, plan: Plan) -> Stream:
        yield from super().stream(plan)
        if len(left.files) == 4:
            left.shared.append(SharedMemory(create=True, size=64))


@dataclass(frozen=True)
class LeavesSharedMemory(Loader):
    name = "leaves_shared_memory"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.shared.append(SharedMemory(create=True, size=64))
        left.shared[-1].close()


@dataclass(frozen=True)
class GoesOnWhenClosed(Loader):
    name = "goes_on_when_closed"

    def stream(self, plan: Plan) -> Stream:
        ended = Event()
        left.waiting.append(ended)
        Thread(target=ended.wait, daemon=True).start()
        yield from honest(plan)
        ended.set()


@dataclass(frozen=True)
class HoldsOnToItself(Loader):
    """Ends when it is closed, but nobody closes what a consumer that raised has dropped."""

    name = "holds_on_to_itself"

    def stream(self, plan: Plan) -> Stream:
        stream = self._threaded(plan)
        left.streams.append(stream)
        return stream

    def _threaded(self, plan: Plan) -> Stream:
        ended = Event()
        Thread(target=ended.wait, daemon=True).start()
        try:
            yield from honest(plan)
        finally:
            ended.set()
