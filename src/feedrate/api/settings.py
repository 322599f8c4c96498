"""Keep the settings of a session, and who asks for it."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from rich.console import Console

from feedrate.api.fallbacks import OOM, Fallbacks
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.knobs import near
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.workload import Workload
from feedrate.report.console import console
from feedrate.system.threadpools import ARROW, POOLS

__all__ = [
    "NAMED",
    "RANDOM",
    "RUN",
    "SAFE",
    "Caller",
    "CellParts",
    "SessionOptions",
    "Settings",
    "demand_count",
    "demand_run_name",
    "run_name",
]

RUN = "FEEDRATE_RUN"
"""Variable with which a program that starts feedrate many times names all of it one run."""


SAFE = "FORCE_SINGLE_PROCESS"
"""Variable with which a command starts no worker processes."""
RANDOM, NAMED = "random", "named"
"""Orders of cells, besides a number that one follows from."""


class CellParts(TypedDict, total=False):
    """A cell in parts, each an object or its text, such as `Threads(count=2)` or `"threads[count=2]"`."""

    workload: Workload | str
    loader: Loader | str
    step: Step | str
    size: str | None
    """tiny, small, full or seed; None: small on a CPU and full on a GPU."""
    device: str | None
    """cpu, cuda or simulated; None: the GPU if there is one."""


class SessionOptions(TypedDict, total=False):
    """Keywords of `Session`, where they are documented."""

    data: Path | str
    results: Path | str | None
    logs: Path | str
    plugins: Iterable[Path | str] | Path | str
    seconds: float | None
    threads: int | None
    pools: Mapping[str, int]
    deadline_s: float
    safe: bool
    safe_retry: bool
    oom: str
    order: str | int
    epoch_starts: bool
    quiet: bool
    files: Iterable[Path | str] | Path | str
    columns: Iterable[str]


@dataclass(frozen=True)
class Settings:
    """Where a session reads and writes, and how its processes measure; see `Session` for each."""

    data: Path = Path("data")
    results: Path | None = Path("results/raw")
    logs: Path = Path("logs")
    plugins: tuple[Path, ...] = ()
    seconds: float | None = None
    threads: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    deadline_s: float = 600.0
    safe: bool = False
    safe_retry: bool = False
    oom: str = "result"
    order: str | int = RANDOM
    epoch_starts: bool = False
    quiet: bool = False
    files: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def fallbacks(self) -> Fallbacks:
        """What is measured in place of cells that fail."""
        return Fallbacks(oom_ladder=self.oom == "ladder", safe_retry=self.safe_retry)

    def started(self, cell: Cell) -> Cell:
        """Give the cell that is measured in place of one: in safe mode, that of its loader without processes."""
        return replace(cell, loader=cell.loader.without_workers()) if self.safe else cell

    def __post_init__(self) -> None:
        for name in ("seconds", "deadline_s", "threads"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e9:
                raise UsageError(f"{name}={value!r} is no positive number")
        for pool, count in self.pools.items():
            if pool not in (ARROW, *POOLS):
                raise UsageError(f"pools: no pool {pool!r}; {near(pool, (ARROW, *POOLS))}")
            if not 0 < count < 1e9:
                raise UsageError(f"pools: {pool}={count!r} is no positive number")
        if self.oom not in OOM:
            raise UsageError(f"oom={self.oom!r} is none of {', '.join(OOM)}")
        if not (self.order in (RANDOM, NAMED) or re.fullmatch(r"\d{1,18}", str(self.order), re.ASCII)):
            raise UsageError(f"order={self.order!r} is neither {RANDOM} nor {NAMED} nor a whole number from 0 on")


@dataclass(frozen=True)
class Caller:
    """Who asks: a notebook, or the command line."""

    console: Console
    """Where progress and complaints go."""
    environ: Mapping[str, str]
    """Variables that stand in every record, and that may name a fork server to share."""
    run: str
    """Name of the run in every record, and of its files."""
    prefix: str = ""
    """What stands before the names of settings in complaints; `--` of options."""
    config: Mapping[str, str] | None = None
    """`path` and `text` of a file that settings were read from, which stand in every record; None: there was none."""

    @classmethod
    def python(cls) -> Caller:
        """Give the program that imported feedrate: its standard error and its environment."""
        return cls(console(sys.stderr), os.environ, run_name())


def run_name() -> str:
    """Name a run after its start (UTC), and apart from others of the same second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def demand_run_name(name: str) -> str:
    """Give the same name, if it is a plain one.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}", name):
        raise UsageError(f"{RUN}={name!r} is no name for a run; 1 to 64 of A-Z, a-z, 0-9, _, - and . are, no . first")
    return name


def demand_count(name: str, value: int) -> int:
    """Give the same number, of replicates or the like.

    Raises:
        UsageError: it is not above 0.
    """
    if value < 1:
        raise UsageError(f"{name}={value!r} is no positive number")
    return value
