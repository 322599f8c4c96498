"""What the machine does besides, while windows are timed: read from /proc before and after, never inside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from feedrate.records.conditions import Conditions
from feedrate.system.memory import family
from feedrate.system.stopwatch import now_s

__all__ = ["LoadMonitor"]

_TICKS_PER_S = 100
"""USER_HZ, fixed in Linux's interface on every platform that torch runs on."""
_STALLS = ("cpu", "io", "memory")


class LoadMonitor:
    """Adds up, over the stretches it is told of, what this process and its descendants used and what others did."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Read below `root`, where /proc lies."""
        self._proc = root / "proc"
        self._seen: dict[str, float] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count what happens inside."""
        before = self._now()
        try:
            yield
        finally:
            after = self._now()
            for name in before.keys() & after.keys():
                self._seen[name] = self._seen.get(name, 0.0) + after[name] - before[name]

    def found(self) -> Conditions:
        """Everything so far."""
        seen = self._seen
        return Conditions(
            watched_s=seen.get("s", 0.0),
            cores=os.cpu_count() or 1,
            own_core_s=seen.get("own", 0.0),
            all_core_s=seen.get("all", 0.0),
            stolen_core_s=seen.get("stolen", 0.0),
            disk_read_bytes=int(seen["read"]) if "read" in seen else None,
            swapped_pages=int(seen.get("swapped", 0)),
            stalled_s={name: seen[name] for name in _STALLS if name in seen},
        )

    def _now(self) -> dict[str, float]:
        own = list(family(os.getpid()))
        found = {"s": now_s(), "own": sum(map(self._core_s, own)), **self._machine()}
        swaps = re.findall(r"^pswp(?:in|out) (\d+)$", self._read("vmstat"), re.MULTILINE)
        found["swapped"] = float(sum(map(int, swaps)))
        reads = [number for pid in own for number in re.findall(r"^read_bytes: (\d+)$", self._read(f"{pid}/io"), re.M)]
        if reads:
            found["read"] = float(sum(map(int, reads)))
        return found | dict(self._stalls())

    def _machine(self) -> Mapping[str, float]:
        """Seconds of all cores together at work for somebody, and taken by the host of a virtual machine."""
        words = self._read("stat").partition("\n")[0].split()[1:]
        user, nice, system, _, _, interrupts, soft, stolen = (int(word) / _TICKS_PER_S for word in words[:8])
        return {"all": user + nice + system + interrupts + soft, "stolen": stolen}

    def _core_s(self, pid: int) -> float:
        """Seconds that a process, and those of its children that it has waited for, had of processors."""
        fields = self._read(f"{pid}/stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS_PER_S

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
