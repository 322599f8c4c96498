"""Strategies with numbers of which nobody knows from where to where they may be set."""

from __future__ import annotations

from dataclasses import dataclass

from sums import Sums

from feedrate.calibration.strategies.wrong_rows import honest
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream
from feedrate.plugin.strategy import knob
from tests.support.lying_steps import PlainStep


@dataclass(frozen=True)
class HasNoGreatest(Loader):
    """Says where `depth` begins, and not where it ends."""

    name = "has_no_greatest"
    depth: int = knob(2, 4, low=1)

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)


@dataclass(frozen=True)
class HasNoRange(PlainStep):
    """Says nothing of `parts`, which has a range beside it."""

    name = "has_no_range"
    scale: float = knob(1.0, low=0, high=8)
    parts: int | None = knob(None, 2)


@dataclass(frozen=True)
class HasAPlainField(Sums):
    """Has a number that was not even made with `knob`."""

    name = "has_a_plain_field"
    noise: float = 0.5
