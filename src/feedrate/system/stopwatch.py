"""The only clock: windows, with the device synchronised at both ends and the garbage collector at rest inside."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from feedrate.records.measurement import Window

__all__ = ["burn_cpu", "burn_python", "freeze_gc", "now_s", "quiet", "since_start_s", "sleep_s", "timed"]


def now_s() -> float:
    """Seconds on a monotonic clock that all processes of the machine share."""
    return time.perf_counter_ns() * 1e-9


def since_start_s() -> float:
    """Seconds since this process was started, interpreter included."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / _TICKS_PER_S


_TICKS_PER_S = 100
"""USER_HZ, fixed in Linux's interface on every platform that torch runs on."""


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection inside; it is done before."""
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
    """One window of `batches` batches; `work` does that many and returns the samples in them."""
    with quiet():
        synchronize()
        start = now_s()
        samples = work(batches)
        synchronize()
        return Window(now_s() - start, batches, samples)


def sleep_s(seconds: float) -> float:
    """Wait; returns the seconds that it took, which the kernel rounds up."""
    start = now_s()
    time.sleep(max(0.0, seconds))
    return now_s() - start


_WORK = memoryview(bytes(1 << 22))
_LEAST_BYTES, _BYTES_PER_S = 1 << 16, 5e8
"""Half of what a core hashes in a second, or less: a piece of work never takes longer than what is left of the time."""


def burn_cpu(seconds: float) -> None:
    """Keep this thread's core busy for so many seconds of its own time, as a decoder does: without the interpreter.

    In few long pieces: after each, a thread that holds the interpreter makes this one wait for milliseconds.
    """
    until = time.thread_time() + seconds
    while (rest := until - time.thread_time()) > 0:
        # Python lets go of its lock while it hashes more than 2047 bytes.
        hashlib.blake2b(_WORK[: max(_LEAST_BYTES, int(rest * _BYTES_PER_S))]).digest()


def burn_python(seconds: float) -> None:
    """The same in Python, the interpreter's lock held."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        continue
