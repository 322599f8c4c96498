"""Takes a cell apart while its stream is open: the source is swapped and slowed down, and the same loop timed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.cold import cold_rung
from feedrate.inside import facts
from feedrate.ladder import Ladder, Rung
from feedrate.prepared import prepared
from feedrate.stock import Stock
from feedrate.stopwatch import now_s
from feedrate.switch import Switch, Switched
from feedrate.visits import Visits

if TYPE_CHECKING:
    from feedrate.batch import Batch
    from feedrate.cell import Cell
    from feedrate.feed import Feed
    from feedrate.loop import Loop
    from feedrate.plan import Plan

__all__ = ["Probe", "Request"]

_READY = 32
"""Batches that are prepared on the host, again and again."""


@dataclass(frozen=True)
class Request:
    """What is asked of a probe."""

    memory: str
    """An empty folder in a memory file system, which the asker removes."""
    cold: bool = False
    """Measure one epoch with files that the page cache does not hold."""
    facts: bool = False
    """Count and profile the step."""


@dataclass
class Probe:
    """Takes the stream of one cell apart, stage by stage."""

    cell: Cell
    request: Request
    scratch: Path
    _lacking: str = ""
    """Why no source but the files can be read; empty: all can."""

    def staged(self, plan: Plan) -> Plan:
        """The plan, with a source that can be swapped while the stream is open.

        Raises:
            DataError: a file of the data set is not what was written.
        """
        folder = Path(self.request.memory)
        self._lacking = Stock.lacking(plan, folder)
        stock = None if self._lacking else Stock.filled(plan, folder)
        self._switch = Switch.made(self.scratch / "switch", len(plan.stored_blocks))
        return replace(plan, swapped=Switched(self._switch, stock))

    def look(
        self, loop: Loop, feed: Feed, plan: Plan, resident: Callable[[], AbstractContextManager[Iterator[Batch]]]
    ) -> Mapping[str, object]:
        """The fields of a `Ladder`, from a plan that `staged` returned and its stream."""
        start = now_s()
        with resident() as batches, prepared(self.cell.loader, plan, _READY) as host:
            visits = Visits(loop, feed, plan, self._switch, self.cell.loader.ahead_batches(plan), self._lacking)
            found = visits.ladder({"R0": batches, "R1": host})
            if self.request.cold:
                found = replace(found, rungs={**found.rungs, "R5": self._cold(loop, plan, found)})
            # Last: what was profiled is never timed again.
            step = facts(self.cell, loop, batches, self.scratch) if self.request.facts else None
        return replace(found, facts=step, spent_s=now_s() - start).as_json()

    def _cold(self, loop: Loop, plan: Plan, found: Ladder) -> Rung:
        return cold_rung(loop, self.cell.loader, plan, found.rungs["R4"].full[-1].batch_s)
