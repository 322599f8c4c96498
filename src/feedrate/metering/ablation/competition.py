"""See what the threads of a cell do to one another: for processors, and in the trainer for the interpreter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feedrate.records.competition import Competition, InterpreterUse, ProcessorUse, PythonThread
from feedrate.system.stack_samples import ThreadLooks
from feedrate.system.synthetic_load import sleep_s
from feedrate.system.thread_use import ThreadMonitor, thread_run

if TYPE_CHECKING:
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.metering.training_loop import TrainingLoop

__all__ = [
    "FEW_TURNS",
    "LEAST_BATCHES",
    "MOST_BATCHES",
    "SLOW_S",
    "STRETCH_S",
    "TURNS",
    "competition",
    "interpreter_wait_s",
    "python_threads",
]

STRETCH_S = 0.2
"""Aim of the stretch in which threads are watched."""
LEAST_BATCHES, MOST_BATCHES = 2, 400
TURNS, FEW_TURNS, SLOW_S = 15, 5, 0.05
"""Batches around which the interpreter is let go and asked for again; fewer from so many seconds a batch on."""
_PAUSE_S = 2e-3
"""For so long it is let go: a thread that wants it has woken up and taken it by then, on a busy machine too."""
_SWITCH_S = 0.03
"""Seconds that a thread may keep the interpreter from one that asks for it, meanwhile: many times what the kernel makes
a thread wait for a processor, so that the two are told apart."""


def competition(loop: TrainingLoop, feed: RecordedStream, offered: Set[int]) -> Competition:
    """Watch loader and step together, untimed, in a stream that is open.

    `offered`: processors that this process might use before anything of the cell was imported.
    """
    pace_s = loop.pace_s(lambda count: loop.both(feed, count, []))
    monitor = ThreadMonitor(offered)
    loop.both(feed, min(MOST_BATCHES, max(LEAST_BATCHES, int(STRETCH_S / pace_s))), [])
    processors, turns = monitor.use(), FEW_TURNS if pace_s > SLOW_S else TURNS
    return Competition(processors, _interpreter_use(loop, feed, offered, turns))


def _interpreter_use(loop: TrainingLoop, feed: RecordedStream, offered: Set[int], turns: int) -> InterpreterUse | None:
    monitor, looks = ThreadMonitor(offered), ThreadLooks()
    waits_s = tuple(_turn(loop, feed, looks) for _ in range(turns))
    use = monitor.use()
    return None if use is None else InterpreterUse(waits_s, tuple(python_threads(use, looks)))


def _turn(loop: TrainingLoop, feed: RecordedStream, looks: ThreadLooks) -> float:
    """Train on a batch; give the longer of the waits for the interpreter before and after the step."""
    batch = feed.take()
    before_s = interpreter_wait_s()
    # Whoever had the interpreter until now stands where it was made to hand it on.
    looks.add()
    loop.update(batch)
    after_s = interpreter_wait_s()
    looks.add()
    return max(before_s, after_s)


def interpreter_wait_s() -> float:
    """Let the interpreter go for a moment, and give the seconds until it is back.

    What the kernel made this thread wait for a processor is not among them.
    """
    with _switching_after(_SWITCH_S), thread_run() as run:
        sleep_s(_PAUSE_S)
    return max(0.0, run.took_s - _PAUSE_S - run.waited_s)


@contextmanager
def _switching_after(seconds: float) -> Iterator[None]:
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


def python_threads(use: ProcessorUse, looks: ThreadLooks) -> Sequence[PythonThread]:
    """List threads of this process that run Python, the main one left out, the busiest first."""
    busy = {thread.number: use.wanted(thread) for thread in use.threads if thread.runs_python and not thread.is_main}
    met = [
        PythonThread(thread.name, busy[thread.native_id], looks.place(thread.ident))
        for thread in threading.enumerate()
        if thread.native_id in busy
    ]
    return sorted(met, key=lambda thread: -thread.busy)
