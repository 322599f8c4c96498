"""Takes a cell apart while its stream is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.ladder import Ladder, Rung
from feedrate.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.batch import Batch
    from feedrate.cell import Cell
    from feedrate.dataset import DataSet
    from feedrate.feed import Feed
    from feedrate.loop import Loop
    from feedrate.plan import Plan

__all__ = ["Probe", "Request"]


@dataclass(frozen=True)
class Request:
    """What is asked of a probe."""

    cold: bool = False
    """Measure one epoch with files that the page cache does not hold."""
    facts: bool = False
    """Count and profile the step."""


@dataclass
class Probe:
    """Takes the stream of one cell apart, stage by stage."""

    cell: Cell
    data: DataSet
    request: Request
    scratch: Path

    def staged(self, plan: Plan) -> Plan:
        """The plan, with a source that can be swapped while the stream is open."""
        return plan

    def look(
        self, loop: Loop, feed: Feed, plan: Plan, resident: Callable[[], AbstractContextManager[Iterator[Batch]]]
    ) -> Mapping[str, object]:
        """The fields of a `Ladder`."""
        start = now_s()
        with resident() as batches:
            loop.steps(batches, 1)
            alone = loop.windows(lambda n: loop.steps(batches, n), 2, loop.effort.least_batches)
        return Ladder({"R0": Rung(full=alone)}, epoch_batches=plan.epoch_batches, spent_s=now_s() - start).as_json()
