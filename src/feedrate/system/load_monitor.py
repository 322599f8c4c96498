"""Add up CPU time, disk reads and stalls of this process tree and of everyone else during timed windows, from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from feedrate.records.conditions import Conditions
from feedrate.records.digits import microseconds
from feedrate.system.procfs import TICKS_PER_S, process_tree
from feedrate.system.stopwatch import now_s

__all__ = ["LoadMonitor"]

_STALLS = ("cpu", "io", "memory")


class LoadMonitor:
    """Add up what a process and its descendants used, and what others did, over the stretches inside `watched`."""

    def __init__(self, root: Path = Path("/"), pid: int | None = None) -> None:
        """Read below `root`, where /proc lies, of process `pid`; None: of this one."""
        self._proc, self._pid = root / "proc", pid or os.getpid()
        self._totals: dict[str, float] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count what happens inside the block; what is read from /proc is read before and after it."""
        before = self._now()
        try:
            yield
        finally:
            after = self._now()
            for name in before.keys() & after.keys():
                self._totals[name] = self._totals.get(name, 0.0) + after[name] - before[name]

    def conditions(self) -> Conditions:
        """Give the totals so far."""
        # The kernel counts no stall finer than a microsecond; the other digits are those of a difference of floats.
        totals = {name: microseconds(total) for name, total in self._totals.items()}
        return Conditions(
            watched_s=totals.get("s", 0.0),
            cores=os.cpu_count() or 1,
            own_core_s=totals.get("own", 0.0),
            all_core_s=totals.get("all", 0.0),
            stolen_core_s=totals.get("stolen", 0.0),
            disk_read_bytes=int(totals["read"]) if "read" in totals else None,
            swapped_pages=int(totals.get("swapped", 0)),
            stalled_s={name: totals[name] for name in _STALLS if name in totals},
        )

    def _now(self) -> dict[str, float]:
        own = list(process_tree(self._pid))
        counters = {"s": now_s(), "own": sum(map(self._core_s, own)), **self._machine()}
        swaps = re.findall(r"^pswp(?:in|out) (\d+)$", self._read("vmstat"), re.MULTILINE)
        counters["swapped"] = float(sum(map(int, swaps)))
        reads = [number for pid in own for number in re.findall(r"^read_bytes: (\d+)$", self._read(f"{pid}/io"), re.M)]
        if reads:
            counters["read"] = float(sum(map(int, reads)))
        return counters | dict(self._stalls())

    def _machine(self) -> Mapping[str, float]:
        """Seconds of all cores together at work for somebody, and taken by the host of a virtual machine."""
        words = self._read("stat").partition("\n")[0].split()[1:]
        user, nice, system, _, _, interrupts, soft, stolen = (int(word) / TICKS_PER_S for word in words[:8])
        return {"all": user + nice + system + interrupts + soft, "stolen": stolen}

    def _core_s(self, pid: int) -> float:
        """Seconds that a process, and those of its children that it has waited for, had of processors."""
        fields = self._read(f"{pid}/stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS_PER_S

    def _stalls(self) -> Iterator[tuple[str, float]]:
        """Seconds that some process waited for a processor, the disk or memory; nothing on kernels that do not say."""
        for name in _STALLS:
            total = re.search(r"^some .*total=(\d+)$", self._read(f"pressure/{name}"), re.MULTILINE)
            if total:
                yield name, int(total[1]) / 1e6

    def _read(self, path: str) -> str:
        try:
            return (self._proc / path).read_text()
        except OSError:
            # Not on this kernel, or the process has ended.
            return ""
