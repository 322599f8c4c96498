"""A fixed set of ready batches: what the step can do when loading costs nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

from feedrate.loader import Loader
from feedrate.loaders.inline import Inline
from feedrate.strategy import knob

if TYPE_CHECKING:
    from feedrate.loader import Stream
    from feedrate.plan import Plan

__all__ = ["Resident"]


@dataclass(frozen=True)
class Resident(Loader):
    """Serve the plan's first `count` batches again and again from the device's memory: the null loader behind T_S."""

    name = "resident"
    null = True
    hidden = True
    count: int = knob(8, 1, 32, low=1, high=4_096)

    def stream(self, plan: Plan) -> Stream:
        from feedrate.transfer import delivered

        with closing(delivered(Inline(cast=self.cast, copy=self.copy, pin=self.pin), plan)) as stream:
            batches = list(islice(stream, self.count))
        yield from islice(cycle(batches), len(plan))
