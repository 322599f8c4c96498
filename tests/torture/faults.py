"""Failing system calls: what is preloaded into every process of a run, and which call of it goes wrong."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COMPILER", "Fault", "Shim"]

COMPILER = shutil.which("gcc") or shutil.which("cc")
"""None: nothing can be preloaded here."""
_SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class Fault:
    """One call of a run, counted over all its processes, and what becomes of it; `faults.c` has the words."""

    call: str
    path: str
    """A pattern of the file's path, `{lane}` for the folder of the run."""
    number: int
    act: str

    @property
    def kills(self) -> bool:
        """Whether the process that makes the call is killed; else the call fails."""
        return self.act in ("before", "half", "after")


@dataclass(frozen=True)
class Shim:
    """The library, and the files by which a lane's processes share what it counts and notes."""

    library: Path
    folder: Path

    @classmethod
    def built(cls, folder: Path) -> Shim:
        """Compile it into `folder`."""
        library = folder / "faults.so"
        command = [str(COMPILER), "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run([*command, "-o", str(library), str(_SOURCE), "-ldl"], check=True, timeout=60)
        return cls(library, folder)

    def of(self, folder: Path) -> Shim:
        """The same library with files of another folder."""
        return Shim(self.library, folder)

    def variables(self, fault: Fault | None) -> dict[str, str]:
        """The environment of a run in which that happens."""
        self._counter.write_bytes(bytes(8))
        self._calls.unlink(missing_ok=True)
        quiet = {"LD_PRELOAD": str(self.library), "SHM_LOG": str(self._shared)}
        return quiet | (self._failing(fault) if fault else {})

    def _failing(self, fault: Fault) -> dict[str, str]:
        return {
            "FAULT_CALL": fault.call,
            "FAULT_PATH": fault.path.format(lane=self.folder),
            "FAULT_NUMBER": str(fault.number),
            "FAULT_ACT": fault.act,
            "FAULT_COUNTER": str(self._counter),
            "FAULT_LOG": str(self._calls),
        }

    @property
    def count(self) -> int:
        """Calls that were counted in the last run."""
        return int.from_bytes(self._counter.read_bytes(), "little")

    @property
    def happened(self) -> str:
        """The call that went wrong, as `pid call path`; empty: the run made fewer calls."""
        return self._calls.read_text().strip() if self._calls.exists() else ""

    @property
    def happened_at(self) -> float:
        """When that was, in seconds since the epoch."""
        return self._calls.stat().st_mtime

    def shared(self) -> list[Path]:
        """What runs created in /dev/shm since this was last asked, and is there still."""
        names = self._shared.read_text().splitlines() if self._shared.exists() else []
        self._shared.unlink(missing_ok=True)
        return [path for name in dict.fromkeys(names) if (path := Path("/dev/shm", name)).exists()]

    @property
    def _counter(self) -> Path:
        return self.folder / "counter"

    @property
    def _calls(self) -> Path:
        return self.folder / "calls"

    @property
    def _shared(self) -> Path:
        return self.folder / "shared"
