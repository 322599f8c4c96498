"""A plugin in one file: a loader whose decoding can be made slower by a known share. `sums` besides, to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sums import Sums

from feedrate import Loader, Workload, hookimpl, knob

if TYPE_CHECKING:
    from feedrate import Plan, Stream


@dataclass(frozen=True)
class Reread(Loader):
    """Read and decode every n-th block `times` times, in this process."""

    name = "reread"
    times: int = knob(1)
    every: int = knob(1)

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for number, block in enumerate(plan.blocks()):
                for _ in range(self.times if number % self.every == 0 else 1):
                    columns = source.read(block)
                for rows in block.batches():
                    yield columns.batch(rows)


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return (Reread,)


@hookimpl
def workloads() -> Iterable[Workload]:
    return (Sums(),)
