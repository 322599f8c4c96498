"""Name signals, and have processes write their stacks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["dump_stacks", "end_of", "signal_name"]


def dump_stacks(pids: Iterable[int]) -> None:
    """Have processes write their threads' stacks where they chose to; those that chose nowhere are left alone."""
    for pid in pids:
        with suppress(OSError):
            if _catches(pid, signal.SIGUSR1):
                os.kill(pid, signal.SIGUSR1)


def _catches(pid: int, number: int) -> bool:
    """Whether a signal would not end it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def signal_name(number: int) -> str:
    """Name a signal as a person knows it; most real-time ones have no name of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"signal {number}"


def end_of(status: int | None) -> str:
    """Say how a process ended whose exit status multiprocessing tells: by which signal, or with which status."""
    return (
        f"was ended by {signal_name(-status)}" if status is not None and status < 0 else f"ended with status {status}"
    )
