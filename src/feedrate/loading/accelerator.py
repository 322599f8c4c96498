"""Talk to the device that batches go to: streams, events, page-locked memory, copies, and what memory is held."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch

from feedrate.loading.copied_bytes import CopiedBytes
from feedrate.records.cell_key import SIMULATED
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Accelerator", "Cuda", "DeviceStream", "Event", "Graph", "accelerator_of"]

_TICKS = 20_000_000
_TRACING = frozenset({"NVTX_INJECTION64_PATH", "NSYS_PROFILING_SESSION_ID"})
"""Variables that NVTX and Nsight Systems know a tool by."""
_SIMULATED_BYTES, _SIMULATED_PINNED_BYTES = 512 << 20, 256 << 20
"""Of the device that is no hardware: enough for every workload at `tiny`, and soon filled with poison."""


class Event(Protocol):
    """Marks a place in the work of a stream."""

    def record(self) -> None:
        """Mark the end of what the current stream has been given so far."""

    def query(self) -> bool:
        """Whether all before the mark is done; True where nothing was marked yet."""

    def synchronize(self) -> None:
        """Wait until all before the mark is done."""


class DeviceStream(Protocol):
    """Work of a device that is done in the order in which it was given."""

    def wait_event(self, event: Any) -> None:
        """Have what is given from now on wait for what an event marked, without waiting here."""

    def wait_stream(self, stream: Any) -> None:
        """Have what is given from now on wait for what another stream has been given so far, without waiting here."""

    def synchronize(self) -> None:
        """Wait until all that it was given is done."""


class Graph(Protocol):
    """Work of a device that was captured, to be given to it again and again as a whole."""

    def replay(self) -> None:
        """Give it to the current stream: the same operations on the same addresses, whatever these hold by then."""


class Accelerator(Protocol):
    """What is asked of a device beside the host; torch's operations on its tensors run in the current stream.

    Another kind of device is another class of this form, and a line of `accelerator_of`.
    """

    @property
    def torch_pins(self) -> bool:
        """Whether torch's own loader can page-lock batches for this device."""

    @property
    def torch_device(self) -> str:
        """Where torch makes tensors for it."""

    @property
    def uuid(self) -> str:
        """What NVIDIA's management library calls it; empty: that knows nothing of it."""

    @property
    def is_traced(self) -> bool:
        """Whether one of the vendor's tracing tools watches this process: then single batches are named, too."""

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is in the device's memory."""

    def place(self, model: nn.Module) -> nn.Module:
        """Move a model's parameters and buffers to the device; gives the same model. Raises as `empty`."""

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Allocate a tensor on the device, for work of the current stream.

        Raises:
            torch.OutOfMemoryError: there is no room.
        """

    def to_device(self, tensor: Tensor) -> Tensor:
        """Copy a tensor of the host in the current stream; from page-locked memory without waiting. Raises as `empty`.

        Page-locked memory must hold the same bytes until the copy is done. A tensor that is there already is shared.
        """

    def copy(self, target: Tensor, source: Tensor) -> None:
        """Copy a tensor of the host over one of the device, as `to_device` does."""

    def copied_bytes(self) -> tuple[int, int]:
        """Count bytes that `to_device` and `copy` took so far in this process, from page-locked memory and other."""

    def stream(self) -> DeviceStream:
        """Make a stream of its own."""

    def current_stream(self) -> DeviceStream:
        """Give the stream that this thread's operations go to."""

    def using(self, stream: DeviceStream | None) -> AbstractContextManager[object]:
        """Send this thread's operations to a stream inside the block; None: to the one that they go to already."""

    def event(self) -> Event:
        """Make an event."""

    def record_stream(self, tensor: Tensor, stream: DeviceStream) -> None:
        """Keep a tensor's memory, once dropped, until the stream has done what it was given by then.

        Without it, memory goes back to the stream that it was allocated for, whatever others still do with it.
        """

    def synchronize(self) -> None:
        """Wait until the device has done all that it was given."""

    def delay(self, seconds: float) -> None:
        """Keep the current stream from its further work for so long, without waiting here."""

    def capture(self) -> AbstractContextManager[Graph]:
        """Note in a graph what this thread gives to the device inside the block, instead of having it done.

        Waits for the device first. What is allocated inside lies in memory that the graph keeps for itself, and holds
        what the last replay left there; what was allocated before must live as long as the graph is replayed.

        Raises:
            RuntimeError: something inside waits for the device, or is no work that can be given to it again.
        """

    def make_capturable(self, optimizer: torch.optim.Optimizer) -> None:
        """Have an optimizer count its steps on the device, where a graph can; before its first step."""

    def page_locked(self, nbytes: int) -> Tensor:
        """Allocate page-locked memory of the host, uint8 (nbytes,)."""

    def pin_memory(self, tensor: Tensor) -> Tensor:
        """Copy a tensor into page-locked memory; one that is there already is shared."""

    def lock_pages(self, memory: Tensor) -> bool:
        """Page-lock memory of the host that is there already; False: the system refuses."""

    def unlock_pages(self, memory: Tensor) -> None:
        """Undo `lock_pages`, when nothing is copied from it any more."""

    def total_bytes(self) -> int:
        """Memory that the device has."""

    def free_bytes(self) -> int:
        """Memory of the device that nobody holds."""

    def allocated_bytes(self) -> int:
        """Memory of the device in tensors of this process."""

    def reserved_bytes(self) -> int:
        """The same, and what this process keeps to use again."""

    def peak_bytes(self) -> tuple[int, int]:
        """Give the largest allocated and reserved bytes since `reset_peaks`."""

    def empty_cache(self) -> None:
        """Give memory that is held in reserve back to the device; waits for it."""

    def reset_peaks(self) -> None:
        """Give back what is kept to be used again, and count peaks from here."""

    def pinned_bytes(self) -> int:
        """Page-locked memory of the host that `page_locked` and `pin_memory` hold; 0 where nobody counts it."""

    def named(self, name: str) -> AbstractContextManager[object]:
        """Have the vendor's tracing tools show what happens inside the block under a name; without one, nothing."""

    def libraries(self) -> dict[str, str]:
        """Versions of the libraries below torch by name, and `arch_list`: what torch's kernels were compiled for."""


