"""Hold what a rule finds about a cell: the kind of verdict and the facts that it stands on, without prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from feedrate.diagnosis.causes import Cause
from feedrate.diagnosis.evidence import LoadingStage, Stage
from feedrate.records.code_place import CodePlace
from feedrate.records.estimate import Estimate
from feedrate.records.step_profile import StepProfile

__all__ = [
    "Facts",
    "Family",
    "Finding",
    "Kind",
    "LateFirstBatch",
    "LoaderCost",
    "LoadingCost",
    "SlowEpochStarts",
    "SlowedDown",
    "SlowerThanTurns",
    "StageCost",
    "StepCost",
    "TakingTurns",
    "Unexplained",
    "UnexplainedQueue",
    "WideStall",
    "family_of",
]

Kind: TypeAlias = Literal[
    "read cold", "read warm", "decode", "hand-over", "copy", "fetch", "collate", "pin", "loader-bound",
    "compute", "launch", "python", "sync", "step-bound",
    "contention", "coupling", "no overlap", "start-up", "unsure", "invalid",
]  # fmt: skip
"""`loader-bound` and `step-bound` alone: bound there, and the stage was not told apart."""
Family: TypeAlias = Literal["loader", "step", "both", "unsure"]

_FAMILIES: Mapping[Kind, Family] = {
    "compute": "step", "launch": "step", "python": "step", "sync": "step", "step-bound": "step",
    "contention": "both", "coupling": "both", "no overlap": "both", "unsure": "unsure", "invalid": "unsure",
}  # fmt: skip


def family_of(kind: Kind) -> Family:
    """Which side a kind of verdict blames."""
    return _FAMILIES.get(kind, "loader")


@dataclass(frozen=True)
class LateFirstBatch:
    """The first batch takes longer than whole epochs."""

    first_batch_s: float
    epoch_s: float


@dataclass(frozen=True)
class SlowEpochStarts:
    """The first batch of each epoch takes most of what loading costs."""

    boundary_s: float


@dataclass(frozen=True)
class LoaderCost:
    """The loader alone takes what both together take, and no stage of it stands out."""

    loader_s: float
    full_s: float
    step_ceiling: float


@dataclass(frozen=True)
class StageCost:
    """One stage of the loader takes most of what loading costs."""

    stage: Stage
    cost: Estimate
    full_s: float
    step_ceiling: float
    delay_returned: float | None = None
    """Share of a delay put into the stage that came back; None: not measured."""
    confirmed: bool = False
    """Whether that is as much as can come back where the stage binds."""
    clear: bool = True
    """False: the interval of the cost holds zero, so the stage is only likely."""


@dataclass(frozen=True)
class LoadingCost:
    """One part of loading takes most of what a person's loader takes."""

    stage: LoadingStage
    cost: Estimate
    loader_s: float
    full_s: float
    step_ceiling: float
    rest: Estimate
    """Of the loader's time: what no part explains."""
    workers: int = 0
    """That share fetching and collating."""
    clear: bool = True
    """False: the interval of the cost holds zero, so the part is only likely."""


@dataclass(frozen=True)
class StepCost:
    """The step alone takes what both together take."""

    step_s: float
    loader_ceiling: float
    profile: StepProfile | None = None


@dataclass(frozen=True)
class SlowedDown:
    """Loader and step slow each other down while both work."""

    loader_s: float
    step_s: float
    beside_s: float
    """The slower of the two beside the other."""


@dataclass(frozen=True)
class SlowerThanTurns:
    """Both together take longer than one after the other would."""

    loader_s: float
    step_s: float
    full_s: float


@dataclass(frozen=True)
class TakingTurns:
    """Loader and step work one after the other."""

    loader_s: float
    step_s: float
    slowdown: Estimate | None = None
    """What the step may lose to the loader, where that would explain the same; None: it would not."""


@dataclass(frozen=True)
class UnexplainedQueue:
    """Neither side explains a rest of T_F, not even beside the other: a short queue and jitter do."""

    rest_s: float


@dataclass(frozen=True)
class WideStall:
    """The interval of the stall share reaches from next to nothing to a lot."""

    low: float
    high: float
    likely: Kind
    replicates: int | None = None
    """How many would settle it; None: more than anybody waits for."""


@dataclass(frozen=True)
class Unexplained:
    """The parts leave too much of T_F unexplained."""

    rest_s: float
    full_s: float
    likely: Kind


Facts: TypeAlias = (
    LateFirstBatch
    | SlowEpochStarts
    | LoaderCost
    | StageCost
    | LoadingCost
    | StepCost
    | SlowedDown
    | SlowerThanTurns
    | TakingTurns
    | UnexplainedQueue
    | WideStall
    | Unexplained
)


@dataclass(frozen=True)
class Finding:
    """What holds a cell back, and the facts that say so."""

    kind: Kind
    facts: Facts
    gain: float = 1.0
    """Factor by which the cell gains at most when that is gone; 1: nothing is promised."""
    causes: tuple[Cause, ...] = ()
    """What its threads do to one another, beneath it."""
    place: CodePlace | None = None
    """The line of a person's own script that the side it blames is at most often."""

    @property
    def firm(self) -> bool:
        """False: more replicates could say more."""
        return self.kind != "unsure" and (not isinstance(self.facts, StageCost | LoadingCost) or self.facts.clear)
