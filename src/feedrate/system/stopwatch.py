"""Time windows of batches, the device synchronised at both ends and the garbage collector paused inside."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from feedrate.records.digits import significant
from feedrate.records.window import Window
from feedrate.system.procfs import TICKS_PER_S

__all__ = [
    "freeze_gc",
    "gc_paused",
    "now_s",
    "process_core_s",
    "since_start_s",
    "thread_core_s",
    "thread_wait_s",
    "timed",
]

_WINDOW_DIGITS = 5
"""Digits of a window's seconds that are kept: the rest is at most one part in 20,000, see docs/decisions/0012."""
_TICK_DIGITS = 2
"""Digits of a second that /proc gives."""


def now_s() -> float:
    """Read a monotonic clock that all processes of the machine share, in seconds."""
    return time.perf_counter_ns() * 1e-9


def thread_core_s() -> float:
    """Read the processor time that the calling thread has had, in seconds."""
    return time.thread_time_ns() * 1e-9


def process_core_s() -> float:
    """Read the processor time that all threads of this process have had, in seconds."""
    return time.process_time_ns() * 1e-9


def thread_wait_s() -> float:
    """Read how long the calling thread has waited for a processor, in seconds; 0 on kernels that do not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0


def since_start_s() -> float:
    """Tell how many seconds ago this process was started, interpreter included."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return round(float(Path("/proc/uptime").read_text().split()[0]) - ticks / TICKS_PER_S, _TICK_DIGITS)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Collect garbage before the block, and none inside it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def freeze_gc() -> None:
    """Keep what lives now out of every later collection: going through torch's modules takes 0.2 s each time."""
    gc.collect()
    gc.freeze()


def timed(work: Callable[[int], int], batches: int, synchronize: Callable[[], None]) -> Window:
    """Time one window of `batches` batches; `work` does that many and returns the samples in them."""
    with gc_paused():
        synchronize()
        start = now_s()
        samples = work(batches)
        synchronize()
        return Window(significant(now_s() - start, _WINDOW_DIGITS), batches, samples)
