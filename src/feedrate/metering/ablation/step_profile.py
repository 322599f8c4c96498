"""What one update does, counted and profiled apart from every timed run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from feedrate.metering.ablation.profiler_trace import ProfilerTrace
from feedrate.records.step_profile import StepProfile
from feedrate.system.stopwatch import timed

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.metering.training_loop import TrainingLoop
    from feedrate.plugin.cell import Cell

__all__ = ["facts"]

_STEPS = 2
"""Updates that are profiled."""
_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SIDES = {"cpu": (512, 1024), "cuda": (4096, 8192)}
"""Sides of the square matrices whose product stands for the device's peak; the quicker rate counts."""
_REPEATS, _PRODUCT_S = 5, 0.3
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
    trace = _profiled(loop, batches, scratch / "trace.json", on_cuda=on_cuda)
    dtype = trace.dtype or "fp32"
    return StepProfile(
        flops_per_step=_sample_flops(cell, islice(batches, _STEPS)) * batch_samples,
        dtype=dtype,
        peak_flop_per_s=_peak(cell.device, dtype),
        operators_per_step=trace.operators_per_step,
        kernels_per_step=trace.kernels_per_step if on_cuda else None,
        syncs_per_step=trace.syncs_per_step if on_cuda else None,
        device_busy_s=trace.device_busy_s if on_cuda else None,
    )


def _profiled(loop: TrainingLoop, batches: Iterator[Batch], path: Path, *, on_cuda: bool) -> ProfilerTrace:
    from torch.profiler import ProfilerActivity, profile

    # The first of them may still be made when it is asked for.
    loop.steps(batches, 1)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    with profile(activities=activities, record_shapes=True) as profiler:
        loop.steps(batches, _STEPS)
        loop.device.synchronize()
    profiler.export_chrome_trace(str(path))
    return ProfilerTrace.read(path, _STEPS)


def _sample_flops(cell: Cell, batches: Iterator[Batch]) -> float:
    """Mean of forward and backward over the samples of the batches, by PyTorch's counter, on a model of its own.

    The fused recurrences of oneDNN and cuDNN have no formula there; without those libraries a recurrence is made of
    matrix products, which have.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model = cell.workload.model(cell.size).to(cell.device).train()
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


def _peak(device: str, dtype: str) -> float:
    """FLOP/s of the quickest of a few large matrix products in that dtype."""
    with _precision("high" if dtype == "tf32" else "highest"):
        return max(_rate(device, _DTYPES[dtype], side) for side in _SIDES[device])


def _rate(device: str, dtype: torch.dtype, side: int) -> float:
    left, right = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))

    def product(count: int) -> int:
        for _ in range(count):
            torch.mm(left, right)
        return count

    synchronize: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else _nothing
    once = timed(product, 1, synchronize).s
    repeats = max(1, min(_REPEATS, int(_PRODUCT_S / once)))
    best_s = min(timed(product, 1, synchronize).s for _ in range(repeats))
    return 2.0 * side**3 / best_s


def _nothing() -> None:
    """A CPU is done when the call returns."""


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """fp32 products with TF32 (`high`) or without (`highest`) inside."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