_COPIED_TO_CUDA = CopiedBytes()


@dataclass(frozen=True)
class Cuda:
    """A GPU of NVIDIA's, or of AMD's under ROCm, whose torch calls it CUDA; see `Accelerator`."""

    torch_pins = True
    torch_device = "cuda"

    @property
    def uuid(self) -> str:
        """See `Accelerator`."""
        return f"GPU-{torch.cuda.get_device_properties(0).uuid}"

    @property
    def is_traced(self) -> bool:
        """See `Accelerator`."""
        return not _TRACING.isdisjoint(os.environ)

    def holds(self, tensor: Tensor) -> bool:
        """See `Accelerator`."""
        return tensor.is_cuda

    def place(self, model: nn.Module) -> nn.Module:
        """See `Accelerator`."""
        return model.to("cuda")

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """See `Accelerator`."""
        return torch.empty(shape, dtype=dtype, device="cuda")

    def to_device(self, tensor: Tensor) -> Tensor:
        """See `Accelerator`."""
        if not tensor.is_cuda:
            _COPIED_TO_CUDA.add(tensor.nbytes, pinned=tensor.is_pinned())
        return tensor.to("cuda", non_blocking=True)

    def copy(self, target: Tensor, source: Tensor) -> None:
        """See `Accelerator`."""
        _COPIED_TO_CUDA.add(source.nbytes, pinned=source.is_pinned())
        target.copy_(source, non_blocking=True)

    def copied_bytes(self) -> tuple[int, int]:
        """See `Accelerator`."""
        return _COPIED_TO_CUDA.so_far

    def stream(self) -> DeviceStream:
        """See `Accelerator`."""
        return cast("DeviceStream", torch.cuda.Stream())

    def current_stream(self) -> DeviceStream:
        """See `Accelerator`."""
        return cast("DeviceStream", torch.cuda.current_stream())

    def using(self, stream: DeviceStream | None) -> AbstractContextManager[object]:
        """See `Accelerator`."""
        return torch.cuda.stream(cast("torch.cuda.Stream | None", stream))

    def event(self) -> Event:
        """See `Accelerator`."""
        return cast("Event", torch.cuda.Event())

    def record_stream(self, tensor: Tensor, stream: DeviceStream) -> None:
        """See `Accelerator`."""
        tensor.record_stream(cast("torch.Stream", stream))

    def synchronize(self) -> None:
        """See `Accelerator`."""
        torch.cuda.synchronize()

    def delay(self, seconds: float) -> None:
        """See `Accelerator`."""
        torch.cuda._sleep(round(seconds * _ticks_per_s()))

    @contextmanager
    def capture(self) -> Iterator[Graph]:
        """See `Accelerator`."""
        graph = torch.cuda.CUDAGraph()
        # Of this thread only: those of a loader may page-lock memory meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            yield cast("Graph", graph)

    def make_capturable(self, optimizer: torch.optim.Optimizer) -> None:
        """See `Accelerator`."""
        for group in optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True

    def page_locked(self, nbytes: int) -> Tensor:
        """See `Accelerator`."""
        return torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)

    def pin_memory(self, tensor: Tensor) -> Tensor:
        """See `Accelerator`."""
        return tensor if tensor.is_pinned() else tensor.pin_memory()

    def lock_pages(self, memory: Tensor) -> bool:
        """See `Accelerator`."""
        return int(torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.nbytes, 0)) == 0

    def unlock_pages(self, memory: Tensor) -> None:
        """See `Accelerator`."""
        torch.cuda.cudart().cudaHostUnregister(memory.data_ptr())

    def total_bytes(self) -> int:
        """See `Accelerator`."""
        return torch.cuda.mem_get_info()[1]

    def free_bytes(self) -> int:
        """See `Accelerator`."""
        return torch.cuda.mem_get_info()[0]

    def allocated_bytes(self) -> int:
        """See `Accelerator`."""
        return torch.cuda.memory_allocated()

    def reserved_bytes(self) -> int:
        """See `Accelerator`."""
        return torch.cuda.memory_reserved()

    def peak_bytes(self) -> tuple[int, int]:
        """See `Accelerator`."""
        return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()

    def empty_cache(self) -> None:
        """See `Accelerator`."""
        torch.cuda.empty_cache()

    def reset_peaks(self) -> None:
        """See `Accelerator`."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def pinned_bytes(self) -> int:
        """See `Accelerator`."""
        # Older versions of torch do not count it.
        stats = getattr(torch.cuda, "host_memory_stats", None)
        if stats is None or not torch.cuda.is_initialized():
            return 0
        return int(stats().get("active_bytes.current", 0))

    def named(self, name: str) -> AbstractContextManager[object]:
        """See `Accelerator`."""
        return torch.cuda.nvtx.range(name)

    def libraries(self) -> dict[str, str]:
        """See `Accelerator`."""
        versions = {"cuda": torch.version.cuda, "hip": torch.version.hip, "cudnn": torch.backends.cudnn.version()}
        there = {name: str(version) for name, version in versions.items() if version is not None}
        return {**there, "arch_list": " ".join(torch.cuda.get_arch_list())}


def accelerator_of(device: str) -> Accelerator | None:
    """Give what a device is talked to through, by the name that a cell has of it; None: it is the host."""
    if device == "cpu":
        return None
    return _simulated() if device == SIMULATED else Cuda()


@cache
def _simulated() -> Accelerator:
    """Give the one simulated device of this process."""
    from feedrate.loading.simulated.accelerator import SimulatedAccelerator

    return SimulatedAccelerator(_SIMULATED_BYTES, _SIMULATED_PINNED_BYTES)


@cache
def _ticks_per_s() -> float:
    """Of the clock that `torch.cuda._sleep` counts, measured on it."""
    # The first launch loads the kernel.
    torch.cuda._sleep(1)
    torch.cuda.synchronize()
    start = now_s()
    torch.cuda._sleep(_TICKS)
    torch.cuda.synchronize()
    return _TICKS / (now_s() - start)
