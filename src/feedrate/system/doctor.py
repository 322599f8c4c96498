"""What on this machine would bend a measurement, and what to do about it."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from feedrate.formatting import gigabytes
from feedrate.system.environment import relevant
from feedrate.system.machine import Machine

__all__ = ["Finding", "SystemView", "findings"]

_NETWORKED = ("nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "gpfs", "fuse.", "9p", "virtiofs")
_UNREAD = ("PYARROW_NUM_THREADS", "ARROW_NUM_THREADS")
_OVERRULED = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("ARROW_IO_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),
)
"""Caps that `feedrate run` sets in what it starts."""
_MANY_FILES = 4096
_SMALL_SHM = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of this machine's numbers should know."""

    what: str
    advice: str


@dataclass(frozen=True)
class SystemView:
    """What is looked at; `root` is where /proc, /sys and /dev lie."""

    machine: Machine
    environ: Mapping[str, str]
    data: Path
    used_gpu_bytes: tuple[int, ...] = ()
    root: Path = Path("/")

    def read(self, path: str) -> str:
        """Content of a file of the system, stripped; empty where there is none."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return ""


def findings(scene: SystemView) -> Iterator[Finding]:
    """Yield what would bend a measurement, the most common first; nothing on a quiet machine with room to spare."""
    checks: tuple[Callable[[SystemView], Iterator[Finding]], ...] = (
        *(_load, _swap, _cores, _quota, _clock, _virtual),
        *(_shared_memory, _open_files, _disk, _gpu, _variables),
    )
    for check in checks:
        yield from check(scene)


def _load(scene: SystemView) -> Iterator[Finding]:
    first = scene.read("proc/loadavg").split(" ")[0]
    cores = scene.machine.usable_cores
    if first and float(first) > 0.25 * cores:
        yield Finding(
            f"load {first} over the last minute on {cores:g} cores, before anything was measured",
            "end what else is running, or measure on another machine",
        )


def _swap(scene: SystemView) -> Iterator[Finding]:
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", scene.read("proc/meminfo"), re.MULTILINE))
    used = 1024 * (int(memory.get("SwapTotal", 0)) - int(memory.get("SwapFree", 0)))
    if used > 64 << 20:
        yield Finding(
            f"{gigabytes(used)} are swapped out", "free memory and run `swapoff -a`: paging stalls any loader"
        )
    available = 1024 * int(memory.get("MemAvailable", 0))
    if memory and available < 0.25 * scene.machine.memory_bytes:
        yield Finding(
            f"only {gigabytes(available)} of {gigabytes(scene.machine.memory_bytes)} memory are available",
            "free memory: a data set that does not stay in the page cache is read from the disk again",
        )


def _cores(scene: SystemView) -> Iterator[Finding]:
    count = len(scene.machine.affinity)
    if count < scene.machine.cores:
        yield Finding(
            f"this process may run on {count} of {scene.machine.cores} processors",
            "nothing to mend if it is meant; `taskset -p $$` shows the affinity",
        )
    if scene.machine.usable_cores < 4:
        yield Finding(
            f"{scene.machine.usable_cores:g} cores: loaders with workers or threads take them from the step",
            "expect little from parallel loaders here; compare them on a machine like the one that trains",
        )


def _quota(scene: SystemView) -> Iterator[Finding]:
    limits = scene.machine.limits
    if limits.cores is not None and limits.cores < len(scene.machine.affinity):
        yield Finding(
            f"the control group allows {limits.cores:g} cores' time on {len(scene.machine.affinity)} processors",
            "raise the limit, or lower --threads to it: a group over its quota stands still until the next period",
        )
    if limits.memory_bytes is not None and limits.memory_bytes < scene.machine.memory_bytes:
        yield Finding(
            f"the control group allows {gigabytes(limits.memory_bytes)} of memory, the page cache among it",
            "keep data set and loader below it together, or raise the limit",
        )


def _clock(scene: SystemView) -> Iterator[Finding]:
    governor = scene.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor not in ("", "performance"):
        yield Finding(
            f"the CPU governor is {governor!r}: the clock follows the load",
            "`cpupower frequency-set -g performance` holds it",
        )
    cpu = "sys/devices/system/cpu"
    if scene.read(f"{cpu}/intel_pstate/no_turbo") == "0" or scene.read(f"{cpu}/cpufreq/boost") == "1":
        yield Finding(
            "turbo is on: the clock depends on temperature and on how many cores are busy",
            "leave it for numbers like in training; turn it off to compare small differences",
        )


def _virtual(scene: SystemView) -> Iterator[Finding]:
    if re.search(r"^flags\s*:.*\bhypervisor\b", scene.read("proc/cpuinfo"), re.MULTILINE):
        yield Finding(
            "this is a virtual machine: neighbours on the same host cannot be seen",
            "use three replicates or more, and believe the interval",
        )


def _shared_memory(scene: SystemView) -> Iterator[Finding]:
    try:
        room = os.statvfs(scene.root / "dev/shm")
    except OSError:
        yield Finding("there is no /dev/shm", "loaders with worker processes need it: mount a tmpfs there")
        return
    size = room.f_frsize * room.f_blocks
    if size < _SMALL_SHM:
        yield Finding(
            f"/dev/shm holds {gigabytes(size)}: worker processes hand batches over through it",
            "enlarge it (`docker run --shm-size=8g`, `mount -o remount,size=8g /dev/shm`)",
        )


def _open_files(scene: SystemView) -> Iterator[Finding]:
    del scene
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _MANY_FILES:
        yield Finding(f"at most {soft} open files a process (could be {hard})", f"`ulimit -n {min(hard, 65_536)}`")


def _disk(scene: SystemView) -> Iterator[Finding]:
    kind = _filesystem(scene)
    if kind == "tmpfs":
        yield Finding(f"{scene.data} lies in memory (tmpfs)", "choose a --data on the disk that training reads from")
    elif kind.startswith(_NETWORKED):
        yield Finding(
            f"{scene.data} lies on a network or host file system ({kind})",
            "others' traffic bends what misses the page cache; choose a local --data, unless training reads there",
        )


def _filesystem(scene: SystemView) -> str:
    """Type of the file system that the data folder is, or would be, on."""
    here = scene.data.resolve()
    mounts = [line.split(" ") for line in scene.read("proc/self/mounts").splitlines()]
    over = [(Path(parts[1]), parts[2]) for parts in mounts if len(parts) > 2]
    above = [(place, kind) for place, kind in over if place == here or place in here.parents]
    return max(above, key=lambda found: len(found[0].parts), default=(here, ""))[1]


def _gpu(scene: SystemView) -> Iterator[Finding]:
    for index, used in enumerate(scene.used_gpu_bytes):
        # A driver that keeps its state loaded holds some hundred MB without any process.
        if used > 1 << 30:
            yield Finding(
                f"GPU {index}: {gigabytes(used)} of its memory are in use before anything ran",
                "end the other processes on it (`nvidia-smi` names them): they share its clock and its bandwidth",
            )
    try:
        build = version("torch")
    except PackageNotFoundError:
        return
    if scene.machine.gpus and "+cpu" in build:
        yield Finding(f"there is a GPU, and torch {build} cannot use it", "install a CUDA build of torch")


def _variables(scene: SystemView) -> Iterator[Finding]:
    found = relevant(scene.environ)
    ignored = [name for name in _UNREAD if name in scene.environ]
    if ignored:
        yield Finding(
            f"{', '.join(ignored)} set, which nobody reads",
            "Arrow's CPU pool follows OMP_NUM_THREADS, its I/O pool ARROW_IO_THREADS",
        )
    rest = [f"{name}={value}" for name, value in found.items() if name not in (*_UNREAD, *_OVERRULED)]
    rest = [text for text in rest if not text.startswith("FEEDRATE_")]
    if rest:
        yield Finding(f"set: {', '.join(rest)}", "unset what training does not set; the record keeps them either way")
    overruled = [name for name in _OVERRULED if name in found]
    if overruled:
        yield Finding(
            f"{', '.join(overruled)} set: `feedrate run` sets thread caps itself", "say --threads N to choose the cap"
        )
