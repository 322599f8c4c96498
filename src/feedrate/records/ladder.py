"""Hold what a replicate of a diagnosis timed: the ladder's rungs, delays put in, both sides beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from feedrate.records.cell_traits import CellTraits
from feedrate.records.code_place import CodePlace
from feedrate.records.codec import decoded, encoded
from feedrate.records.competition import Competition
from feedrate.records.copy_rates import CopyRates
from feedrate.records.loading_times import LoadingTimes
from feedrate.records.soak import Soak
from feedrate.records.step_profile import StepProfile
from feedrate.records.window import Window, demand_work

__all__ = ["RUNGS", "BatchWaits", "Delayed", "Ladder", "Rung"]

RUNGS = {
    "R0": "step",
    "R1": "copy",
    "R2": "hand-over",
    "R3": "decode",
    "R4": "read warm",
    "R5": "read cold",
}
"""The rungs, and the stage that each adds to the one before."""


@dataclass(frozen=True)
class Rung:
    """Hold windows of the stream with everything beyond one stage replaced by what is ready."""

    full: tuple[Window, ...] = ()
    """With the step."""
    alone: tuple[Window, ...] = ()
    """Without: what the loader can do with the rest of its work gone."""
    absent: str = ""
    """Why it was not measured; empty: it was."""


@dataclass(frozen=True)
class Delayed:
    """Hold windows with and without a delay, of one round."""

    delay_s: float
    """Seconds a batch that were put in."""
    without: Window
    delayed: Window


@dataclass(frozen=True)
class BatchWaits:
    """Hold how long the loop waited for batches of a person's own loader."""

    s: float
    held_back_s: float
    """Of those seconds: while all workers but one had finished batches whose turn had not come."""


@dataclass(frozen=True)
class Ladder:
    """Hold everything that a process timed beyond the three times of its `Measurement`."""

    rungs: Mapping[str, Rung] = field(default_factory=dict)
    """By name, in the order of `RUNGS`."""
    delays: Mapping[str, tuple[Delayed, ...]] = field(default_factory=dict)
    """By the stage they were put in; stages that the harness cannot reach are not there."""
    step_beside: tuple[Window, ...] = ()
    """The resident step while the loader runs beside it, paced at 1/T_F, its batches dropped."""
    loader_beside: tuple[Window, ...] = ()
    """The loader drained while the resident step runs beside it, paced at 1/T_F."""
    readers: float = 1.0
    """Processes or threads that shared the reading, each block counted once."""
    boundary_s: float | None = None
    """Seconds that the first batch of an epoch took longer than others."""
    epoch_batches: int = 1
    facts: StepProfile | None = None
    competition: Competition | None = None
    """What threads did to one another; None: nobody looked, as in all replicates but the first."""
    traits: CellTraits = field(default_factory=CellTraits)
    """What loader and step said of themselves; of a line that was written before they were asked, nothing."""
    soak: Soak | None = None
    """How the loop went on for a while with the collector on; None: not watched in this process."""
    loading: LoadingTimes | None = None
    """What making batches of a person's own data set takes, part by part; None: nobody asked, or it is no such cell."""
    waits: BatchWaits | None = None
    """For batches of a person's own loader, as long as it was measured; None: it is no such cell."""
    places: Mapping[str, tuple[CodePlace, ...]] = field(default_factory=dict)
    """Lines of a person's own script that its `loader` and its `step` were met at most often, first the first; empty:
    nobody looked, or the kernel lets nobody look."""
    copy_rates: CopyRates | None = None
    """Of single large copies to the cell's device, in this process; None: it has none of its own, or nobody asked."""
    spent_s: float = 0.0
    """What taking the cell apart took, beyond its three times."""

    def as_json(self) -> dict[str, object]:
        """Give plain values, as JSON can hold them."""
        return encoded(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Ladder:
        """Read what `as_json` gave; keys that this version does not know are left out.

        Raises:
            DataError: a value is missing, of another type, or nothing that can be measured.
        """
        ladder = decoded(cls, raw)
        ladder.demand_work()
        return ladder

    def demand_work(self) -> None:
        """Check every window.

        Raises:
            DataError: one holds no time, no batch or no sample, or more than can be.
        """
        for where, windows in self.windows():
            demand_work(windows, where)

    def windows(self) -> Iterator[tuple[str, tuple[Window, ...]]]:
        """Yield all that was timed, and where it stands."""
        for name, rung in self.rungs.items():
            yield from ((f"rungs.{name}.full", rung.full), (f"rungs.{name}.alone", rung.alone))
        for stage, pairs in self.delays.items():
            yield from ((f"delays.{stage}", (pair.without, pair.delayed)) for pair in pairs)
        yield from (("step_beside", self.step_beside), ("loader_beside", self.loader_beside))
