"""What one update does, counted and profiled apart from every timed run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from threading import get_native_id
from typing import TYPE_CHECKING

import torch

from feedrate.metering.ablation.profiler_trace import STEP, ProfilerTrace
from feedrate.metering.ablation.python_share import main_thread, python_use
from feedrate.records.step_profile import StepProfile
from feedrate.system.stopwatch import timed
from feedrate.system.thread_use import ThreadRun, thread_run

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.device import Device
    from feedrate.metering.training_loop import TrainingLoop
    from feedrate.plugin.cell import Cell

__all__ = ["MANY_OPERATORS", "MOST_STEPS", "PROFILED_S", "STEPS", "facts"]

STEPS = 2
"""Updates that are profiled."""
MANY_OPERATORS, MOST_STEPS, PROFILED_S = 500, 12, 0.2
"""Updates of fewer operators are profiled some more times, within these bounds: one may be undisturbed."""
_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SIDES = {"cpu": (512, 1024), "cuda": (4096, 8192)}
"""Sides of the square matrices whose product stands for the device's peak; the quicker rate counts."""
_REPEATS, _PRODUCT_S = 5, 0.1
"""Products of each size, fewer where one takes long."""


def facts(
    cell: Cell, loop: TrainingLoop, batches: Iterator[Batch], batch_samples: float, scratch: Path
) -> StepProfile | None:
    """The facts about a step that trains, from ready batches; None for one that does not.

    `batch_samples`: mean size of a batch, which the operations are counted for.
    """
    if not cell.step.trains:
        return None
    on_cuda = cell.device == "cuda"
    watched = main_thread(lambda count: loop.steps(batches, count), loop.device.synchronize)
    trace, runs = _profiled(loop, batches, STEPS, scratch / "trace.json", on_cuda=on_cuda)
    operators_s = trace.operators_s(get_native_id())
    again = min(MOST_STEPS, int(PROFILED_S / (watched.ran_s + watched.idle_s)))
    if trace.operators_per_step < MANY_OPERATORS and again > STEPS:
        more, more_runs = _profiled(loop, batches, again, scratch / "more.json", on_cuda=False)
        operators_s, runs = (*operators_s, *more.operators_s(get_native_id())), (*runs, *more_runs)
    dtype = trace.dtype or "fp32"
    return StepProfile(
        flops_per_step=_sample_flops(cell, loop.device, islice(batches, STEPS)) * batch_samples,
        dtype=dtype,
        peak_flop_per_s=_peak(loop.device, dtype),
        operators_per_step=trace.operators_per_step,
        kernels_per_step=trace.kernels_per_step if on_cuda else None,
        syncs_per_step=trace.syncs_per_step if on_cuda else None,
        device_busy_s=trace.device_busy_s if on_cuda else None,
        operators_s=min(operators_s),
        python=python_use(watched, runs, operators_s),
    )


def _profiled(
    loop: TrainingLoop, batches: Iterator[Batch], count: int, path: Path, *, on_cuda: bool
) -> tuple[ProfilerTrace, tuple[ThreadRun, ...]]:
    """Give the trace of so many updates, and what this thread had of a processor in each."""
    from torch.profiler import ProfilerActivity, profile, record_function

    # The first of them may still be made when it is asked for.
    loop.steps(batches, 1)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    runs: list[ThreadRun] = []
    with profile(activities=activities, record_shapes=True) as profiler:
        for _ in range(count):
            with record_function(STEP), thread_run() as run:
                loop.steps(batches, 1)
            runs.append(run)
        loop.device.synchronize()
    profiler.export_chrome_trace(str(path))
    return ProfilerTrace.read(path, count), tuple(runs)


def _sample_flops(cell: Cell, device: Device, batches: Iterator[Batch]) -> float:
    """Mean of forward and backward over the samples of the batches, by PyTorch's counter, on a model of its own.

    The fused recurrences of oneDNN and cuDNN have no formula there; without those libraries a recurrence is made of
    matrix products, which have.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model = device.place(cell.workload.model(cell.size)).train()
    counted = samples = 0
    with ExitStack() as plain:
        plain.enter_context(torch.backends.cudnn.flags(enabled=False))
        plain.enter_context(torch.backends.mkldnn.flags(enabled=False))
        for batch in batches:
            with FlopCounterMode(display=False) as counter:
                cell.workload.loss(model(batch.tensors), batch.tensors).backward()
            counted += counter.get_total_flops()
            samples += len(batch)
    return counted / samples


def _peak(device: Device, dtype: str) -> float:
    """FLOP/s of the quickest of a few large matrix products in that dtype."""
    with _precision("high" if dtype == "tf32" else "highest"):
        return max(_rate(device, _DTYPES[dtype], side) for side in _SIDES[device.torch_name])


def _rate(device: Device, dtype: torch.dtype, side: int) -> float:
    left, right = (torch.rand(side, side, device=device.torch_name, dtype=dtype) for _ in range(2))

    def product(count: int) -> int:
        for _ in range(count):
            torch.mm(left, right)
        return count

    once = timed(product, 1, device.synchronize).s
    repeats = max(1, min(_REPEATS, int(_PRODUCT_S / once)))
    best_s = min(timed(product, 1, device.synchronize).s for _ in range(repeats))
    return 2.0 * side**3 / best_s


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """fp32 products with TF32 (`high`) or without (`highest`) inside."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
