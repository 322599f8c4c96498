"""Take up time or a core for a known number of seconds: delays that are put in, and loaders of known pace."""

from __future__ import annotations

import hashlib
import time

from feedrate.system.stopwatch import now_s

__all__ = ["burn_cpu", "burn_python", "sleep_s"]


def sleep_s(seconds: float) -> float:
    """Wait, and return the seconds that it took, which the kernel rounds up."""
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
    """Keep this thread's core busy for so many seconds of its own time in Python, the interpreter's lock held."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        continue
