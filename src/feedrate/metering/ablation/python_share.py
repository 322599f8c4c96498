"""Tell how much of a step passes in Python, between the operators of the framework, and in which function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from feedrate.records.step_profile import PythonUse
from feedrate.system.stack_samples import sampled
from feedrate.system.stopwatch import now_s
from feedrate.system.thread_use import ThreadRun, thread_run

if TYPE_CHECKING:
    from feedrate.records.code_place import CodePlace

__all__ = ["MainThread", "main_thread", "python_use", "stretch_steps"]

_STRETCH_S = 0.1
"""Aim of each of two stretches: one in which time is taken, one in which the thread is looked at."""
_LEAST, _MOST = 1, 200
"""Steps of a stretch."""


@dataclass(frozen=True)
class MainThread:
    """What the thread that trains did in a step."""

    ran_s: float
    """Seconds a step on a processor."""
    idle_s: float
    """Seconds a step in which it could not have run: asleep, or waiting for a device or a file."""
    places: tuple[CodePlace, ...]
    """Where it was met."""


def main_thread(steps: Callable[[int], object], synchronize: Callable[[], None]) -> MainThread:
    """Watch the calling thread during so many updates as `steps` is asked for, untimed."""
    synchronize()
    begin_s = now_s()
    steps(1)
    count = stretch_steps(now_s() - begin_s)
    with thread_run() as run:
        steps(count)
    begin_s = now_s()
    synchronize()
    idle_s = max(0.0, run.took_s - run.ran_s - run.waited_s) + now_s() - begin_s
    with sampled(_is_harness) as samples:
        steps(count)
    synchronize()
    return MainThread(run.ran_s / count, idle_s / count, samples.places())


def stretch_steps(step_s: float) -> int:
    """Count the steps of one stretch in which the thread is watched."""
    return min(_MOST, max(_LEAST, int(_STRETCH_S / step_s)))


def python_use(thread: MainThread, runs: Sequence[ThreadRun], operators_s: Sequence[float]) -> PythonUse:
    """Take what operators take from what the thread has of a processor.

    `runs`, `operators_s`: of each profiled update. The least of each counts: others keep a thread from its processor in
    the middle of an operator, too, and slow it down by what they do to caches.
    """
    ran_s = min(thread.ran_s, *(run.ran_s for run in runs))
    return PythonUse(max(0.0, ran_s - min(operators_s)), ran_s + thread.idle_s, thread.places)


def _is_harness(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("feedrate.metering.")
