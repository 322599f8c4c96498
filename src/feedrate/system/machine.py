"""Describe this machine: processor, limits, memory and GPUs, read without torch."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from feedrate.system.nvml import Gpu, gpus

__all__ = ["CgroupLimits", "Gpu", "Machine", "gpus", "limits", "machine", "machine_name", "stopped_s"]


@dataclass(frozen=True)
class CgroupLimits:
    """Limits that the control groups of this process set; None: no limit, or none that can be seen."""

    cores: float | None
    memory_bytes: int | None


@dataclass(frozen=True)
class Machine:
    """The machine that a measurement ran on."""

    name: str
    cpu: str
    cores: int
    """Logical processors of the machine."""
    affinity: tuple[int, ...]
    """Processors that this process may run on."""
    memory_bytes: int
    limits: CgroupLimits
    gpus: tuple[Gpu, ...]

    @property
    def usable_cores(self) -> float:
        """Processors that this process can keep busy: the affinity, or what its control group allows if less."""
        return min(len(self.affinity), self.limits.cores or len(self.affinity))

    @property
    def usable_bytes(self) -> int:
        """Host memory that this process can use."""
        return min(self.memory_bytes, self.limits.memory_bytes or self.memory_bytes)


def machine(root: Path = Path("/")) -> Machine:
    """Describe the machine this process runs on; `root` is where /proc and /sys lie."""
    return Machine(
        name=machine_name(),
        cpu=_cpu(root / "proc/cpuinfo"),
        cores=os.cpu_count() or 1,
        affinity=tuple(sorted(os.sched_getaffinity(0))),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        limits=limits(root),
        gpus=gpus(),
    )


def machine_name(node: str = "", devices: tuple[Gpu, ...] | None = None) -> str:
    """Name the machine by node and GPU, such as `box-nvidia-h100-80gb-hbm3`, `box-2x-nvidia-l4` or `box-cpu`.

    Results are kept by machine name, so a box whose GPU changes is another machine.
    """
    counted = Counter(gpu.name for gpu in (gpus() if devices is None else devices))
    parts = [f"{count}x-{name}" if count > 1 else name for name, count in counted.items()] or ["cpu"]
    return re.sub(r"[^a-z0-9_.]+", "-", "-".join([node or platform.node(), *parts]).lower()).strip("-")


def limits(root: Path = Path("/")) -> CgroupLimits:
    """Find the tightest limits on the way from this process's control group to the root, version 2 or 1."""
    groups = root / "sys/fs/cgroup"
    cores: list[float] = []
    sizes: list[int] = []
    for controllers, path in _memberships(root / "proc/self/cgroup"):
        for folder in _upwards(groups, controllers, path):
            cores += _quota(folder)
            sizes += _numbers(folder / "memory.max") + _numbers(folder / "memory.limit_in_bytes")
    # Version 1 says "no limit" with a number near 2**63.
    sizes = [size for size in sizes if size < 1 << 60]
    return CgroupLimits(min(cores, default=None), min(sizes, default=None))


def stopped_s(root: Path = Path("/")) -> float:
    """Seconds that a control group of this process has stood still so far, its quota of processor time used up."""
    groups = root / "sys/fs/cgroup"
    folders = {
        folder
        for controllers, path in _memberships(root / "proc/self/cgroup")
        for folder in _upwards(groups, controllers, path)
    }
    return max((_stopped_s(folder) for folder in folders), default=0.0)


def _stopped_s(folder: Path) -> float:
    """Version 2 counts microseconds, version 1 nanoseconds."""
    counts = dict(line.split() for line in _read(folder / "cpu.stat").splitlines() if len(line.split()) == 2)
    return int(counts.get("throttled_usec", 0)) / 1e6 + int(counts.get("throttled_time", 0)) / 1e9


def _memberships(file: Path) -> list[tuple[str, str]]:
    """(controllers, path) of each hierarchy that this process is in; version 2 has no controllers there."""
    lines = [line.split(":", 2) for line in _read(file).splitlines()]
    return [(parts[1], parts[2]) for parts in lines if len(parts) == 3]


def _upwards(groups: Path, controllers: str, path: str) -> list[Path]:
    base = groups / controllers if controllers else groups
    inner = base / path.lstrip("/")
    # In a container the path is often the host's, and the group itself is mounted at the base.
    return [folder for folder in (inner, *inner.parents) if folder == base or base in folder.parents]


def _quota(folder: Path) -> list[float]:
    pair = _read(folder / "cpu.max").split()
    if not pair:
        pair = [_read(folder / f"cpu.cfs_{part}_us").strip() for part in ("quota", "period")]
    if len(pair) == 2 and all(part.isdigit() and int(part) > 0 for part in pair):
        return [int(pair[0]) / int(pair[1])]
    return []


def _numbers(file: Path) -> list[int]:
    text = _read(file).strip()
    return [int(text)] if text.isdigit() else []


def _cpu(file: Path) -> str:
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", _read(file), re.MULTILINE)
    return model[1].strip() if model else platform.processor() or platform.machine()


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
