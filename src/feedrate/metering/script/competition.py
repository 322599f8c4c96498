"""See what the threads of a script do to one another while its loop goes on."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from feedrate.metering.ablation.competition import (
    FEW_TURNS,
    LEAST_BATCHES,
    MOST_BATCHES,
    SLOW_S,
    STRETCH_S,
    TURNS,
    interpreter_wait_s,
    python_threads,
)
from feedrate.records.competition import Competition, InterpreterUse
from feedrate.system.stack_samples import ThreadLooks
from feedrate.system.stopwatch import now_s
from feedrate.system.thread_use import ThreadMonitor

if TYPE_CHECKING:
    from feedrate.metering.script.rounds import Loop

__all__ = ["competition"]


def competition(loop: Loop) -> Generator[Any, None, Competition]:
    """Give the loop its batches while threads are watched, then some between which the interpreter is let go."""
    # What started the script was offered all that the script may have given away since.
    offered = os.sched_getaffinity(os.getppid()) | os.sched_getaffinity(0)
    monitor, start, count = ThreadMonitor(offered), now_s(), 0
    while count < LEAST_BATCHES or (count < MOST_BATCHES and now_s() - start < STRETCH_S):
        yield loop.epochs.take()
        count += 1
    turns = FEW_TURNS if now_s() - start > SLOW_S * count else TURNS
    processors = monitor.use()
    monitor, looks = ThreadMonitor(offered), ThreadLooks()
    waits_s: list[float] = []
    for _ in range(turns):
        batch = loop.epochs.take()
        before_s = interpreter_wait_s()
        # Whoever had the interpreter until now stands where it was made to hand it on.
        looks.add()
        yield batch
        waits_s.append(max(before_s, interpreter_wait_s()))
        looks.add()
    use = monitor.use()
    interpreter = None if use is None else InterpreterUse(tuple(waits_s), tuple(python_threads(use, looks)))
    return Competition(processors, interpreter)
