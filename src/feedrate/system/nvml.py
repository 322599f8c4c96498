"""Ask NVIDIA's management library for GPUs, their memory, clocks and processes; no torch, no CUDA context."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from contextlib import contextmanager, suppress
from ctypes import Structure, byref, c_uint, c_ulonglong, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from feedrate.records.conditions import GpuClock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Ask", "Gpu", "busy_share", "clock", "gpus", "listed", "parsed", "tenants", "used_bytes"]

Ask: TypeAlias = Callable[..., int]
"""(name of a function of the library, its arguments) -> 0 when it went well."""

_TEXT_BYTES = 96
"""NVML_DEVICE_NAME_V2_BUFFER_SIZE, the longest of its text buffers."""


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU, as its driver describes it."""

    name: str
    memory_bytes: int
    driver: str


class Memory(Structure):
    """`nvmlMemory_t`."""

    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class Utilization(Structure):
    """`nvmlUtilization_t`, in per cent."""

    _fields_ = (("gpu", c_uint), ("memory", c_uint))


# A GPU neither comes nor goes while a process lives, and starting the library takes tens of milliseconds.
@cache
def gpus() -> tuple[Gpu, ...]:
    """List the GPUs of this machine, in the driver's order; those that CUDA_VISIBLE_DEVICES hides are among them."""
    ask = _library()
    return _client() if ask is None else listed(ask)


def listed(ask: Ask) -> tuple[Gpu, ...]:
    """List what the library says of each GPU; nothing when there is no driver behind it."""
    with _started(ask) as handles:
        driver = _text(ask, "nvmlSystemGetDriverVersion")
        return tuple(
            Gpu(_text(ask, "nvmlDeviceGetName", handle), int(_memory(ask, handle).total), driver) for handle in handles
        )


def used_bytes(ask: Ask | None = None) -> tuple[int, ...]:
    """Read how much memory of each GPU is in use at this moment; empty without the library."""
    ask = ask or _library()
    if ask is None:
        return ()
    with _started(ask) as handles:
        return tuple(int(_memory(ask, handle).used) for handle in handles)


_SM = 1
"""NVML_CLOCK_SM: the clock of the processors."""
_CORE = 0
"""NVML_TEMPERATURE_GPU: the sensor of the processors."""


def clock(uuid: str, ask: Ask | None = None) -> GpuClock | None:
    """Read how fast the GPU of that UUID (`GPU-...`) runs at this moment, why no faster, and how warm; None: unknown.

    Call it right after work, for an idle GPU lowers its clock.
    """
    ask = ask or _library()
    if ask is None:
        return None
    with _handle(ask, uuid) as handle:
        if handle is None:
            return None
        now, default, reasons = c_uint(), c_uint(), c_ulonglong()
        if ask("nvmlDeviceGetClockInfo", handle, _SM, byref(now)) != 0:
            return None
        # Drivers leave it out one after the other: without a default nothing is compared with it.
        with suppress(AttributeError):
            ask("nvmlDeviceGetDefaultApplicationsClock", handle, _SM, byref(default))
        with suppress(AttributeError):
            ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle, byref(reasons))
        milliwatts = _asked(ask, "nvmlDeviceGetPowerUsage", handle)
        celsius = _asked(ask, "nvmlDeviceGetTemperature", handle, _CORE)
        watts = None if milliwatts is None else milliwatts / 1e3
        return GpuClock(now.value, default.value, reasons.value, watts, celsius)


def _asked(ask: Ask, function: str, *arguments: object) -> int | None:
    """Give a whole number that the library tells; None: it does not."""
    value = c_uint()
    with suppress(AttributeError):
        if ask(function, *arguments, byref(value)) == 0:
            return value.value
    return None


def busy_share(uuid: str, ask: Ask | None = None) -> float | None:
    """Read for what share of up to a second, as the driver counts it, some kernel ran; None: unknown.

    It counts time, not how much of the GPU a kernel fills.
    """
    ask = ask or _library()
    if ask is None:
        return None
    rates = Utilization()
    with _handle(ask, uuid) as handle, suppress(AttributeError):
        if handle is not None and ask("nvmlDeviceGetUtilizationRates", handle, byref(rates)) == 0:
            return int(rates.gpu) / 100
    return None


def tenants(uuid: str, ask: Ask | None = None) -> int:
    """Count the processes that have a compute context on that GPU, as far as this process may see them."""
    ask = ask or _library()
    if ask is None:
        return 0
    count = c_uint()
    with _handle(ask, uuid) as handle, suppress(AttributeError):
        if handle is not None:
            # Without room for an answer the library says how many there are, and that it lacks room.
            ask("nvmlDeviceGetComputeRunningProcesses_v3", handle, byref(count), None)
    return count.value


@contextmanager
def _handle(ask: Ask, uuid: str) -> Iterator[c_void_p | None]:
    """Open the handle of one GPU, valid inside the block; None where there is none of that UUID."""
    if ask("nvmlInit_v2") != 0:
        yield None
        return
    try:
        handle = c_void_p()
        yield handle if ask("nvmlDeviceGetHandleByUUID", uuid.encode(), byref(handle)) == 0 else None
    finally:
        ask("nvmlShutdown")


def _library() -> Ask | None:
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return lambda function, *arguments: int(getattr(library, function)(*arguments))


@contextmanager
def _started(ask: Ask) -> Iterator[tuple[c_void_p, ...]]:
    """Open a handle for each GPU, valid inside the block."""
    if ask("nvmlInit_v2") != 0:
        yield ()
        return
    try:
        count = c_uint()
        ask("nvmlDeviceGetCount_v2", byref(count))
        handles = [(index, c_void_p()) for index in range(count.value)]
        # A GPU that has fallen off the bus, or that a container hides, has an index and no handle.
        yield tuple(h for index, h in handles if ask("nvmlDeviceGetHandleByIndex_v2", index, byref(h)) == 0)
    finally:
        ask("nvmlShutdown")


def _memory(ask: Ask, handle: c_void_p) -> Memory:
    memory = Memory()
    ask("nvmlDeviceGetMemoryInfo", handle, byref(memory))
    return memory


def _text(ask: Ask, function: str, *arguments: object) -> str:
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    return text.value.decode(errors="replace") if ask(function, *arguments, text, _TEXT_BYTES) == 0 else ""


def _client() -> tuple[Gpu, ...]:
    """Ask `nvidia-smi` for the GPUs, where there is a client and no library."""
    client = shutil.which("nvidia-smi")
    if client is None:
        return ()
    command = [client, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parsed(done.stdout)


def parsed(text: str) -> tuple[Gpu, ...]:
    """Read the lines `name, MiB, driver` of `nvidia-smi` as GPUs."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return tuple(Gpu(row[0], int(row[1]) << 20, row[2]) for row in rows if len(row) == 3 and row[1].isdigit())
