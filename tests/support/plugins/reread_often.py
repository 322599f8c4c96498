"""Another version of `reread.py`: every block is read and decoded 20 times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import reread

from feedrate import Loader, Workload, hookimpl, knob


@dataclass(frozen=True)
class Reread(reread.Reread):
    """Read and decode each block 20 times."""

    times: int = knob(20)


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return (Reread,)


@hookimpl
def workloads() -> Iterable[Workload]:
    return reread.workloads()
