"""Find what on this machine would bend a measurement, and say what to do about it."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from feedrate.formatting import byte_size
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
    """The machine, variables and folders that are looked at; `root` is where /proc, /sys and /dev lie."""

    machine: Machine
    environ: Mapping[str, str]
    data: Path
    used_gpu_bytes: tuple[int, ...] = ()
    root: Path = Path("/")

    def read(self, path: str) -> str:
        """Read a file of the system, stripped; empty where there is none."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return ""


def findings(view: SystemView) -> Iterator[Finding]:
    """Yield what would bend a measurement, the most common first; nothing on a quiet machine with room to spare."""
    checks: tuple[Callable[[SystemView], Iterator[Finding]], ...] = (
        *(_load, _swap, _cores, _quota, _clock, _virtual),
        *(_shared_memory, _open_files, _disk, _gpu, _variables),
    )
    for check in checks:
        yield from check(view)


def _load(view: SystemView) -> Iterator[Finding]:
    first = view.read("proc/loadavg").split(" ")[0]
    cores = view.machine.usable_cores
    if first and float(first) > 0.25 * cores:
        yield Finding(
            f"load {first} over the last minute on {cores:g} cores, before anything was measured",
            "end what else is running, or measure on another machine",
        )


def _swap(view: SystemView) -> Iterator[Finding]:
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", view.read("proc/meminfo"), re.MULTILINE))
    used = 1024 * (int(memory.get("SwapTotal", 0)) - int(memory.get("SwapFree", 0)))
    if used > 64 << 20:
        yield Finding(
            f"{byte_size(used)} are swapped out", "free memory and run `swapoff -a`: paging stalls any loader"
        )
    available = 1024 * int(memory.get("MemAvailable", 0))
    if memory and available < 0.25 * view.machine.memory_bytes:
        yield Finding(
            f"only {byte_size(available)} of {byte_size(view.machine.memory_bytes)} memory are available",
            "free memory: a data set that does not stay in the page cache is read from the disk again",
        )


def _cores(view: SystemView) -> Iterator[Finding]:
    count = len(view.machine.affinity)
    if count < view.machine.cores:
        yield Finding(
            f"this process may run on {count} of {view.machine.cores} processors",
            "nothing to mend if it is meant; `taskset -p $$` shows the affinity",
        )
    if view.machine.usable_cores < 4:
        yield Finding(
            f"{view.machine.usable_cores:g} cores: loaders with workers or threads take them from the step",
            "expect little from parallel loaders here; compare them on a machine like the one that trains",
        )


def _quota(view: SystemView) -> Iterator[Finding]:
    limits = view.machine.limits
    if limits.cores is not None and limits.cores < len(view.machine.affinity):
        yield Finding(
            f"the control group allows {limits.cores:g} cores' time on {len(view.machine.affinity)} processors",
            "raise the limit, or lower --threads to it: a group over its quota stands still until the next period",
        )
    if limits.memory_bytes is not None and limits.memory_bytes < view.machine.memory_bytes:
        yield Finding(
            f"the control group allows {byte_size(limits.memory_bytes)} of memory, the page cache among it",
            "keep data set and loader below it together, or raise the limit",
        )


def _clock(view: SystemView) -> Iterator[Finding]:
    governor = view.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor not in ("", "performance"):
        yield Finding(
            f"the CPU governor is {governor!r}: the clock follows the load",
            "`cpupower frequency-set -g performance` holds it",
        )
    cpu = "sys/devices/system/cpu"
    if view.read(f"{cpu}/intel_pstate/no_turbo") == "0" or view.read(f"{cpu}/cpufreq/boost") == "1":
        yield Finding(
            "turbo is on: the clock depends on temperature and on how many cores are busy",
            "leave it for numbers like in training; turn it off to compare small differences",
        )


def _virtual(view: SystemView) -> Iterator[Finding]:
    if re.search(r"^flags\s*:.*\bhypervisor\b", view.read("proc/cpuinfo"), re.MULTILINE):
        yield Finding(
            "this is a virtual machine: neighbours on the same host cannot be seen",
            "use three replicates or more, and believe the interval",
        )


def _shared_memory(view: SystemView) -> Iterator[Finding]:
    try:
        room = os.statvfs(view.root / "dev/shm")
    except OSError:
        yield Finding("there is no /dev/shm", "loaders with worker processes need it: mount a tmpfs there")
        return
    size = room.f_frsize * room.f_blocks
    if size < _SMALL_SHM:
        yield Finding(
            f"/dev/shm holds {byte_size(size)}: worker processes hand batches over through it",
            "enlarge it (`docker run --shm-size=8g`, `mount -o remount,size=8g /dev/shm`)",
        )


def _open_files(view: SystemView) -> Iterator[Finding]:
    del view
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _MANY_FILES:
        yield Finding(f"at most {soft} open files a process (could be {hard})", f"`ulimit -n {min(hard, 65_536)}`")


def _disk(view: SystemView) -> Iterator[Finding]:
    kind = _filesystem(view)
    if kind == "tmpfs":
        yield Finding(f"{view.data} lies in memory (tmpfs)", "choose a --data on the disk that training reads from")
    elif kind.startswith(_NETWORKED):
        yield Finding(
            f"{view.data} lies on a network or host file system ({kind})",
            "others' traffic bends what misses the page cache; choose a local --data, unless training reads there",
        )


def _filesystem(view: SystemView) -> str:
    """Type of the file system that the data folder is, or would be, on."""
    here = view.data.resolve()
    mounts = [line.split(" ") for line in view.read("proc/self/mounts").splitlines()]
    over = [(Path(parts[1]), parts[2]) for parts in mounts if len(parts) > 2]
    above = [(place, kind) for place, kind in over if place == here or place in here.parents]
    return max(above, key=lambda mount: len(mount[0].parts), default=(here, ""))[1]


def _gpu(view: SystemView) -> Iterator[Finding]:
    for index, used in enumerate(view.used_gpu_bytes):
        # A driver that keeps its state loaded holds some hundred MB without any process.
        if used > 1 << 30:
            yield Finding(
                f"GPU {index}: {byte_size(used)} of its memory are in use before anything ran",
                "end the other processes on it (`nvidia-smi` names them): they share its clock and its bandwidth",
            )
    try:
        build = version("torch")
    except PackageNotFoundError:
        return
    if view.machine.gpus and "+cpu" in build:
        yield Finding(f"there is a GPU, and torch {build} cannot use it", "install a CUDA build of torch")


def _variables(view: SystemView) -> Iterator[Finding]:
    variables = relevant(view.environ)
    ignored = [name for name in _UNREAD if name in view.environ]
    if ignored:
        yield Finding(
            f"{', '.join(ignored)} set, which nobody reads",
            "Arrow's CPU pool follows OMP_NUM_THREADS, its I/O pool ARROW_IO_THREADS",
        )
    rest = [f"{name}={value}" for name, value in variables.items() if name not in (*_UNREAD, *_OVERRULED)]
    rest = [text for text in rest if not text.startswith("FEEDRATE_")]
    if rest:
        yield Finding(f"set: {', '.join(rest)}", "unset what training does not set; the record keeps them either way")
    overruled = [name for name in _OVERRULED if name in variables]
    if overruled:
        yield Finding(
            f"{', '.join(overruled)} set: `feedrate run` sets thread caps itself",
            "say --threads N to choose the cap, --pool NAME=N that of one pool",
        )
