"""The device that a cell runs on, its memory and its clock; on the CPU there is little to account for."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from feedrate.loading.accelerator import accelerator_of
from feedrate.records.answer import DevicePeaks
from feedrate.records.conditions import GpuClock, MemorySample
from feedrate.system import memory, nvml
from feedrate.system.procfs import process_tree
from feedrate.system.synthetic_load import burn_cpu

if TYPE_CHECKING:
    import torch

    from feedrate.loading.batch import Batch

__all__ = ["Device"]


class Device:
    """The device of one run, from before the model is on it."""

    def __init__(self, name: str) -> None:
        self._accelerator = accelerator_of(name)
        self._clocks: list[GpuClock] = []
        self._idle_free = self._accelerator.free_bytes() if self._accelerator else 0
        self._total = self._accelerator.total_bytes() if self._accelerator else None
        self._uuid = self._accelerator.uuid if self._accelerator else ""
        # This process is one of them by now.
        self._busy_share: float | None = None
        self._strangers = max(0, nvml.tenants(self._uuid) - 1) if self._uuid else 0

    @property
    def torch_name(self) -> str:
        """Where torch makes tensors for it."""
        return "cpu" if self._accelerator is None else self._accelerator.torch_device

    @property
    def answers_later(self) -> bool:
        """Whether it works beside the host, which would have to wait for a result."""
        return self._accelerator is not None

    def used(self) -> AbstractContextManager[object]:
        """Have this thread's operations on its tensors done by it inside the block."""
        return nullcontext() if self._accelerator is None else self._accelerator.using(None)

    def place(self, model: torch.nn.Module) -> torch.nn.Module:
        """Move a model's parameters and buffers to it; gives the same model."""
        return model if self._accelerator is None else self._accelerator.place(model)

    def synchronize(self) -> None:
        """Wait until all that was started on it is done."""
        if self._accelerator is not None:
            self._accelerator.synchronize()

    def delay(self, seconds: float) -> None:
        """Keep the device from its work for so long; on the CPU, the calling thread with work of another kind."""
        if self._accelerator is None:
            burn_cpu(seconds)
            return
        self._accelerator.delay(seconds)

    def room_bytes(self) -> int:
        """Memory that a loader may fill: what there is beside the step's own peak."""
        if self._accelerator is None:
            return memory.available_bytes() // 4
        allocated, _ = self._accelerator.peak_bytes()
        return self._accelerator.free_bytes() + self._accelerator.reserved_bytes() - allocated

    @property
    def capacity(self) -> tuple[int | None, int | None]:
        """Bytes that it has, and those of them that were taken before the model came; None on the CPU."""
        return self._total, None if self._total is None else self._total - self._idle_free

    @property
    def copied_bytes(self) -> tuple[int, int] | None:
        """Bytes copied to it so far, from page-locked memory of the host and from other; None on the CPU."""
        return None if self._accelerator is None else self._accelerator.copied_bytes()

    def named(self, name: str) -> AbstractContextManager[object]:
        """Have the vendor's tracing tools show what happens inside the block under a name."""
        return nullcontext() if self._accelerator is None else self._accelerator.named(f"feedrate {name}")

    def shown(self, name: str, update: Callable[[Batch], object]) -> Callable[[Batch], object]:
        """Give the update under a name where a tracing tool watches; at no other time is each batch worth one."""
        accelerator = self._accelerator
        if accelerator is None or not accelerator.is_traced:
            return update

        def shown(batch: Batch) -> object:
            with self.named(name):
                return update(batch)

        return shown

    @property
    def allocated_bytes(self) -> int | None:
        """Memory of the device in tensors of this process; None on the CPU."""
        return None if self._accelerator is None else self._accelerator.allocated_bytes()

    def reset_peaks(self) -> None:
        """Forget the peaks so far, and give back what torch keeps in reserve."""
        if self._accelerator is not None:
            self._accelerator.reset_peaks()

    def peaks(self) -> DevicePeaks:
        """Say what was used of the device since `reset_peaks`; its own used bytes are less those before the run."""
        if self._accelerator is None:
            return DevicePeaks()
        allocated, reserved = self._accelerator.peak_bytes()
        return DevicePeaks(allocated, reserved, used_bytes=self._idle_free - self._accelerator.free_bytes())

    def note_clock(self) -> None:
        """Remember how fast the device runs; to be called when it has just been busy."""
        clock = nvml.clock(self._uuid) if self._uuid else None
        if clock is not None:
            self._clocks.append(clock)

    @property
    def clocks(self) -> tuple[GpuClock, ...]:
        """What `note_clock` remembered."""
        return tuple(self._clocks)

    def note_use(self) -> bool:
        """Remember how busy it has been for up to a second; False: it is no GPU whose driver counts that."""
        self._busy_share = nvml.busy_share(self._uuid) if self._uuid else None
        return self._busy_share is not None

    @property
    def busy_share(self) -> float | None:
        """What `note_use` remembered."""
        return self._busy_share

    @property
    def libraries(self) -> dict[str, str]:
        """Versions of what torch works on it with, and what its own kernels were compiled for; empty on the CPU."""
        return {} if self._accelerator is None else self._accelerator.libraries()

    @property
    def strangers(self) -> int:
        """Processes that were on the GPU before this one."""
        return self._strangers

    def memory_sample(self, epochs: float, ours: int, *, training: bool) -> MemorySample:
        """Read what is held at this moment, so many epochs on; `ours` are bytes that measuring itself keeps."""
        host = memory.own_bytes(process_tree(os.getpid())) - ours
        pinned = None if self._accelerator is None else self._accelerator.pinned_bytes()
        return MemorySample(round(epochs, 3), host, memory.shm_bytes(), self.allocated_bytes, training, pinned)
