"""Processes that measure by turns: real ones, which also work on a thread, as loaders do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from feedrate.records.measurement import Outcome
from feedrate.runner import turnstile
from feedrate.runner.turnstile import Turnstile, by_turns
from feedrate.system.procfs import is_stopped
from tests.support.outcomes import measurement

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

ROUNDS = 6
WORKER = """
import json, os, signal, sys, threading, time
from pathlib import Path
from feedrate.metering.turns import Turns
from feedrate.system.sampling_flags import SamplingFlags
out, rounds, end = Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ticks, turns = [], []
def work():
    while True:
        ticks.append(time.monotonic())
        time.sleep(1e-3)
threading.Thread(target=work, daemon=True).start()
marks = SamplingFlags(out.parent)
places = Turns.joined(Path(sys.argv[1]), marks)
places.wait()
for _ in range(rounds):
    begin = time.monotonic()
    time.sleep(0.02)
    turns.append((begin, time.monotonic()))
    if end == "killed" and len(turns) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    places.wait()
places.leave()
out.write_text(json.dumps({"ticks": ticks, "turns": turns}))
"""


@dataclass
class Worker:
    """A process that takes turns, as `Running`."""

    process: subprocess.Popen[bytes]
    out: Path

    @classmethod
    def begun(cls, socket: Path, out: Path, end: str = "whole", code: str = WORKER) -> Worker:
        out.parent.mkdir()
        command = [sys.executable, "-c", code, str(socket), str(out), str(ROUNDS), end]
        return cls(subprocess.Popen(command), out)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def outcome(self) -> Outcome:
        return measurement("a/tiny/b/c/cpu")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    @property
    def told(self) -> dict[str, list[list[float]]]:
        found: dict[str, list[list[float]]] = json.loads(self.out.read_text())
        return found


@contextmanager
def workers(folder: Path, *ends: str) -> Iterator[list[Worker]]:
    begun: list[Worker] = []

    def begin(end: str, socket: Path) -> Worker:
        code = "" if end == "absent" else WORKER
        begun.append(Worker.begun(socket, folder / str(len(begun)) / "told.json", end, code))
        return begun[-1]

    by_turns([lambda socket, end=end: begin(end, socket) for end in ends])  # type: ignore[misc]
    yield begun


def test_one_works_while_the_other_stands_still_with_its_threads(tmp_path: Path) -> None:
    with workers(tmp_path, "whole", "whole") as (first, second):
        turns = sorted((*span, name) for name, worker in enumerate((first, second)) for span in worker.told["turns"])

    assert [name for *_, name in turns] == [0, 1] * ROUNDS
    assert all(end < begin for (_, end, _), (begin, _, _) in pairwise(turns))
    for one, other in ((first, second), (second, first)):
        # The last of them has the machine to itself.
        for begin, end in one.told["turns"][:-1]:
            assert not [tick for tick in other.told["ticks"] if begin < tick < end]  # type: ignore[operator]


@pytest.mark.parametrize("end", ["absent", "killed"])
def test_whoever_never_comes_or_is_gone_is_not_waited_for(tmp_path: Path, end: str) -> None:
    with workers(tmp_path, end, "whole") as (gone, whole):
        assert not gone.out.exists()
        assert len(whole.told["turns"]) == ROUNDS


def test_an_interrupt_ends_both_and_leaves_none_stopped(tmp_path: Path) -> None:
    begun: list[Worker] = []

    class Interrupted(Worker):
        @property
        def is_running(self) -> bool:
            if len(begun) == 2 and any(is_stopped(worker.process.pid) for worker in begun):
                raise KeyboardInterrupt
            return super().is_running

    def begin(socket: Path) -> Worker:
        begun.append(Interrupted.begun(socket, tmp_path / str(len(begun)) / "told.json"))
        return begun[-1]

    with pytest.raises(KeyboardInterrupt):
        by_turns([begin, begin])

    assert [worker.process.returncode for worker in begun] == [-signal.SIGTERM] * 2


def test_alone_nobody_waits_and_nothing_is_left(tmp_path: Path) -> None:
    with Turnstile.opened(1) as turnstile:
        (socket,) = turnstile.paths
        assert socket.exists()
        worker = Worker.begun(socket, tmp_path / "alone" / "told.json")
        while worker.is_running:
            turnstile.serve()

    assert len(worker.told["turns"]) == ROUNDS
    assert not socket.exists()


def test_what_was_told_to_stop_stands_still_on_return(tmp_path: Path) -> None:
    code = "import hashlib, threading\nwork = lambda: [hashlib.sha256(bytes(1 << 20)) for _ in iter(int, 1)]\n"
    code += "for _ in range(8): threading.Thread(target=work).start()"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        place = turnstile._Place(turnstile._listening(tmp_path / "door"), pid=process.pid)
        try:
            while len(os.listdir(f"/proc/{process.pid}/task")) < 9:
                time.sleep(0.01)
            for _ in range(50):
                place.freeze()
                assert is_stopped(process.pid)
                place.thaw()
        finally:
            process.kill()
            place.close()
