"""Serve a fixed set of ready batches: what the step can do when loading costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Resident"]


@dataclass(frozen=True)
class Resident(Loader):
    """Serve the plan's first `count` batches again and again from the device's memory: the loader behind T_S."""

    name = "resident"
    synthetic = True
    hidden = True
    count: int = knob(8, 1, 32, low=1, high=4_096)

    def traits(self) -> LoaderTraits:
        return LoaderTraits("caller")

    def stream(self, plan: Plan) -> Stream:
        from feedrate.loading.ready_batches import ready_on_device

        yield from ready_on_device(plan, self.count, self.copy, pin=self.pin)
