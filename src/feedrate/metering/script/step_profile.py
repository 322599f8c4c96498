"""What the steps of a script do: counted and profiled on batches that are ready, after every timed window."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from threading import get_native_id
from typing import TYPE_CHECKING, Any

import torch

from feedrate.metering.ablation.profiler_trace import STEP, ProfilerTrace
from feedrate.metering.ablation.python_share import MainThread, python_use, stretch_steps
from feedrate.metering.ablation.step_profile import MANY_OPERATORS, MOST_STEPS, PROFILED_S, STEPS
from feedrate.records.step_profile import StepProfile
from feedrate.system.stopwatch import now_s
from feedrate.system.thread_use import ThreadRun, thread_run

if TYPE_CHECKING:
    from feedrate.metering.script.rounds import Loop

__all__ = ["step_profile"]

_LONG_S = 1.0
"""Of one update: it is profiled once, for its trace is large."""
_TOO_LONG_S = 10.0
"""Of one update: nobody waits for several more."""


def step_profile(loop: Loop, device: str, folder: Path) -> Generator[Any, None, StepProfile | None]:
    """Serve batches that are ready, and give what lies between them, counted for one batch.

    `folder`: for traces, which the asker removes.
    None: the script profiles itself, or takes too long for more steps. Where the thread is met is not looked at: that
    is done from outside.
    """
    # A process has one profiler at a time.
    if torch._C._autograd._profiler_enabled():
        return None
    start = now_s()
    yield from _updates(loop, 1)
    update_s = now_s() - start
    if update_s > _TOO_LONG_S:
        return None
    watched = yield from _watched(loop, stretch_steps(update_s))
    on_cuda = device == "cuda"
    count = STEPS if update_s < _LONG_S else 1
    trace, runs = yield from _profiled(loop, count, folder / "trace.json", on_cuda=on_cuda)
    operators_s, every = trace.operators_s(get_native_id()), loop.updates_every
    again = min(MOST_STEPS, int(PROFILED_S / update_s))
    if trace.operators_per_step * every < MANY_OPERATORS and again > STEPS:
        more, more_runs = yield from _profiled(loop, again, folder / "more.json", on_cuda=False)
        operators_s, runs = (*operators_s, *more.operators_s(get_native_id())), (*runs, *more_runs)
    a_batch_s = [seconds / every for seconds in operators_s]
    return StepProfile(
        dtype=trace.dtype or "fp32",
        operators_per_step=trace.operators_per_step,
        kernels_per_step=trace.kernels_per_step if on_cuda else None,
        syncs_per_step=trace.syncs_per_step if on_cuda else None,
        device_busy_s=trace.device_busy_s if on_cuda else None,
        operators_s=min(a_batch_s),
        python=python_use(watched, [replace(run, ran_s=run.ran_s / every) for run in runs], a_batch_s),
    )


def _updates(loop: Loop, count: int) -> Generator[Any, None, None]:
    """Serve the batches of so many updates."""
    yield from loop.ready.take(count * loop.updates_every)
    loop.synchronize()


def _watched(loop: Loop, count: int) -> Generator[Any, None, MainThread]:
    """Say what the thread that trains had of a processor, a batch."""
    batches = loop.ready.take(count * loop.updates_every)
    with thread_run() as run:
        yield from batches
    start = now_s()
    loop.synchronize()
    idle_s = max(0.0, run.took_s - run.ran_s - run.waited_s) + now_s() - start
    count *= loop.updates_every
    return MainThread(run.ran_s / count, idle_s / count, ())


def _profiled(
    loop: Loop, count: int, path: Path, *, on_cuda: bool
) -> Generator[Any, None, tuple[ProfilerTrace, tuple[ThreadRun, ...]]]:
    """Give the trace of so many updates, and what this thread had of a processor in each."""
    from torch.profiler import ProfilerActivity, profile, record_function

    batches = loop.ready.take(count * loop.updates_every)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    runs: list[ThreadRun] = []
    with profile(activities=activities, record_shapes=True) as profiler:
        for _ in range(count):
            with record_function(STEP), thread_run() as run:
                for _ in range(loop.updates_every):
                    yield next(batches)
            runs.append(run)
        loop.synchronize()
    profiler.export_chrome_trace(str(path))
    return ProfilerTrace.read(path, count * loop.updates_every), tuple(runs)
